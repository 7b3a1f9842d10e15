/**
 * A close that does not end: what it waits for is said, and after a while it fails.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CLOSE_FLUSH_MS, CLOSE_SLOW_MS, CLOSE_STEP_MS } from "../../../src/base/constants.ts";
import { StuckError } from "../../../src/base/stuck-error.ts";
import { CloseWatch } from "../../../src/engine/close-watch.ts";

let lines: string[];
let watch: CloseWatch;
let last: number;
let progress: number;
const never = new Promise<void>(() => {});

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  last = 0;
  progress = 0;
  watch = new CloseWatch(
    (line) => lines.push(line),
    () => progress,
  );
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
  expect(new Set(lines)).toEqual(new Set(["closing: still waiting for a second thing"]));
  expect(lines).toHaveLength(CLOSE_STEP_MS / CLOSE_SLOW_MS - 1);
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

test("a device that is slow is waited for as long as anything ends, and a flush longer than anything else", async () => {
  // A minute was all that there was for every snapshot's commits together, and for tens of gigabytes that a slow disk had to flush.
  const end = watched(never);
  watch.step("a slow thing");
  for (let i = 0; i < 100; i++) {
    await vi.advanceTimersByTimeAsync(CLOSE_STEP_MS - CLOSE_SLOW_MS);
    progress += 1;
  }
  watch.step("a flush", CLOSE_FLUSH_MS);
  await vi.advanceTimersByTimeAsync(CLOSE_FLUSH_MS - 1);
  expect(last).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(await end).toBeInstanceOf(StuckError);
});

test("a close that was given up goes no further when the device answers after all", async () => {
  // It went on, armed new timers, and released the locks that it had said it would keep.
  let answer: (() => void) | undefined;
  const hung = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let released = false;
  const close = async (): Promise<void> => {
    watch.step("something");
    await hung;
    watch.step("devices to be released");
    released = true;
  };
  const end = watched(close());
  await vi.advanceTimersByTimeAsync(CLOSE_STEP_MS);
  expect(await end).toBeInstanceOf(StuckError);
  answer?.();
  await vi.advanceTimersByTimeAsync(CLOSE_STEP_MS);
  expect([released, vi.getTimerCount()]).toEqual([false, 0]);
});
