/**
 * What a program asks for, and is told, when snapshots are made of a live volume.
 */
import type { SnapshotOptions } from "./volume-options.ts";

/** What a creation has cost the clients. */
export interface CreatedSnapshot {
  /** Microseconds for which writes to the live volume were held: from the closing of its gate to the opening. */
  readonly pauseUs: number;
}

/** One snapshot of a group. */
export interface GroupMember {
  /** The name of a volume of the engine. One may have several snapshots in a group. */
  readonly volume: string;
  /** As for `Volume.createSnapshot`. */
  readonly snapshot: SnapshotOptions;
}

/** A group that has been made, and what it has cost. */
export interface CreatedGroup {
  /** Microseconds from the closing of the first gate to the opening of the last. */
  readonly pauseUs: number;
  /** In the order in which they were asked for. */
  readonly members: readonly CreatedMember[];
}

/** A snapshot that was made in a group. */
export interface CreatedMember {
  /** The volume that it is a snapshot of. */
  readonly volume: string;
  /** Its own name. */
  readonly name: string;
  /** Microseconds for which writes to this volume were held, once for all snapshots of it in the group. */
  readonly pauseUs: number;
}
