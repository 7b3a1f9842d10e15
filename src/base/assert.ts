/**
 * Assertions for programmer errors.
 *
 * An operating error (EIO, ENOSPC, a bad peer) is a value: a negative errno that travels in a completion.
 * A programmer error stops the process: the on-disk order makes that safe at any moment. Asserts stay on in
 * production; those that cost O(n) are guarded by `VERIFY`, which the tests turn on.
 */

/** O(n) self-checks are on: set `SNAPRING_VERIFY=1` before the process starts. */
export const VERIFY: boolean = process.env["SNAPRING_VERIFY"] === "1";

export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** So small that a compiler puts it into its callers wherever they are hot, whatever else it has put there: the words are made elsewhere. */
export function assert(condition: boolean, message?: string): asserts condition {
  if (!condition) fail(message);
}

function fail(message = "assertion failed"): never {
  throw new AssertionFailure(message);
}

/** For a switch that must be exhaustive. */
export function unreachable(value: never, what = "unreachable"): never {
  throw new AssertionFailure(`${what}: ${String(value)}`);
}
