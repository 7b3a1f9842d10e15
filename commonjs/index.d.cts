/** The types of src/index.ts for a CommonJS file, which under `module: node16` may not name an ES module without saying so. */
import type * as library from "../dist/src/index.js" with { "resolution-mode": "import" };

export declare const openEngine: typeof library.openEngine;
export declare const openVolume: typeof library.openVolume;
export declare const SnapringError: typeof library.SnapringError;
export type SnapringError = library.SnapringError;
export type {
  AbortOptions,
  ClientStats,
  CloseOptions,
  CreatedGroup,
  CreatedMember,
  CreatedSnapshot,
  Engine,
  EngineOptions,
  EngineStats,
  EngineVolumeOptions,
  ExportInfo,
  ExportStats,
  GroupMember,
  GrowOptions,
  GrowthDetails,
  GrowthOptions,
  Histogram,
  LevelDetails,
  MergeOptions,
  MergeProgress,
  MergeStats,
  OptionError,
  OptionErrorCode,
  PlainDetails,
  RegisteredSnapshotInfo,
  SnapshotDetails,
  SnapshotEvent,
  SnapshotOptions,
  SnapshotPolicy,
  SnapshotState,
  SnapshotStats,
  SnapshotStatus,
  Volume,
  VolumeEvents,
  VolumeOptions,
  VolumeStats,
  WorkerRole,
  WorkerStats,
} from "../dist/src/index.js" with { "resolution-mode": "import" };
