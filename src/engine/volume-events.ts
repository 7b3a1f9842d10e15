/**
 * What a volume tells of itself: its exports, the state of a snapshot, and the events by which a program hears of changes, with the words
 * that the log has for them.
 */
import { errno } from "../base/errno.ts";
import { errnoWhy } from "../base/errno-words.ts";
import { exactSize } from "../base/size-text.ts";
import type { NoticeKind } from "../core/ports.ts";

/**
 * What a snapshot can be.
 *
 * - `active`: it is read and written, and keeps what the origin loses.
 * - `overflow`: a store `PO` is full. Reads go on, writes to the snapshot fail; `growSnapshot` ends it. The next origin write that would
 *   need room makes it invalid.
 * - `invalid`: it was dropped, ran full (store `P`), or its COW device failed. Every request to it fails; the volume goes on. For good.
 * - `merging`: it is rolled back into the origin, and shown in the origin's place.
 */
export type SnapshotState = "active" | "overflow" | "invalid" | "merging";

/** What clients may ask for by name. */
export interface ExportInfo {
  /** "origin" for the live volume (the empty name means it, too), or the snapshot's name. */
  readonly name: string;
  /** Bytes: of the origin, and so of every snapshot of it. */
  readonly sizeBytes: number;
  /** Clients may not write it. */
  readonly readOnly: boolean;
  /** Of the live volume always `active`. */
  readonly state: SnapshotState;
  /** NBD URIs, one for each address that is listened on, in that order; percent-encoded, so that they can be pasted. None: nobody listens. */
  readonly uris: readonly string[];
}

/** A snapshot, as dmsetup would show it. */
export interface SnapshotStatus {
  readonly name: string;
  /** What it is now. */
  readonly state: SnapshotState;
  /** As `dmsetup status` prints it: `ALLOCATED/TOTAL METADATA` in sectors of 512 bytes, or `Invalid`, `Overflow`, `Merge failed`. */
  readonly status: string;
  /** As `dmsetup table` prints it: `ORIGIN COW P|PO|N CHUNKSECTORS …`. */
  readonly table: string;
  /** Path of its COW device, as it was opened. */
  readonly cow: string;
  /** As `store` of its options. */
  readonly store: "P" | "PO" | "N";
  /** Bytes. */
  readonly chunkSize: number;
}

/**
 * What happens to a snapshot. A `reason` comes along where something failed: the name of an error number (`ENOSPC`, `EIO`), else `""`.
 *
 * - `dropped`: as `dropSnapshot` asked for. It comes before that resolves.
 * - `invalid`: it ran full (`ENOSPC`), or its COW device failed (`EIO` …). The last event of it, but for failures of writing that down.
 * - `overflow`, `overflow-cleared`: a store `PO` is full; it has room again.
 * - `level`: so much of the store is allocated, or so much no more: once each way. The details say which level.
 * - `grown`: the COW file has become larger by itself; the details say from what to what. `grow-failed`: it could not (`ENOSPC` …), or has the greatest size
 *   that it may have (`EFBIG`). Told once until it succeeds, or fails otherwise; it is tried again by itself.
 * - `stalled`: the store is full, and requests wait for room, as `whenFull: "stall"` wants it. `resumed`: they go on. Where their time is over
 *   `invalid` or `overflow` comes instead.
 * - `merge-progress`: a step of a merge has ended; often. Not in the log.
 * - `merged`: the merge is complete. `merge-stopped`: `stopMerge` or the close has stopped it. `merge-failed`: a device failed; what is
 *   merged stays merged, and the snapshot is still shown in the origin's place. One of the three ends each merge.
 * - `header-write-failed`: the COW device does not take the mark that the snapshot is invalid; the register has it.
 * - `register-failed`: the register of snapshots could not be written.
 */
export type SnapshotEvent = NoticeKind | "dropped" | "level" | "grown" | "grow-failed";

