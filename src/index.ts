/**
 * The library: `openVolume` serves an origin and its snapshots, as `snapring serve` does.
 */
export { SnapringError } from "./base/errno.ts";
export {
  type AbortOptions,
  type ExportInfo,
  type ExportStats,
  type MergeOptions,
  type MergeProgress,
  type NoticeKind,
  openVolume,
  type SnapshotOptions,
  type SnapshotStats,
  type SnapshotStatus,
  type Volume,
  type VolumeEvents,
  type VolumeOptions,
  type VolumeStats,
  type WorkerStats,
} from "./engine/volume.ts";
