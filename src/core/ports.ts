/**
 * What the core is told, what it answers, and the shared words it may touch: the contract between decisions and shell.
 *
 * The core runs on the main thread and is synchronous and pure: no promise, clock, random or `node:` import. The shell
 * (or a simulator) calls one event method at a time; inside it the core calls `Effects` and `SnapshotPorts`, which must
 * return at once and never call back into the core. An effect that takes time is answered by a later event.
 *
 *   shell / simulator                          core
 *   needOrigin(token, …) ─────────────────────▶ allocate
 *         copy(job) ◀──────────────────────────  E-13
 *   copied(job, …) ────────────────────────────▶ publish Visible, visSeq
 *         metadata({commit}) ◀─────────────────  S-53
 *   metadataDone(snapshot, 0) ─────────────────▶ durSeq, settle (C-24)
 *         release(token, 0) ◀──────────────────  "look again" (C-11)
 *
 * Errors are positive error numbers, 0 is success. Tokens belong to the shell; a token is answered exactly once, by
 * `release` or by `grant` (a grant is followed by the event `written`, and that by `release` of the same token).
 *
 * A worker's message may come when what it names is gone (C-19): a request leaves its gate at once, but what it says then is published at the end of
 * the worker's turn, and a removal waits for the gates only. So every event of a worker that names a snapshot is answered where there is none:
 * needs fail or are told to look again, `drained` and `tick` mean nothing any more. Not so `written`, `copied`, `metadataDone`, `areaRead` and
 * `registered`: a removal waits for each of them. A slot is not used again before every worker has said, in the same order, that it has forgotten
 * what was there.
 */
import { assert } from "../base/assert.ts";
import { MAX_COPY_TARGETS } from "../base/constants.ts";
import type { Area, Chunk, Sector } from "../base/units.ts";
import type { FillPercent } from "./fill-level.ts";
import type { EntryState, SnapshotState } from "../base/states.ts";

/** 0 is the origin; 1 + snapshot index is that snapshot's COW device. */
export type DeviceId = number;
export const ORIGIN_DEVICE: DeviceId = 0;

export interface CopyTarget {
  readonly device: DeviceId;
  readonly sector: Sector;
  /** Where the target's range begins inside the range that is read. */
  readonly offsetSectors: Sector;
  readonly sectors: Sector;
}

/** Read one range once, write parts of it to up to MAX_COPY_TARGETS places, each of which ends by itself (E-18, E-27). */
export interface CopyJob {
  readonly id: number;
  readonly source: DeviceId;
  readonly sector: Sector;
  readonly sectors: Sector;
  readonly targets: readonly CopyTarget[];
}

/** A bit for each target of a copy. */
export function allTargets({ targets }: CopyJob): number {
  assert(targets.length > 0 && targets.length <= MAX_COPY_TARGETS, "the targets of a copy are the bits of a word");
  return 2 ** targets.length - 1;
}

/** Chunks of the origin that lie side by side. */
export interface ChunkStretch {
  readonly first: Chunk;
  readonly count: number;
}

/** At most one per snapshot is under way, the origin's flush included: the answer is `metadataDone` (`areaRead` for "readArea"). */
export type MetadataJob =
  /**
   * S-31: zero chunks 0 and 1 (the header's chunk and area 0, `chunkBytes` each), flush, then write `header` at 0 with FUA.
   * `header` is one metadata block of the store here and below.
   */
  | { readonly kind: "format"; readonly snapshot: number; readonly header: Uint8Array; readonly chunkBytes: number }
  /** S-70: write the header at 0 with FUA. */
  | { readonly kind: "header"; readonly snapshot: number; readonly header: Uint8Array }
  /**
   * S-53: zero `zeroArea` first if it is not -1, flush the COW device, write `bytes` at `position` (bytes on the device) with FUA.
   * `bytes` is valid during the call only: the shell copies it (C-21). The range is aligned to the store's metadata block, or to
   * the chunk where that is smaller.
   */
  | {
      readonly kind: "commit";
      readonly snapshot: number;
      readonly zeroArea: Area | -1;
      readonly zeroPosition: number;
      readonly zeroBytes: number;
      readonly position: number;
      readonly bytes: Uint8Array;
    }
  /** Flush a device: the origin for C-30 and S-63 (then `snapshot` is the one on whose behalf), or the COW device at close. */
  | { readonly kind: "flush"; readonly snapshot: number; readonly device: DeviceId }
  /** Read one area whole (S-60). */
  | { readonly kind: "readArea"; readonly snapshot: number; readonly position: number; readonly length: number };

