/**
 * How a merge rests between its steps (E-26): by its share of the time, which may change, and as long as it is paused.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MergePacer } from "../../../src/engine/merge-pacer.ts";

const STEP_MS = 40;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Paced {
  readonly pacer: MergePacer;
  readonly steps: () => number;
}

function paced(percent: number): Paced {
  let steps = 0;
  const pacer = new MergePacer(percent, () => {
    steps += 1;
  });
  pacer.began();
  return { pacer, steps: () => steps };
}

function step(pacer: MergePacer): void {
  vi.advanceTimersByTime(STEP_MS);
  pacer.stepDone();
}

test("at 100 percent the next step comes when this turn is over, and not within it", async () => {
  const { pacer, steps } = paced(100);
  step(pacer);
  expect(steps()).toBe(0);
  await Promise.resolve();
  expect(steps()).toBe(1);
});

test("at 25 percent it rests three times as long as the step took", () => {
  const { pacer, steps } = paced(25);
  step(pacer);
  vi.advanceTimersByTime(3 * STEP_MS - 1);
  expect(steps()).toBe(0);
  vi.advanceTimersByTime(1);
  expect(steps()).toBe(1);
});

test("another share holds from the rest that is under way on", async () => {
  const { pacer, steps } = paced(1);
  step(pacer);
  vi.advanceTimersByTime(STEP_MS);
  pacer.setPercent(50);
  expect(pacer.percent).toBe(50);
  vi.advanceTimersByTime(STEP_MS);
  expect(steps()).toBe(1);
  step(pacer);
  pacer.setPercent(100);
  await Promise.resolve();
  expect(steps()).toBe(2);
  vi.advanceTimersByTime(1000 * STEP_MS);
  expect(steps()).toBe(2);
});

test("a share that is set while a step is under way begins no second one", async () => {
  const { pacer, steps } = paced(50);
  pacer.setPercent(100);
  pacer.resume();
  await Promise.resolve();
  vi.advanceTimersByTime(1000);
  expect(steps()).toBe(0);
});

test("paused, amid a rest or a step, it makes none until it is resumed, and then one", async () => {
  for (const when of ["rest", "step"]) {
    const { pacer, steps } = paced(50);
    if (when === "rest") step(pacer);
    pacer.pause();
    pacer.pause();
    if (when === "step") step(pacer);
    pacer.setPercent(100);
    await Promise.resolve();
    vi.advanceTimersByTime(1000 * STEP_MS);
    expect([steps(), pacer.isPaused]).toEqual([0, true]);
    pacer.resume();
    pacer.resume();
    await Promise.resolve();
    vi.advanceTimersByTime(1000 * STEP_MS);
    expect([steps(), pacer.isPaused]).toEqual([1, false]);
  }
});

test("paused in the turn in which a step has ended it stays where it is", async () => {
  const { pacer, steps } = paced(100);
  step(pacer);
  pacer.pause();
  await Promise.resolve();
  expect(steps()).toBe(0);
});

test("closed, no step comes any more", async () => {
  for (const percent of [100, 50]) {
    const { pacer, steps } = paced(percent);
    step(pacer);
    pacer.close();
    await Promise.resolve();
    vi.advanceTimersByTime(1000 * STEP_MS);
    expect(steps()).toBe(0);
  }
});
