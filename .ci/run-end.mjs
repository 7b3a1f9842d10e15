/**
 * What is to be said of a test run that did not end by itself, or ended badly without a failed test: it was killed, its time was over, or it
 * could not be started.
 */

/**
 * @param {Pick<import("node:child_process").SpawnSyncReturns<unknown>, "status" | "signal" | "error">} run
 * @param {import("./reporter.mjs").Counts} counts of the test files that had ended
 * @param {number} minutes that it had
 * @returns {string | undefined} undefined: nothing
 */
export function badEnd({ status, signal, error }, { running = [], failures }, minutes) {
  const where = running.length === 0 ? "" : `; under way: ${running.join(", ")}`;
  if (/** @type {NodeJS.ErrnoException | undefined} */ (error)?.code === "ETIMEDOUT") {
    const longer = "on a slow machine SNAPRING_TEST_MINUTES=N allows more";
    return `was ended after ${minutes} minutes (${longer}), and what had ended by then is counted${where}`;
  }
  if (error !== undefined) return `could not be started: ${error.message}`;
  if (status === 0 || (signal === null && failures.length > 0)) return undefined;
  return `ended with ${signal ?? `exit code ${status}`}${failures.length > 0 ? "" : ", and no test failed"}${where}`;
}
