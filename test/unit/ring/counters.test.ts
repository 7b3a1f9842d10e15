/** Where a worker's figures stand: every one of every export in a place of its own, and latencies by powers of two. */
import { expect, it } from "vitest";
import { MAX_SNAPSHOTS } from "../../../src/base/constants.ts";
import {
  createCounters,
  ExportCounter,
  exportRow,
  HISTOGRAM_BUCKETS,
  histogramAt,
  latencyBucket,
  WorkerCounter,
} from "../../../src/ring/counters.ts";

it.each([
  [0, 0],
  [0.0009, 0],
  [0.001, 1],
  [0.0019, 1],
  [0.002, 2],
  [1, 10],
  [1.024, 11],
  [4194, 22],
  [4195, 23],
  [8388.607, 23],
  [8388.608, 23],
  [3_600_000, 23],
])("%d milliseconds are in bucket %i", (milliseconds, bucket) => {
  expect(latencyBucket(milliseconds)).toBe(bucket);
});

it("nothing stands over anything else, from the worker's own to the last snapshot's", () => {
  const used = new Set<number>(Object.values(WorkerCounter));
  expect(used.size).toBe(Object.keys(WorkerCounter).length);
  for (let row = 0; row <= MAX_SNAPSHOTS; row++) {
    const places = Object.values(ExportCounter).map((counter) => exportRow(row) + counter);
    for (let operation = 0; operation <= ExportCounter.Others; operation++) {
      for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) places.push(histogramAt(row, operation) + bucket);
    }
    for (const place of places) {
      if (!Number.isInteger(place) || used.has(place)) expect.fail(`${place} of row ${row} is used twice, or is none`);
      used.add(place);
    }
    expect(8 * Math.max(...places)).toBeLessThan(
      row < MAX_SNAPSHOTS ? 8 * exportRow(row + 1) : createCounters(true).byteLength,
    );
  }
  expect(createCounters(true).byteLength).toBe(8 * (2 * exportRow(MAX_SNAPSHOTS) - exportRow(MAX_SNAPSHOTS - 1)));
  expect(() => exportRow(-1)).toThrow("has a row");
  expect(() => exportRow(MAX_SNAPSHOTS + 1)).toThrow("has a row");
  expect(createCounters(false).byteLength).toBe(8 * exportRow(0));
  expect(Math.max(...Object.values(WorkerCounter))).toBeLessThan(exportRow(0));
});
