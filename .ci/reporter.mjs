/**
 * The vitest reporter that counts. It prints `N passed, N failed, N skipped` when the process ends, or, where
 * SNAPRING_TEST_COUNTS names a file, writes the counts there as JSON for a caller that adds up several runs. What failed is
 * named, with the first line of its error: there for the caller to print last, where a long log is cut off last.
 *
 * What counts as a failure besides failed tests: a test file or suite that broke outside of a test, an unhandled error, and,
 * with SNAPRING_CI=1, every skipped test that needs the real kernel or io_uring: such tests may be skipped on a machine that
 * lacks them, but not unnoticed, and not where everything must be proved.
 */
import { writeFileSync } from "node:fs";

const NEEDS_MACHINE = /kernel|\b(io_)?uring|native|oracle/i;

/** @typedef {{ passed: number, skipped: number, failures: string[] }} Counts every failure is a line that names it */

/** @param {Counts} counts */
export function printCounts({ passed, skipped, failures }) {
  for (const line of failures) console.log(line);
  console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
}

export default class CountingReporter {
  /** @type {Counts} */
  #counts = { passed: 0, skipped: 0, failures: [] };

  onInit() {
    process.once("exit", () => this.#print());
  }

  /** @param {readonly import("vitest/node").TestModule[]} modules @param {readonly unknown[]} errors */
  onTestRunEnd(modules, errors) {
    const strict = process.env["SNAPRING_CI"] === "1";
    const skipped = [];
    for (const module of modules) {
      const file = module.relativeModuleId;
      this.#fail(file, module.errors());
      for (const suite of module.children.allSuites()) this.#fail(`${file} > ${suite.fullName}`, suite.errors());
      for (const test of module.children.allTests()) {
        const { state, errors: found } = test.result();
        const name = `${file} > ${test.fullName}`;
        if (state === "passed") this.#counts.passed++;
        else if (state === "failed") this.#fail(name, [found?.[0] ?? "no error is known"]);
        else skipped.push(name);
      }
    }
    this.#fail("outside of every test", errors);
    for (const name of skipped) {
      const refused = strict && NEEDS_MACHINE.test(name);
      console.log(`${refused ? "FAILED (skipped)" : "skipped"}: ${name}`);
      if (refused) this.#fail(name, ["skipped, and must not be"]);
      else this.#counts.skipped++;
    }
    if (this.#counts.failures.length > 0) process.exitCode = 1;
    const file = process.env["SNAPRING_TEST_COUNTS"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(this.#counts));
  }

  /** @param {string} name @param {readonly any[]} errors each one is a failure of its own */
  #fail(name, errors) {
    for (const error of errors) {
      const [message] = String(error?.message ?? error).split("\n");
      this.#counts.failures.push(`FAILED: ${name}: ${message}`);
    }
  }

  #print() {
    if (process.env["SNAPRING_TEST_COUNTS"] === undefined) printCounts(this.#counts);
  }
}