/** What the core may ask for. */
export interface Effects {
  copy(job: CopyJob): void;
  metadata(job: MetadataJob): void;
  /** E-6 and the like: the worker writes the chunk itself at `newChunk`, then reports `written(snapshot, chunk, error)`. `whole`: its own bytes cover the chunk; else it fills the rest from the origin. */
  grant(token: number, snapshot: number, chunk: Chunk, newChunk: Chunk, whole: boolean): void;
  /** A write that asked for it (`needExclusive`) is alone: the gate is closed and empty. The event `exclusiveDone` ends that. Or it is released, with EIO: its snapshot is gone. */
  grantExclusive(token: number, gate: number): void;
  /**
   * 0: look again (C-11), or done where the token stood for a flush or a granted write; else the request fails with this error. EAGAIN, to a claim
   * or a granted write: look again, it was not taken, or has found no room that is to be waited for.
   */
  release(token: number, error: number): void;
  /** E-46: record it durably; answered by `registered`. After an error the record says what it said before. */
  register(snapshot: number, what: Registration): void;
  /** An operation (create, drop, merge, close …) has ended. `snapshot`: which of several has failed. */
  finished(operation: number, error: number, message: string, snapshot?: number): void;
  /** A creation has come so far (creation.ts); at a halt it may wait to be told to go on. */
  creation(operation: number, step: CreationStep): void;
  /** Flush the origin for a creation, beside whatever else is under way; the creation is told of its end. */
  flushOrigin(operation: number): void;
  /** For logs, counters and `volume` events: invalid, overflow, merge-failed, header-write-failed … */
  notice(snapshot: number, event: NoticeKind, error: number): void;
  /**
   * A store is nearly full, or somebody waits for room (E-47): make it larger, at once, and say so by `grow`, or by `room` that it is refused. Asked once,
   * and again when it has become urgent; the shell goes on trying.
   */
  wantRoom(snapshot: number): void;
  /** So many percent of the store are used, or (falling) clearly fewer again (E-49). */
  level(snapshot: number, percent: FillPercent, rising: boolean): void;
  /** A group of exceptions waits (S-54): call `tick(snapshot)` after the configured time, once. */
  armTimer(snapshot: number): void;
}

/** Where the creations of a group wait for each other: stores made and registered; origin writes held, none in flight; origin flushed. */
export type CreationHalt = "prepared" | "held" | "durable";

/** The pause of clients' writes begins with "closing", and ends with "opened". */
export type CreationStep = CreationHalt | "closing" | "opened";

/** That the snapshot exists, is presented in place of the origin (E-36), is Invalid, is gone. */
export type Registration = "active" | "merging" | "invalid" | "removed";

export type NoticeKind =
  | "invalid"
  | "overflow"
  | "overflow-cleared"
  | "stalled"
  | "resumed"
  | "merge-failed"
  | "merge-progress"
  | "merge-stopped"
  | "merged"
  | "header-write-failed"
  | "register-failed";

/** A gate: a set of requests that main can hold back, and wait for (`hold` and `inO[w]`, `open` and `inM[w]` of protocol.md). */
export interface GatePort {
  close(): void;
  open(): void;
  /** Requests announced and not ended, over all workers. Looked at after `close`; when it falls to 0 the event `gateDrained` comes. */
  inFlight(): number;
}

/** The shared words and the table of one snapshot; main is the only writer. */
export interface SnapshotPorts {
  /** The exception table. */
  readonly table: {
    stateOf(chunk: Chunk): EntryState;
    /** Only where the state is not None. */
    newChunkOf(chunk: Chunk): Chunk;
    publish(oldChunk: Chunk, newChunk: Chunk, state: EntryState): void;
    /** False: there is no memory to publish so many exceptions more. */
    makeRoomFor(exceptions: number): boolean;
    settle(oldChunk: Chunk): void;
    remove(oldChunk: Chunk): void;
    count(): number;
  };
  /** Tracked reads (C-1, C-24). */
  readonly tracking: {
    bucketOf(chunk: Chunk): number;
    readonly bucketCount: number;
    parity(bucket: number): number;
    flip(bucket: number): void;
    readers(bucket: number, parity: number): number;
    /** Store `waiting` (C-5): the event `drained(snapshot, bucket)` comes when a counter of the bucket falls to 0. */
    awaitDrain(bucket: number): void;
  };
  readonly words: {
    setState(state: SnapshotState): void;
    /** Highest visible sequence number (int32, compared by difference). */
    setVisible(sequence: number): void;
    setDurable(sequence: number): void;
    /** Reserved chunks of an older epoch are void. */
    setReserveEpoch(epoch: number): void;
    /** The chunks being merged, in ascending order; while the gates of writes are closed and drained (C-34). */
    setMergeRange(stretches: readonly ChunkStretch[]): void;
    /** No chunk is being merged; their entries have gone before, or stay (C-37). */
    clearMergeRange(): void;
  };
  /** Writes to this snapshot, and reads of it. */
  readonly writeGate: GatePort;
  readonly readGate: GatePort;
}

/** Of the origin. */
export interface OriginPorts {
  /** `hold` and `inO[w]`; while merging also writes to the merging volume. */
  readonly writeGate: GatePort;
  readonly readGate: GatePort;
  /** The snapshots whose old data an origin write must keep (`list`): changes only while the write gate is closed and drained. */
  setList(snapshots: readonly number[]): void;
  /** Snapshot that is presented in place of the origin (E-30), -1 for none: changes only while both gates are closed and drained. */
  setMerging(snapshot: number): void;
  /** Requests of clients, to the origin or to a listed snapshot, that have ended: a number that another one makes another number. */
  requests(): number;
}