/** More about a `level`. */
export interface LevelDetails {
  /** Which event it is about. */
  readonly event: "level";
  /** Of the store, as its status counts it. */
  readonly percent: 70 | 80 | 90 | 95;
  /** So many percent are allocated. False: clearly fewer again, by two points. */
  readonly rising: boolean;
}

/** More about a store that has `grown`: bytes of the COW file. */
export interface GrowthDetails {
  /** Which event it is about. */
  readonly event: "grown";
  /** Before. */
  readonly from: number;
  /** Now. */
  readonly to: number;
}

/** Of an event of which there is no more to say. */
export interface PlainDetails {
  /** Which event it is about. */
  readonly event: Exclude<SnapshotEvent, "level" | "grown">;
}

/** What else there is to say of an event; `event` is the same, and tells which of them it is. */
export type SnapshotDetails = LevelDetails | GrowthDetails | PlainDetails;

/** A client that is connected to an export of the volume, or was. */
export interface ClientDetails {
  /** Its connection: a number that no other one of the engine has meanwhile. */
  readonly connection: number;
  /** What it has asked for: "origin", or the name of a snapshot. */
  readonly export: string;
  /** "unix", or where it is from: "192.0.2.7:50123", "[2001:db8::7]:50123". */
  readonly address: string;
}

/**
 * Events, with what listeners get. They come in the order in which things happen, after `openVolume` has resolved; what a
 * listener throws is an uncaught exception of the program, and does the volume no harm.
 */
export interface VolumeEvents {
  /** A snapshot's state has changed, or something went wrong with it. */
  snapshot: [name: string, event: SnapshotEvent, reason: string, details: SnapshotDetails];
  /**
   * A client has finished its handshake, or is gone: it has left (`reason`: ""), or was cut off, for it held memory that others waited for, and moved no data (ETIMEDOUT).
   * Each one is told: whoever writes them down bounds how many.
   */
  client: [event: "connected" | "disconnected", client: ClientDetails, reason: string];
  /**
   * The volume cannot go on: a thread has died, or something of snapring's has thrown. At most once. Its clients have been cut off, orders
   * under way reject; what is durable stays so. `close()` it. Where nobody listens it is thrown.
   */
  error: [error: Error];
  /** It is closed: the last event. It comes before `close()` resolves. */
  close: [];
}

/** In the log. */
export function levelWords({ percent, rising }: Omit<LevelDetails, "event">): string {
  return rising ? `${percent} % of its store are allocated` : `less than ${percent} % of its store are allocated again`;
}

/** In the log. */
export function growthWords({ from, to }: Omit<GrowthDetails, "event">): string {
  return `its COW file has grown from ${exactSize(from)} to ${exactSize(to)}`;
}

/** In the log: `the snapshot is invalid now: input/output error`. */
export function noticeWords(event: PlainDetails["event"], error: number): string {
  if (event === "grow-failed" && error === errno.EFBIG)
    return `${NOTICES[event]}: it has the greatest size that it may have`;
  const isFull = Math.abs(error) === errno.ENOSPC;
  if (error === 0 || (event === "overflow" && isFull)) return NOTICES[event];
  return `${NOTICES[event]}: ${isFull ? "there is no room left in its store, or on the file system that it lies on" : errnoWhy(error)}`;
}

const NOTICES: Readonly<Record<PlainDetails["event"], string>> = {
  dropped: "the snapshot is dropped",
  invalid: "the snapshot is invalid now",
  overflow: "the store, or the file system that it lies on, is full; writes to the snapshot fail",
  "overflow-cleared": "the store has room again",
  "grow-failed": "its COW file cannot grow",
  stalled: "the store is full; requests that need room wait for it",
  resumed: "requests that have waited for room go on",
  "merge-failed": "the merge has failed",
  "merge-progress": "merging",
  "merge-stopped": "the merge has stopped",
  merged: "the merge is complete",
  "header-write-failed": "its header could not be marked invalid",
  "register-failed": "the register of snapshots could not be written",
};
