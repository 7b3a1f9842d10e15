/**
 * The figures of a volume: what main knows of its snapshots, and what the workers count in shared memory.
 *
 * The interfaces below are where a figure is declared: its name, its unit, its words. The values follow from them: main's counters
 * (core/counters.ts) have the same names, and those of the workers (ring/counters.ts) the same but for the first letter.
 *
 * Plain numbers, taken when asked for; a counter of a running worker may be a moment old.
 */
import { SnapshotState } from "../base/states.ts";
import type { SnapshotCounters } from "../core/counters.ts";
import type { CoreStatus } from "../core/status.ts";
import { ExportCounter, HISTOGRAM_BUCKETS, histogramAt, WorkerCounter } from "../ring/counters.ts";
import type { Channel, WorkerRole } from "./channel.ts";
import type { ClientStats } from "./client-limits.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import type { SnapshotState as SnapshotStateName } from "./volume-events.ts";

/** Of one snapshot. Counters count since the volume was opened or the snapshot created. */
export interface SnapshotStats {
  readonly name: string;
  /** What it is now. */
  readonly state: SnapshotStateName;
  /** As `dmsetup status` has it: `ALLOCATED/TOTAL METADATA` in sectors, or a word (`Invalid`, `Overflow`, `Merge failed`). */
  readonly status: string;
  /** Sectors of 512 bytes of the COW device that are used, its metadata included. */
  readonly allocatedSectors: number;
  /** Sectors that the COW device has. */
  readonly totalSectors: number;
  /** Sectors of header and areas, among those used. */
  readonly metadataSectors: number;
  /** Chunks that the store holds. */
  readonly exceptions: number;
  /** Chunks that are being copied or written down just now. */
  readonly pending: number;
  /** Requests that wait for room in the store now. */
  readonly stalled: number;
  /** Times that it has stalled: that requests had to wait until somebody adds room. */
  readonly stalls: number;
  /** Times that the COW device has become larger. */
  readonly growths: number;
  /** Chunks copied from the origin. */
  readonly copies: number;
  /** Bytes copied from the origin. */
  readonly copiedBytes: number;
  /** Chunks that clients' first writes filled themselves, without a copy by a thread of its own. */
  readonly grants: number;
  /** Groups of exceptions that were made durable. */
  readonly commits: number;
  /** Exceptions in these groups. */
  readonly exceptionsCommitted: number;
  /** Bytes of metadata written to the COW device. */
  readonly metadataBytes: number;
  /** Bytes of memory of its exception table. */
  readonly tableBytes: number;
  /** While it merges: from 0 to 1, how much of it is done. */
  readonly mergeFraction: number | undefined;
}

/** Requests by latency: entry b counts those that took less than 2^b microseconds, and not less than 2^(b−1); the last one all that took longer. */
export type Histogram = readonly number[];

/** Of what clients did with one export, since the volume was opened. */
export interface ExportStats {
  /** "origin", or the snapshot's name. */
  readonly name: string;
  /** Reads that have ended. */
  readonly reads: number;
  /** Writes that have ended. */
  readonly writes: number;
  /** Flushes that have ended. */
  readonly flushes: number;
  /** Discards that have ended. */
  readonly trims: number;
  /** Writes of zeroes that have ended. */
  readonly zeroes: number;
  /** Others that have ended: hints to cache, requests of no length, and those that were refused. */
  readonly others: number;
  /** Bytes of data sent to clients. */
  readonly readBytes: number;
  /** Bytes of data taken from clients. */
  readonly writtenBytes: number;
  /** Bytes of discards that were handed to a device, which takes whole pages of them if it can discard at all. */
  readonly trimmedBytes: number;
  /**
   * Bytes of discards that were left as they are: of the live volume what a snapshot needs (`trim: "keep"`), and everything while a snapshot is merged; of a
   * snapshot what holds no exception, and everything without `discardZeroesCow`.
   */
  readonly untrimmedBytes: number;
  /** Requests that were answered with an error, among the above. */
  readonly errors: number;
  /** Operations on devices that have ended, those of copy threads not among them. */
  readonly operations: number;
  /** Of reads, from the arrival of a request to its reply. */
  readonly readLatency: Histogram;
  /** Of writes, likewise. */
  readonly writeLatency: Histogram;
  /** Of flushes, likewise. */
  readonly flushLatency: Histogram;
}

