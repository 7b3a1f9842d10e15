/** How long a creation may hold writes: from the first gate that closes to the last that opens. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CreationPause } from "../../../src/engine/creation-pause.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("what takes long before a gate closes, or after all are open, is no pause", () => {
  using pause = new CreationPause(100, undefined);
  vi.advanceTimersByTime(1000);
  pause.began();
  vi.advanceTimersByTime(99);
  pause.ended();
  vi.advanceTimersByTime(1000);
  expect([pause.signal?.aborted, pause.tooLong]).toEqual([false, undefined]);
});

test("a group's is counted from its first gate on, until the last is open", () => {
  using pause = new CreationPause(100, undefined);
  pause.began();
  vi.advanceTimersByTime(60);
  pause.began();
  pause.ended();
  vi.advanceTimersByTime(39);
  expect(pause.signal?.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(pause.signal?.aborted).toBe(true);
  expect(pause.tooLong).toMatchObject({ code: "ETIMEDOUT", message: expect.stringContaining("100 milliseconds") });
});

test("whose user has given it up is told so, and not that its time was over", () => {
  const closer = new AbortController();
  using pause = new CreationPause(100, closer.signal);
  pause.began();
  closer.abort();
  vi.advanceTimersByTime(1000);
  expect([pause.signal?.aborted, pause.tooLong]).toEqual([true, undefined]);
});

test("without a bound the signal is the user's own, or none, and no timer runs", () => {
  const { signal } = new AbortController();
  for (const given of [undefined, signal]) {
    using pause = new CreationPause(undefined, given);
    pause.began();
    expect(pause.signal).toBe(given);
  }
  expect(vi.getTimerCount()).toBe(0);
});

test("one that has ended leaves no timer behind", () => {
  {
    using pause = new CreationPause(100, undefined);
    pause.began();
  }
  expect(vi.getTimerCount()).toBe(0);
});
