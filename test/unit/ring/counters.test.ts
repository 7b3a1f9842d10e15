/** Where a worker's figures stand: every one of every export in a place of its own, and latencies by powers of two. */
import { expect, it } from "vitest";
import {
  createCounters,
  ExportCounter,
  HISTOGRAM_BUCKETS,
  histogramAt,
  latencyBucket,
  requestsIn,
  WorkerCounter,
  createExportCounters,
  exportCounters,
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

it("nothing of an export stands over anything else", () => {
  const places: number[] = Object.values(ExportCounter);
  for (let operation = 0; operation <= ExportCounter.Others; operation++) {
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) places.push(histogramAt(operation) + bucket);
  }
  expect(new Set(places).size).toBe(places.length);
  expect(8 * (Math.max(...places) + 1)).toBe(createExportCounters(1).byteLength);
  for (const none of [-1, ExportCounter.Others + 1]) expect(() => histogramAt(none)).toThrow("has a histogram");
});

it("a worker's own counters have a place each", () => {
  const places = Object.values(WorkerCounter);
  expect(new Set(places).size).toBe(places.length);
  expect(8 * Math.max(...places)).toBeLessThan(createCounters().byteLength);
});

it("each export worker counts an export in a part of its own", () => {
  const memory = createExportCounters(3);
  const parts = [0, 1, 2].map((worker) => exportCounters(memory, worker));
  for (const [worker, part] of parts.entries()) part.fill(worker + 1);
  expect(parts.map((part) => new Set(part))).toEqual([new Set([1]), new Set([2]), new Set([3])]);
  expect(parts.reduce((sum, part) => sum + part.byteLength, 0)).toBe(memory.byteLength);
  expect(() => exportCounters(memory, 3)).toThrow("has its part");
});

it("the requests of an export are those of each kind, without bytes, errors and latencies", () => {
  const memory = createExportCounters(2);
  const parts = [0, 1].map((worker) => exportCounters(memory, worker).fill(10 ** 6));
  for (const [worker, part] of parts.entries()) {
    for (let operation = 0; operation <= ExportCounter.Others; operation++)
      part[operation] = 10 ** worker * (1 + operation);
  }
  expect(parts.map((part) => requestsIn(part))).toEqual([21, 210]);
});
