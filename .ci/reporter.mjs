/**
 * The vitest reporter that counts. It prints `N passed, N failed, N skipped` when the process ends, or, where
 * SNAPRING_TEST_COUNTS names a file, writes the counts there as JSON for a caller that adds up several runs.
 *
 * What counts as a failure besides failed tests: a test file or suite that broke outside of a test, an unhandled error, and,
 * with SNAPRING_CI=1, every skipped test that needs the real kernel or io_uring: such tests may be skipped on a machine that
 * lacks them, but not unnoticed, and not where everything must be proved.
 */
import { writeFileSync } from "node:fs";

const NEEDS_MACHINE = /kernel|\b(io_)?uring|native|oracle/i;

export default class CountingReporter {
  #counts = { passed: 0, failed: 0, skipped: 0 };

  onInit() {
    process.once("exit", () => this.#print());
  }

  /** @param {readonly import("vitest/node").TestModule[]} modules @param {readonly unknown[]} errors */
  onTestRunEnd(modules, errors) {
    const strict = process.env["SNAPRING_CI"] === "1";
    const skipped = [];
    for (const module of modules) {
      this.#counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) this.#counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") this.#counts.passed++;
        else if (state === "failed") this.#counts.failed++;
        else skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
      }
    }
    this.#counts.failed += errors.length;
    for (const name of skipped) {
      const refused = strict && NEEDS_MACHINE.test(name);
      console.log(`${refused ? "FAILED (skipped)" : "skipped"}: ${name}`);
      if (refused) this.#counts.failed++;
      else this.#counts.skipped++;
    }
    if (this.#counts.failed > 0) process.exitCode = 1;
    const file = process.env["SNAPRING_TEST_COUNTS"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(this.#counts));
  }

  #print() {
    if (process.env["SNAPRING_TEST_COUNTS"] !== undefined) return;
    const { passed, failed, skipped } = this.#counts;
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  }
}
