/**
 * The tests, in two groups that run one after the other.
 *
 *   unit      pure code and small files
 *
 *   threads   real worker threads on the built dist/
 *   e2e       the built command and server, with foreign clients (nbdinfo, fio, …)
 *   kernel    beside the real kernel's snapshots, in User-Mode Linux
 *
 * As many files run at once as there are cores where it is tested. Those of the second group start processes and threads of their own, and wait
 * for them and for disks a third of their time; one group has one end, at which a core may have nothing left to do. A limit of time is there to
 * end a test that hangs, never to judge speed.
 */
import { defineConfig } from "vitest/config";
import { LongFirst } from "./.ci/long-first.mjs";

const MINUTE = 60_000;
const CORES = 2;

function group(name: string, groupOrder: number, include: string[], exclude: string[] = []): object {
  return {
    extends: true,
    test: { name, include, exclude, maxWorkers: CORES, sequence: { groupOrder } },
  };
}

export default defineConfig({
  test: {
    testTimeout: 2 * MINUTE,
    hookTimeout: 2 * MINUTE,
    teardownTimeout: MINUTE,
    // What a test waits for comes soon, but no machine promises when.
    expect: { poll: { timeout: MINUTE, interval: 20 } },
    pool: "forks",
    env: { SNAPRING_VERIFY: "1" },
    reporters: ["default", "./.ci/reporter.mjs"],
    sequence: { sequencer: LongFirst },
    projects: [
      group("unit", 0, ["test/**/*.test.ts"], ["test/threads/**", "test/native/**", "test/e2e/**", "test/kernel/**"]),
      group("threads", 1, ["test/threads/**/*.test.ts", "test/native/**/*.test.ts"]),
      group("e2e", 1, ["test/e2e/**/*.test.ts"]),
      group("kernel", 1, ["test/kernel/**/*.test.ts"]),
    ],
  },
});
