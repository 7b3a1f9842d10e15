/**
 * The tests, in groups that run one after the other.
 *
 *   unit      pure code and small files: as many at once as there are cores
 *   threads   real worker threads on the built dist/
 *   e2e       the built command and server, with foreign clients (nbdinfo, fio, …)
 *   kernel    beside the real kernel's snapshots, in User-Mode Linux
 *
 * The groups behind the first start processes and threads of their own, so few of their files run at once: those of e2e wait for
 * processes and disks half of their time, those of threads do not. A limit of time is there to end a test that hangs, never to
 * judge speed.
 */
import { defineConfig } from "vitest/config";

const MINUTE = 60_000;

function group(
  name: string,
  groupOrder: number,
  include: string[],
  maxWorkers: number,
  exclude: string[] = [],
): object {
  return {
    extends: true,
    test: { name, include, exclude, maxWorkers, sequence: { groupOrder } },
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
    projects: [
      group("unit", 0, ["test/**/*.test.ts"], 2, [
        "test/threads/**",
        "test/native/**",
        "test/e2e/**",
        "test/kernel/**",
      ]),
      group("threads", 1, ["test/threads/**/*.test.ts", "test/native/**/*.test.ts"], 1),
      group("e2e", 2, ["test/e2e/**/*.test.ts"], 2),
      group("kernel", 3, ["test/kernel/**/*.test.ts"], 2),
    ],
  },
});
