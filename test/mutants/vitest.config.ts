/**
 * The tests as the mutants need them: those named by the environment, with the asserts of VERIFY, and nothing of the suite's groups.
 *
 *   SNAPRING_MUTANTS_TESTS   globs of test files, separated by ";"; all unit tests where it is not set
 */
import { defineConfig } from "vitest/config";
import { ExamplesFirst } from "./examples-first.ts";

export default defineConfig({
  test: {
    include: (process.env["SNAPRING_MUTANTS_TESTS"] ?? "test/unit/**/*.test.ts").split(";"),
    env: { SNAPRING_VERIFY: "1" },
    setupFiles: ["test/mutants/setup.ts"],
    testTimeout: 120_000,
    // A mutant costs little more than its tests: the sources are loaded once for all files.
    isolate: false,
    sequence: { sequencer: ExamplesFirst },
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
});
