/**
 * A snapshot as the daemon shows it: what the engine knows of it, with the policy that the state has.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import type { SnapshotState, VolumeStats } from "../index.ts";
import type { OwnedVolume } from "./owned-volume.ts";
import type { SnapshotSpec } from "./state.ts";

export interface SnapshotView {
  readonly volume: string;
  readonly name: string;
  readonly state: SnapshotState;
  /** As `dmsetup status` has it. */
  readonly status: string;
  /** Its NBD export. */
  readonly export: string;
  readonly cow: string;
  readonly store: "P" | "PO" | "N";
  readonly chunkSize: number;
  /** Of the COW device. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** Of the COW device's size: 0 … 100. */
  readonly usedPercent: number;
  readonly exceptions: number;
  /** Clients may not write it. */
  readonly readOnly: boolean;
  readonly pool?: string | undefined;
  readonly group?: string | undefined;
  readonly grow?: SnapshotSpec["grow"];
  readonly whenFull: "invalidate" | "overflow" | "stall";
  readonly stallSeconds?: number | undefined;
  readonly merge?: { readonly fraction: number; readonly percent: number; readonly paused: boolean } | undefined;
}

/** What it is made of, beside the snapshot itself. */
export interface ViewParts {
  readonly stats: VolumeStats;
  readonly spec: SnapshotSpec;
  readonly group: string | undefined;
  readonly pool: string | undefined;
}

/** `name`: of a snapshot that the volume has. */
export function snapshotView(owned: OwnedVolume, name: string, { stats, spec, group, pool }: ViewParts): SnapshotView {
  const { state, status, cow, store, chunkSize } = owned.volume.status(name);
  const { snapshots, merge } = stats;
  const figures = snapshots.find((one) => one.name === name);
  const usedBytes = (figures?.allocatedSectors ?? 0) * SECTOR_BYTES;
  const sizeBytes = (figures?.totalSectors ?? 0) * SECTOR_BYTES;
  const { grow, whenFull, stallSeconds } = spec;
  return {
    ...{
      volume: owned.name,
      name,
      state,
      status,
      export: `${owned.name}@${name}`,
      cow,
      store,
      chunkSize,
      sizeBytes,
      usedBytes,
    },
    usedPercent: sizeBytes === 0 ? 0 : Math.round((1000 * usedBytes) / sizeBytes) / 10,
    exceptions: figures?.exceptions ?? 0,
    readOnly: owned.spec.readOnly === true || spec.readOnly === true,
    ...(pool === undefined ? {} : { pool }),
    ...(group === undefined ? {} : { group }),
    ...(grow === undefined || grow === null ? {} : { grow }),
    whenFull: whenFull ?? (store === "PO" ? "overflow" : "invalidate"),
    ...(stallSeconds === undefined ? {} : { stallSeconds }),
    ...(merge?.snapshot === name
      ? { merge: { fraction: figures?.mergeFraction ?? 0, percent: merge.percent, paused: merge.paused } }
      : {}),
  };
}
