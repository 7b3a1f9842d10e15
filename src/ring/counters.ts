/**
 * Counters that a worker keeps in shared memory: one writer each, read by main for statistics only (a reader may see a
 * value one step old).
 *
 *   of a worker, 64-bit floats     turns, enters, submitted, …
 *   of an export, 64-bit floats    one part for each export worker, side by side: totals, then a latency histogram per operation
 *
 * Histogram bucket b counts requests that took less than 2^b microseconds; the last one takes the rest.
 */
import { assert } from "../base/assert.ts";

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
  Operations: 9,
  /** Of trims: bytes that went to a device, and bytes that were left as they are. */
  TrimmedBytes: 10,
  UntrimmedBytes: 11,
} as const;

export const HISTOGRAM_BUCKETS = 24;
const HISTOGRAMS = 16;
const OPERATIONS = 6;
const WORKER_COUNTERS = 16;
const EXPORT_COUNTERS: number = HISTOGRAMS + OPERATIONS * HISTOGRAM_BUCKETS;

/** Where the histogram of an operation begins. */
export function histogramAt(operation: number): number {
  assert(operation >= 0 && operation < OPERATIONS, "each operation has a histogram");
  return HISTOGRAMS + operation * HISTOGRAM_BUCKETS;
}

/** Requests of an export that a worker has ended, of whatever kind. */
export function requestsIn(counters: Float64Array): number {
  let requests = 0;
  for (let operation = 0; operation < OPERATIONS; operation++) requests += counters[operation]!;
  return requests;
}

/** The histogram bucket of a latency in milliseconds. */
export function latencyBucket(milliseconds: number): number {
  const bucket = 32 - Math.clz32(milliseconds * 1000);
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/** Of a worker. */
export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * WORKER_COUNTERS);
}

/** Of an export, in so many export workers. */
export function createExportCounters(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * EXPORT_COUNTERS * workers);
}

/** The part of one export worker. */
export function exportCounters(memory: SharedArrayBuffer, worker: number): Float64Array {
  const at = 8 * EXPORT_COUNTERS * worker;
  assert(worker >= 0 && at < memory.byteLength, "each export worker has its part");
  return new Float64Array(memory, at, EXPORT_COUNTERS);
}
