/**
 * What a snapshot says of itself: the status line (S-71, S-72), and the numbers of engine.md, 7.
 *
 * The line counts as if everything visible were committed (S-57). While a merge takes exceptions away, its next free chunk
 * is that of S-64, which is for this line only.
 */
import { SnapshotState } from "../base/states.ts";
import { divFloor, type Sector } from "../base/units.ts";
import { formatStatus, type StoreUsage } from "../format/status-line.ts";
import type { SnapshotCounters } from "./counters.ts";
import type { Snapshot } from "./snapshot.ts";

export interface CoreStatus {
  /** The status line: numbers, or a word (S-72). */
  readonly text: string;
  readonly state: SnapshotState;
  readonly mergeFailed: boolean;
  readonly allocatedSectors: Sector;
  readonly totalSectors: Sector;
  readonly metadataSectors: Sector;
  /** In the table. */
  readonly exceptions: number;
  /** Allocated, not durable. */
  readonly pending: number;
  /** Requests that wait for room. */
  readonly stalled: number;
  /** 0 … 1; 0 where nothing has been merged since the merge began, or none did. */
  readonly mergeFraction: number;
  readonly counters: Readonly<SnapshotCounters>;
}

export function snapshotStatus(snapshot: Snapshot, mergeFraction: number): CoreStatus {
  const usage = storeUsage(snapshot);
  const { state, mergeFailed, progress } = snapshot;
  return {
    text: formatStatus({
      invalid: state === SnapshotState.Invalid,
      mergeFailed,
      overflow: state === SnapshotState.Overflow,
      usage,
    }),
    state,
    mergeFailed,
    ...usage,
    exceptions: snapshot.config.ports.table.count(),
    pending: snapshot.persistent ? progress.queue.length : progress.pending.count,
    stalled: snapshot.waiters.forRoom,
    mergeFraction,
    counters: snapshot.counters,
  };
}

function storeUsage(snapshot: Snapshot): StoreUsage {
  const { geometry, store, progress } = snapshot;
  const { allocator, area } = store;
  const nextFree = store.mergeNextFree < 0 ? allocator.used : store.mergeNextFree;
  const areas =
    area === undefined
      ? 0
      : area.area + divFloor(area.committed + progress.visibleUncommitted, geometry.exceptionsPerArea) + 1;
  return {
    allocatedSectors: nextFree * geometry.chunkSectors,
    totalSectors: allocator.cowSectors,
    metadataSectors: area === undefined ? 0 : (areas + 1) * geometry.chunkSectors,
  };
}
