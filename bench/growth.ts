/**
 * Whether a quantity that was sampled over time goes on growing: how far its values lie apart, and the slope of the line through them.
 */
import { assert } from "../src/base/assert.ts";

export interface TimedValue {
  readonly seconds: number;
  readonly value: number;
}

export interface Growth {
  readonly first: number;
  readonly min: number;
  readonly max: number;
  /** Per second, of the straight line that fits best (least squares). */
  readonly slope: number;
}

/** Of the samples from `afterSeconds` on; throws for fewer than two. */
export function growthAfter(samples: readonly TimedValue[], afterSeconds: number): Growth {
  const used = samples.filter((sample) => sample.seconds >= afterSeconds);
  assert(used.length >= 2, "growth needs two samples");
  const values = used.map((sample) => sample.value);
  return { first: values[0], min: Math.min(...values), max: Math.max(...values), slope: slopeOf(used) };
}

function slopeOf(samples: readonly TimedValue[]): number {
  const mean = (value: (s: TimedValue) => number): number =>
    samples.reduce((sum, sample) => sum + value(sample), 0) / samples.length;
  const meanSeconds = mean((s) => s.seconds);
  const meanValue = mean((s) => s.value);
  const covariance = mean((s) => (s.seconds - meanSeconds) * (s.value - meanValue));
  const variance = mean((s) => (s.seconds - meanSeconds) ** 2);
  return variance === 0 ? 0 : covariance / variance;
}
