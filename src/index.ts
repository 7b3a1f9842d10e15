/**
 * The library: `openVolume` serves an origin and its snapshots, as `snapring serve` does; `openEngine` many of them.
 *
 * Numbers in the declarations, such as S-72, E-36 or C-24, are rows of docs/spec (store.md, engine.md, protocol.md), which this package has.
 */
export { SnapringError } from "./base/errno.ts";
export { type Engine, type EngineStats, openEngine } from "./engine/engine.ts";
export {
  type AbortOptions,
  type ClientDetails,
  type ClientStats,
  type CloseOptions,
  type CreatedGroup,
  type CreatedMember,
  type CreatedSnapshot,
  type CreateOptions,
  type EngineOptions,
  type EngineVolumeOptions,
  type ExportInfo,
  type ExportStats,
  type GroupMember,
  type GrowOptions,
  type GrowthDetails,
  type GrowthOptions,
  type LevelDetails,
  type MergeOptions,
  type MergeStart,
  type MergeStats,
  type MergeProgress,
  type Histogram,
  type OptionError,
  type OptionErrorCode,
  type RegisteredSnapshotInfo,
  openVolume,
  type PlainDetails,
  type SnapshotDetails,
  type SnapshotEvent,
  type SnapshotOptions,
  type SnapshotPolicy,
  type SnapshotState,
  type SnapshotStats,
  type SnapshotStatus,
  type Volume,
  type VolumeEvents,
  type VolumeOptions,
  type VolumeStats,
  type WorkerRole,
  type WorkerStats,
} from "./engine/volume.ts";
