/**
 * The figures of a volume (engine.md, 7): what main knows of its snapshots, and what the workers count in shared memory.
 *
 * Plain numbers, taken when asked for; a counter of a running worker may be a moment old.
 */
import { MAX_SNAPSHOTS } from "../base/constants.ts";
import { SnapshotState } from "../base/states.ts";
import type { SnapshotStatus } from "../core/status.ts";
import { ExportCounter, exportRow, HISTOGRAM_BUCKETS, histogramAt, WorkerCounter } from "../ring/counters.ts";
import type { Channel, WorkerRole } from "./channel.ts";
import type { ClientStats } from "./client-limits.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";

export interface SnapshotStats {
  readonly name: string;
  readonly state: "active" | "overflow" | "invalid" | "merging";
  /** As dmsetup status has it: `ALLOCATED/TOTAL METADATA`, or a word (S-72). */
  readonly status: string;
  readonly allocatedSectors: number;
  readonly totalSectors: number;
  readonly metadataSectors: number;
  readonly exceptions: number;
  readonly pending: number;
  readonly copies: number;
  readonly copiedBytes: number;
  readonly grants: number;
  readonly commits: number;
  readonly exceptionsCommitted: number;
  readonly metadataBytes: number;
  readonly tableBytes: number;
  /** While merging: 0 … 1. */
  readonly mergeFraction: number | undefined;
}

/** Requests by latency: bucket b took less than 2^b microseconds. */
export type Histogram = readonly number[];

export interface ExportStats {
  readonly name: string;
  readonly reads: number;
  readonly writes: number;
  readonly flushes: number;
  readonly trims: number;
  readonly zeroes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly errors: number;
  readonly readLatency: Histogram;
  readonly writeLatency: Histogram;
  readonly flushLatency: Histogram;
}

export interface WorkerStats {
  readonly role: WorkerRole;
  readonly index: number;
  /** uring, poll or node. */
  readonly kind: string;
  readonly enters: number;
  readonly turns: number;
  readonly sleeps: number;
  /** Turns while busy-polling: among `turns`, with nothing to submit and nothing completed. */
  readonly spins: number;
  readonly submitted: number;
  readonly completed: number;
  readonly inline: number;
  readonly connections: number;
  /** Requests, device operations and data slots in use when the worker last slept. */
  readonly requests: number;
  readonly pieces: number;
  readonly slots: number;
  readonly copies: number;
  readonly copiedBytes: number;
  readonly metadataJobs: number;
  readonly metadataBytes: number;
}

export interface VolumeStats {
  readonly snapshots: readonly SnapshotStats[];
  readonly exports: readonly ExportStats[];
  readonly workers: readonly WorkerStats[];
  readonly clients: ClientStats;
  /** Lines of the log that could not be written. */
  readonly droppedLines: number;
}

export function workerStats(channel: Channel): WorkerStats {
  const { counters } = channel;
  return {
    role: channel.role,
    index: channel.index,
    kind: channel.ringKind,
    enters: counters[WorkerCounter.Enters],
    turns: counters[WorkerCounter.Turns],
    sleeps: counters[WorkerCounter.Sleeps],
    spins: counters[WorkerCounter.Spins],
    submitted: counters[WorkerCounter.Submitted],
    completed: counters[WorkerCounter.Completed],
    inline: counters[WorkerCounter.Inline],
    connections: counters[WorkerCounter.Connections],
    requests: counters[WorkerCounter.Requests],
    pieces: counters[WorkerCounter.Pieces],
    slots: counters[WorkerCounter.Slots],
    copies: counters[WorkerCounter.Copies],
    copiedBytes: counters[WorkerCounter.CopiedBytes],
    metadataJobs: counters[WorkerCounter.MetadataJobs],
    metadataBytes: counters[WorkerCounter.MetadataBytes],
  };
}

/** `exportIndex`: 0 the origin, 1 + snapshot index. */
export function exportStats(name: string, exportIndex: number, workers: readonly Channel[]): ExportStats {
  if (exportIndex > MAX_SNAPSHOTS) throw new RangeError("no such export");
  const row = exportRow(exportIndex);
  const sum = (counter: number): number => workers.reduce((total, w) => total + w.counters[row + counter], 0);
  const histogram = (operation: number): Histogram =>
    Array.from({ length: HISTOGRAM_BUCKETS }, (_, bucket) =>
      workers.reduce((total, w) => total + w.counters[histogramAt(exportIndex, operation) + bucket], 0),
    );
  return {
    name,
    reads: sum(ExportCounter.Reads),
    writes: sum(ExportCounter.Writes),
    flushes: sum(ExportCounter.Flushes),
    trims: sum(ExportCounter.Trims),
    zeroes: sum(ExportCounter.Zeroes),
    readBytes: sum(ExportCounter.ReadBytes),
    writtenBytes: sum(ExportCounter.WrittenBytes),
    errors: sum(ExportCounter.Errors),
    readLatency: histogram(ExportCounter.Reads),
    writeLatency: histogram(ExportCounter.Writes),
    flushLatency: histogram(ExportCounter.Flushes),
  };
}

const STATE_NAMES: Readonly<Record<number, SnapshotStats["state"]>> = {
  [SnapshotState.Active]: "active",
  [SnapshotState.Overflow]: "overflow",
  [SnapshotState.Invalid]: "invalid",
  [SnapshotState.Merging]: "merging",
};

/** What the core says of a snapshot, with what main knows of it. */
export function snapshotStats(handle: SnapshotHandle, status: SnapshotStatus): SnapshotStats {
  const { counters } = status;
  const merging = status.state === SnapshotState.Merging;
  return {
    name: handle.name,
    state: STATE_NAMES[status.state] ?? "invalid",
    status: status.text,
    allocatedSectors: status.allocatedSectors,
    totalSectors: status.totalSectors,
    metadataSectors: status.metadataSectors,
    exceptions: status.exceptions,
    pending: status.pending,
    copies: counters.copies,
    copiedBytes: counters.bytesCopied,
    grants: counters.grants,
    commits: counters.commits,
    exceptionsCommitted: counters.exceptionsCommitted,
    metadataBytes: counters.metadataBytesWritten,
    tableBytes: handle.table.memoryBytes(),
    mergeFraction: merging ? status.mergeFraction : undefined,
  };
}
