/**
 * `npm test`: set up, run every test on this node, run the part that meets threads, io_uring and sockets once more on Node 24,
 * and end with one line of plain text, `N passed, N failed, N skipped`, over both runs. Exit code 1 if anything failed.
 *
 * Arguments go to vitest (`npm test -- test/unit`); then only the first run is made. Each run has 40 minutes, or as many as
 * SNAPRING_TEST_MINUTES says.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { printCounts } from "./reporter.mjs";
import { badEnd } from "./run-end.mjs";
import { node24, orOneLine, ROOT, setup } from "./setup.mjs";

/**
 * sanitizer: a program of its own, without node. The others show what is decided, which no node changes: by what stands in the register
 * and is at a path (volume-register), and by the core (volume-stores, volume-merge, many-snapshots, chunk-sizes, volume-shrunk). Threads, rings
 * and sockets under merges, drops and growth are soak's, which runs again, and what the daemon makes of it is seen through its control socket (control).
 */
const NOT_AGAIN = [
  "sanitizer.test.ts",
  "daemon.test.ts",
  "daemon-snapshots.test.ts",
  "many-snapshots.test.ts",
  "chunk-sizes.test.ts",
  "volume-shrunk.test.ts",
  "volume-register.test.ts",
  "volume-stores.test.ts",
  "volume-merge.test.ts",
];
/** Parts of paths. The command as a process, its lines, and its end by a signal are in data and volume-fallback. */
const AGAIN_ON_NODE_24 = [
  ...[...testsIn("test/threads"), ...testsIn("test/native")].filter(
    (path) => !NOT_AGAIN.some((name) => path.endsWith(name)),
  ),
  "test/e2e/data",
  "test/e2e/process-end",
];
const RUN_MINUTES_MAX = minutesMax(process.env["SNAPRING_TEST_MINUTES"] ?? "40");

orOneLine(() => setup({ tests: true }));
const strict = process.env["SNAPRING_CI"] === "1";
const args = process.argv.slice(2);
/** @type {import("./reporter.mjs").Counts} */
const total = { passed: 0, skipped: 0, failures: [] };

vitest(process.execPath, args);
if (args.length === 0) {
  const node = node24();
  if (node !== undefined) vitest(node, AGAIN_ON_NODE_24);
  else {
    const why = `there is no Node 24 here, so the tests ran on ${process.version} only`;
    if (strict) total.failures.push(`FAILED: ${why}`);
    else console.log(`SKIPPED: ${why}`);
  }
}
process.exitCode = total.failures.length === 0 ? 0 : 1;
printCounts(total);

/** @param {string} folder @returns {string[]} */
function testsIn(folder) {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(".test.ts"));
  return names.map((name) => join(folder, name));
}

/** @param {string} node @param {string[]} filters */
function vitest(node, filters) {
  const counts = join(ROOT, "var/test", `counts-${process.pid}.json`);
  mkdirSync(join(ROOT, "var/test"), { recursive: true });
  rmSync(counts, { force: true });
  const run = spawnSync(node, [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", ...filters], {
    cwd: ROOT,
    stdio: ["ignore", 1, 2],
    // A test that never gives its thread back cannot be ended from inside.
    timeout: RUN_MINUTES_MAX * 60_000,
    killSignal: "SIGKILL",
    env: { ...process.env, SNAPRING_TEST_COUNTS: counts },
  });
  const result = existsSync(counts)
    ? JSON.parse(readFileSync(counts, "utf8"))
    : { passed: 0, skipped: 0, failures: [] };
  rmSync(counts, { force: true });
  total.passed += result.passed;
  total.skipped += result.skipped;
  total.failures.push(...result.failures);
  // A run that ended badly without a failed test (it was killed, or could not start) is a failure all the same.
  const line = badEnd(run, result, RUN_MINUTES_MAX);
  if (line !== undefined) total.failures.push(`FAILED: the run on ${node} ${line}`);
}

/** @param {string} text */
function minutesMax(text) {
  const minutes = Number(text);
  if (minutes > 0 && minutes <= 24 * 60) return minutes;
  console.log(`SNAPRING_TEST_MINUTES is no number of minutes: ${text}`);
  process.exit(2);
}
