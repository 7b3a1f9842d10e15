/**
 * A close that does not end: what it waits for is said, and after a while it fails.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CLOSE_SLOW_MS, CLOSE_STEP_MS } from "../../../src/base/constants.ts";
import { CloseWatch } from "../../../src/engine/close-watch.ts";

let lines: string[];
let watch: CloseWatch;
let last: number;
const never = new Promise<void>(() => {});

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  last = 0;
  watch = new CloseWatch((line) => lines.push(line));
});
afterEach(() => {
  vi.useRealTimers();
});

function watched(close: Promise<void>): Promise<unknown> {
  const flush = async (): Promise<void> => {
    last += 1;
  };
  return watch.watch(close, flush).catch((error: unknown) => error);
}

test("each step has its time, and the one that does not end is named", async () => {
  const end = watched(never);
  watch.step("a first thing");
  await vi.advanceTimersByTimeAsync(CLOSE_SLOW_MS - 1);
  watch.step("a second thing");
  await vi.advanceTimersByTimeAsync(CLOSE_STEP_MS - 1);
  expect(lines).toEqual(["closing: still waiting for a second thing"]);
  expect(last).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(await end).toMatchObject({ code: "ETIMEDOUT", message: "closing: waited 60 s for a second thing in vain" });
  expect(last).toBe(1);
});

test("a close that ends, or fails by itself, leaves no timer and no last deed", async () => {
  watch.step("something");
  expect(await watched(Promise.resolve())).toBeUndefined();
  const failure = new Error("no");
  watch.step("something");
  expect(await watched(Promise.reject(failure))).toBe(failure);
  expect([vi.getTimerCount(), lines, last]).toEqual([0, [], 0]);
});
