/**
 * Counters that a worker keeps in shared memory: one writer each, read by main for statistics only (a reader may see a
 * value one step old).
 *
 *   64-bit floats
 *   0 … 15                     the worker itself: turns, enters, submitted, …
 *   16 + export × ROW …        per export: totals, then a latency histogram per operation
 *
 * Histogram bucket b counts requests that took less than 2^b microseconds; the last one takes the rest.
 */
import { assert } from "../base/assert.ts";
import { MAX_SNAPSHOTS } from "../base/constants.ts";

export const WorkerCounter = {
  Turns: 0,
  Enters: 1,
  Submitted: 2,
  Completed: 3,
  Inline: 4,
  Sleeps: 5,
  Copies: 6,
  CopiedBytes: 7,
  MetadataJobs: 8,
  MetadataBytes: 9,
  Connections: 10,
  Spins: 11,
  /** As of the worker's last sleep: request records, device operations and slots in use. */
  Requests: 12,
  Pieces: 13,
  Slots: 14,
} as const;

export const ExportCounter = {
  Reads: 0,
  Writes: 1,
  Zeroes: 2,
  Trims: 3,
  Flushes: 4,
  Others: 5,
  ReadBytes: 6,
  WrittenBytes: 7,
  Errors: 8,
} as const;

export const HISTOGRAM_BUCKETS = 24;
const HISTOGRAMS = 16;
const OPERATIONS = 6;
const ROWS = 16;
const ROW: number = HISTOGRAMS + OPERATIONS * HISTOGRAM_BUCKETS;

/** Row of an export: 0 is the origin, 1 + snapshot the snapshot's. */
export function exportRow(exportIndex: number): number {
  assert(exportIndex >= 0 && exportIndex <= MAX_SNAPSHOTS, "the origin has a row, and each snapshot");
  return ROWS + exportIndex * ROW;
}

export function histogramAt(exportIndex: number, operation: number): number {
  return exportRow(exportIndex) + HISTOGRAMS + operation * HISTOGRAM_BUCKETS;
}

/** Requests of an export that a worker has ended, of whatever kind. */
export function requestsIn(counters: Float64Array, exportIndex: number): number {
  const row = exportRow(exportIndex);
  let requests = 0;
  for (let operation = 0; operation < OPERATIONS; operation++) requests += counters[row + operation]!;
  return requests;
}

/** The histogram bucket of a latency in milliseconds. */
export function latencyBucket(milliseconds: number): number {
  const bucket = 32 - Math.clz32(milliseconds * 1000);
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/** For an export worker (`withExports`), or a copy or metadata worker. */
export function createCounters(withExports: boolean): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * (withExports ? exportRow(MAX_SNAPSHOTS) + ROW : ROWS));
}