/** Of one thread, since the volume was opened. What a thread of its role does not do is 0. */
export interface WorkerStats {
  /** What it does. */
  readonly role: WorkerRole;
  /** Among those of its role, from 0. */
  readonly index: number;
  /** How it does its I/O: `uring` (io_uring), `poll` (preadv2 and pwritev2), `node` (node:fs). */
  readonly kind: string;
  /** Calls to the kernel to submit or to wait. */
  readonly enters: number;
  /** Rounds of its loop. */
  readonly turns: number;
  /** Rounds that ended in sleep. */
  readonly sleeps: number;
  /** Turns while busy-polling: among `turns`, with nothing to submit and nothing completed. */
  readonly spins: number;
  /** Operations given to the kernel. */
  readonly submitted: number;
  /** … that have ended. */
  readonly completed: number;
  /** Operations done by a plain system call within the turn. */
  readonly inline: number;
  /** Connections that it serves now. */
  readonly connections: number;
  /** Requests under way when the thread last slept. */
  readonly requests: number;
  /** Device operations under way then. */
  readonly pieces: number;
  /** Buffers of data in use then. */
  readonly slots: number;
  /** Copies that have ended, each of one or more chunks that lie side by side. */
  readonly copies: number;
  /** Bytes that it has copied, once for each copy, to however many snapshots. */
  readonly copiedBytes: number;
  /** Writes of headers and areas that have ended. */
  readonly metadataJobs: number;
  /** Bytes of these, of those that did not fail. */
  readonly metadataBytes: number;
}

/** The merge that is under way: how far it is stands beside its snapshot (`mergeFraction`). */
export interface MergeStats {
  /** Name of the snapshot. */
  readonly snapshot: string;
  /** Percentage of the time that it may take. */
  readonly percent: number;
  /** It is held until `resumeMerge`. */
  readonly paused: boolean;
}

/** A look at the counters: a plain object, which JSON can hold. */
export interface VolumeStats {
  /** In the order in which they were opened or created. */
  readonly snapshots: readonly SnapshotStats[];
  /** The live volume first, then the snapshots. */
  readonly exports: readonly ExportStats[];
  /** snapring's threads. */
  readonly workers: readonly WorkerStats[];
  /** Connections. */
  readonly clients: ClientStats;
  /** Undefined: nothing merges. */
  readonly merge: MergeStats | undefined;
  /** Creations of snapshots, by how long each held the writes of clients to the live volume. */
  readonly snapshotPause: Histogram;
  /** Lines of the log that could not be written. */
  readonly droppedLines: number;
}

export function workerStats(channel: Channel): WorkerStats {
  const { role, index, ringKind, counters } = channel;
  return {
    role,
    index,
    kind: ringKind,
    ...named<keyof typeof WorkerCounter, WorkerStats>(WorkerCounter, (counter) => counters[counter]),
  };
}

/** `workers`: the export's counters in each export worker. */
export function exportStats(name: string, workers: readonly Float64Array[]): ExportStats {
  const histogram = (operation: number): Histogram =>
    Array.from({ length: HISTOGRAM_BUCKETS }, (_, bucket) =>
      workers.reduce((total, counters) => total + counters[histogramAt(operation) + bucket], 0),
    );
  return {
    name,
    ...named<keyof typeof ExportCounter, ExportStats>(ExportCounter, (counter) =>
      workers.reduce((total, counters) => total + counters[counter], 0),
    ),
    readLatency: histogram(ExportCounter.Reads),
    writeLatency: histogram(ExportCounter.Writes),
    flushLatency: histogram(ExportCounter.Flushes),
  };
}

/**
 * Counters of shared memory by the names that they have in the statistics: `CopiedBytes` is `copiedBytes`. Each has its words in `Stats`, which is
 * what a counter that was added and is not described there does not compile without.
 */
function named<Name extends string, Stats extends Readonly<Record<Uncapitalize<Name>, number>>>(
  numbers: Readonly<Record<Name, number>>,
  read: (counter: number) => number,
): Pick<Stats, Uncapitalize<Name>> {
  const entries = Object.entries<number>(numbers).map(([name, counter]) => [
    name.charAt(0).toLowerCase() + name.slice(1),
    read(counter),
  ]);
  return Object.fromEntries(entries) as Pick<Stats, Uncapitalize<Name>>;
}

const STATE_NAMES: Readonly<Record<number, SnapshotStats["state"]>> = {
  [SnapshotState.Active]: "active",
  [SnapshotState.Overflow]: "overflow",
  [SnapshotState.Invalid]: "invalid",
  [SnapshotState.Merging]: "merging",
};

/** What the core says of a snapshot, with what main knows of it. */
export function snapshotStats(handle: SnapshotHandle, status: CoreStatus): SnapshotStats {
  // Each of them is declared above.
  const counters: Pick<SnapshotStats, keyof SnapshotCounters> = status.counters;
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
    stalled: status.stalled,
    ...counters,
    tableBytes: handle.table.memoryBytes(),
    mergeFraction: merging ? status.mergeFraction : undefined,
  };
}
