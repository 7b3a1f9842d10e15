/**
 * What a snapring server counts, as differences over a run.
 *
 * The server prints its statistics as one line of JSON, `{"stats": …}`, when it gets SIGUSR1. Before and after a run make what
 * the run did: enters and turns of each worker, copies, commits, bytes of metadata.
 */
import { assert } from "../src/base/assert.ts";
import type { SnapshotStats, VolumeStats, WorkerStats } from "../src/engine/stats.ts";

export interface WorkerWork {
  readonly role: string;
  readonly index: number;
  /** uring, poll or node. */
  readonly kind: string;
  readonly enters: number;
  readonly turns: number;
  readonly sleeps: number;
  readonly submitted: number;
}

export interface ServerWork {
  readonly workers: readonly WorkerWork[];
  readonly copies: number;
  readonly copiedBytes: number;
  readonly commits: number;
  readonly exceptions: number;
  readonly metadataBytes: number;
}

/** Enters of one ring per turn of its loop; a little more is allowed, for the enter that a full queue forces. */
const ENTERS_PER_TURN_MAX = 1.01;

/** The statistics in a line of the server's standard output; undefined for any other line. */
export function parseStatisticsLine(line: string): VolumeStats | undefined {
  if (!line.startsWith('{"stats":')) return undefined;
  return (JSON.parse(line) as { readonly stats: VolumeStats }).stats;
}

export function workBetween(before: VolumeStats, after: VolumeStats): ServerWork {
  assert(before.workers.length === after.workers.length, "workers stay for the life of a server");
  const snapshots = (counter: (s: SnapshotStats) => number): number =>
    total(after.snapshots, counter) - total(before.snapshots, counter);
  return {
    workers: after.workers.map((worker, i) => workerWork(before.workers[i], worker)),
    copies: snapshots((s) => s.copies),
    copiedBytes: snapshots((s) => s.copiedBytes),
    commits: snapshots((s) => s.commits),
    exceptions: snapshots((s) => s.exceptionsCommitted),
    metadataBytes: snapshots((s) => s.metadataBytes),
  };
}

/** Export workers on io_uring that entered the kernel more than once per turn, in words. */
export function tooManyEnters(work: ServerWork): string[] {
  return work.workers
    .filter((w) => w.role === "export" && w.kind === "uring" && w.enters > w.turns * ENTERS_PER_TURN_MAX)
    .map((w) => `export worker ${w.index}: ${w.enters} enters in ${w.turns} turns`);
}

function workerWork(before: WorkerStats, after: WorkerStats): WorkerWork {
  return {
    role: after.role,
    index: after.index,
    kind: after.kind,
    enters: after.enters - before.enters,
    turns: after.turns - before.turns,
    sleeps: after.sleeps - before.sleeps,
    submitted: after.submitted - before.submitted,
  };
}

function total<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
