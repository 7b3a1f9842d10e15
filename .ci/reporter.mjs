/**
 * The vitest reporter that counts. It prints `N passed, N failed, N skipped` when the process ends, or, where
 * SNAPRING_TEST_COUNTS names a file, writes the counts there as JSON for a caller that adds up several runs. What failed is
 * named, with the first line of its error: there for the caller to print last, where a long log is cut off last. The file is written
 * whenever a test file has ended, too, so that the counts of a run that is killed are not lost with it.
 *
 * What counts as a failure besides failed tests: a test file or suite that broke outside of a test, an unhandled error, and,
 * with SNAPRING_CI=1, every skipped test that needs the real kernel or io_uring: such tests may be skipped on a machine that
 * lacks them, but not unnoticed, and not where everything must be proved.
 */
import { renameSync, writeFileSync } from "node:fs";

const NEEDS_MACHINE = /kernel|\b(io_)?uring|native|oracle/i;

/**
 * Every failure is a line that names it. `running`: the test files that have begun and not ended.
 * @typedef {{ passed: number, skipped: number, failures: string[], running?: string[] }} Counts
 */

/** @param {Counts} counts */
export function printCounts({ passed, skipped, failures }) {
  for (const line of failures) console.log(line);
  console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
}

export default class CountingReporter {
  /** @type {Counts} */
  #counts = { passed: 0, skipped: 0, failures: [] };
  /** As far as the run has come. @type {Counts} */
  #soFar = { passed: 0, skipped: 0, failures: [] };
  /** @type {Set<string>} */
  #running = new Set();

  onInit() {
    process.once("exit", () => this.#print());
  }

  /** @param {import("vitest/node").TestModule} module */
  onTestModuleStart(module) {
    this.#running.add(module.relativeModuleId);
    this.#keep(this.#soFar);
  }

  /** @param {import("vitest/node").TestModule} module */
  onTestModuleEnd(module) {
    this.#running.delete(module.relativeModuleId);
    this.#count(module, this.#soFar);
    this.#keep(this.#soFar);
  }

  /** @param {readonly import("vitest/node").TestModule[]} modules @param {readonly unknown[]} errors */
  onTestRunEnd(modules, errors) {
    const skipped = modules.flatMap((module) => this.#count(module, this.#counts));
    fail(this.#counts, "outside of every test", errors);
    for (const name of skipped) console.log(`${mustRun(name) ? "FAILED (skipped)" : "skipped"}: ${name}`);
    if (this.#counts.failures.length > 0) process.exitCode = 1;
    this.#running.clear();
    this.#keep(this.#counts);
  }

  /** The names of those that were skipped. @param {import("vitest/node").TestModule} module @param {Counts} counts */
  #count(module, counts) {
    const file = module.relativeModuleId;
    const skipped = [];
    fail(counts, file, module.errors());
    for (const suite of module.children.allSuites()) fail(counts, `${file} > ${suite.fullName}`, suite.errors());
    for (const test of module.children.allTests()) {
      const { state, errors: found } = test.result();
      const name = `${file} > ${test.fullName}`;
      if (state === "passed") counts.passed++;
      else if (state === "failed") fail(counts, name, [found?.[0] ?? "no error is known"]);
      else {
        skipped.push(name);
        if (mustRun(name)) fail(counts, name, ["skipped, and must not be"]);
        else counts.skipped++;
      }
    }
    return skipped;
  }

  /** @param {Counts} counts */
  #keep(counts) {
    const file = process.env["SNAPRING_TEST_COUNTS"];
    if (file === undefined) return;
    // Whoever reads it when this process has been killed finds a whole one.
    writeFileSync(`${file}.new`, JSON.stringify({ ...counts, running: [...this.#running] }));
    renameSync(`${file}.new`, file);
  }

  #print() {
    if (process.env["SNAPRING_TEST_COUNTS"] === undefined) printCounts(this.#counts);
  }
}

/** @param {string} name */
function mustRun(name) {
  return process.env["SNAPRING_CI"] === "1" && NEEDS_MACHINE.test(name);
}

/** @param {Counts} counts @param {string} name @param {readonly any[]} errors each one is a failure of its own */
function fail(counts, name, errors) {
  for (const error of errors) {
    const [message] = String(error?.message ?? error).split("\n");
    counts.failures.push(`FAILED: ${name}: ${message}`);
  }
}
