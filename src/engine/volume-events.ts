/**
 * What a volume tells of itself: its exports, the state of a snapshot, and the events by which a program hears of changes, with the words
 * that the log has for them.
 */
import type { NoticeKind } from "../core/ports.ts";

export interface ExportInfo {
  /** "origin", or the snapshot's name. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Of the live volume always active. */
  readonly state: SnapshotStatus["state"];
  /** NBD URIs, one for each address. */
  readonly uris: readonly string[];
}

export interface SnapshotStatus {
  readonly name: string;
  readonly state: "active" | "overflow" | "invalid" | "merging";
  /** S-72. */
  readonly status: string;
  /** S-73. */
  readonly table: string;
}

export interface VolumeEvents {
  /** A snapshot's state has changed, or something went wrong with it. */
  snapshot: [name: string, event: NoticeKind, error: string];
  /** The volume cannot go on: its clients are cut off; close it. Thrown where nobody listens. */
  error: [error: Error];
  close: [];
}

/** In the log. */
export const NOTICES: Readonly<Record<NoticeKind, string>> = {
  invalid: "the snapshot is invalid now",
  overflow: "the store is full, writes to the snapshot fail",
  "overflow-cleared": "the store has room again",
  "merge-failed": "the merge has failed",
  "merge-progress": "merging",
  "merge-stopped": "the merge has stopped",
  merged: "the merge is complete",
  "header-write-failed": "its header could not be marked invalid",
  "register-failed": "the register of snapshots could not be written",
};
