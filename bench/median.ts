/**
 * Medians, and how far the values around them lie.
 *
 * A few rounds on a shared machine have outliers to one side, slow ones: a mean would follow them, a median does not.
 */
import { assert } from "../src/base/assert.ts";

/** Of an even number of values: the mean of the two in the middle. Throws for none. */
export function median(values: readonly number[]): number {
  assert(values.length > 0, "a median needs a value");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The value that occurs most often; of several, the first. Throws for none. */
export function mostFrequent<T>(values: readonly T[]): T {
  assert(values.length > 0, "the most frequent of nothing");
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return values.find((value) => counts.get(value) === most) as T;
}
