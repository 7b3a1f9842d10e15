/** How far the exceptions of a snapshot have come: what is allocated, wanted and settled. */
import { expect, test } from "vitest";
import { Progress } from "../../../src/core/progress.ts";

test("who waits for an earlier sequence does not take back what somebody else waits for (S-57)", () => {
  const progress = new Progress<string>(1);
  for (const chunk of [1, 2, 3]) progress.begin("s", chunk, 10 + chunk, true);
  expect([progress.hasDemand, progress.demanded]).toEqual([false, 0]);
  for (const sequence of [2, 1]) progress.demand(sequence);
  expect([progress.hasDemand, progress.demanded]).toEqual([true, 2]);
  expect([progress.demandAll(), progress.demandAll(), progress.demanded]).toEqual([true, false, 3]);
  expect(() => progress.demand(4)).toThrow("a sequence that was not given out");
});

test("it is settled when nothing is pending, and nothing waits for its commit: either alone is not enough (S-41)", () => {
  const progress = new Progress<string>(1);
  expect(progress.isSettled).toBe(true);
  const transient = progress.begin("s", 1, 11, false);
  expect([progress.isSettled, progress.queue.length]).toEqual([false, 0]);
  progress.pending.give(transient);
  expect(progress.isSettled).toBe(true);
  const queued = progress.begin("s", 2, 12, true);
  progress.pending.give(queued);
  expect([progress.isSettled, progress.queue.length, progress.pending.count]).toEqual([false, 1, 0]);
});
