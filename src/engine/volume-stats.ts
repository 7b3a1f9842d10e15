/**
 * The figures of a volume at a moment, put together from who has them: main's of its snapshots, the workers', the engine's.
 */
import { ORIGIN_EXPORT } from "../base/constants.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { RunningEngine } from "./running-engine.ts";
import type { SnapshotSet } from "./snapshot-set.ts";
import { exportStats, type VolumeStats, workerStats } from "./stats.ts";

/** `live`: the counters of the live volume's export, in each export worker. */
export function volumeStats(
  set: SnapshotSet,
  live: readonly Float64Array[],
  { threads, front }: RunningEngine,
  { droppedLines }: CompleteOptions,
): VolumeStats {
  const handles = set.served();
  return {
    snapshots: handles.map((handle) => set.stats(handle)),
    exports: [exportStats(ORIGIN_EXPORT, live), ...handles.map(({ name, counters }) => exportStats(name, counters))],
    workers: (threads?.all ?? []).map(workerStats),
    clients: front.stats(),
    merge: set.merges.stats(),
    snapshotPause: [...set.pauses],
    droppedLines: droppedLines(),
  };
}
