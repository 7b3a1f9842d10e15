/** Does a sampled quantity go on growing? */
import { expect, test } from "vitest";
import { growthAfter } from "../../../bench/growth.ts";

const samples = (values: readonly number[]): { seconds: number; value: number }[] =>
  values.map((value, i) => ({ seconds: i * 0.5, value }));

test("what grew before the given moment does not count", () => {
  expect(growthAfter(samples([1, 50, 100, 100, 100]), 1)).toEqual({ first: 100, min: 100, max: 100, slope: 0 });
});

test("steady growth has its slope per second, and its spread", () => {
  const { min, max, slope } = growthAfter(samples([10, 12, 14, 16]), 0);
  expect([min, max]).toEqual([10, 16]);
  expect(slope).toBeCloseTo(4);
});

test("up and down is a spread without a slope", () => {
  const { min, max, slope } = growthAfter(samples([5, 9, 9, 5]), 0);
  expect([min, max]).toEqual([5, 9]);
  expect(slope).toBeCloseTo(0);
});

test("one sample says nothing", () => {
  expect(() => growthAfter(samples([1, 2, 3]), 1)).toThrow("two samples");
});
