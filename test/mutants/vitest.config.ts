/** The tests as planted mistakes need them (planted-run.ts): with the asserts of VERIFY, and nothing of the suite's groups. */
import { defineConfig } from "vitest/config";
import { ExamplesFirst } from "./examples-first.ts";

export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts"],
    env: { SNAPRING_VERIFY: "1" },
    setupFiles: ["test/mutants/setup.ts"],
    testTimeout: 120_000,
    // A mutant costs little more than its tests: the sources are loaded once for all files.
    isolate: false,
    sequence: { sequencer: ExamplesFirst },
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
});
