/**
 * A piece: the part of a request that one device operation serves, and where it stands on its way.
 *
 *   begin ──▶ Gate ──▶ (look up) ──▶ Device ──▶ done
 *               ▲          │ no exception
 *               │          ▼
 *               └─────── Main ──(granted)──▶ Granted ──▶ Main ──▶ done
 *                          │ unaligned on a direct device
 *                          ▼
 *                      Exclusive ──▶ Edges ──▶ Device ──▶ done
 *
 * One device operation covers a run of chunks that lie together. A piece that has just begun gives the rest of its bytes back
 * to the request (further pieces, at the same time); one that had to wait and then meets a shorter run goes on from there,
 * operation by operation, up to `end`. While a piece waits at main it is announced nowhere (C-11).
 */
import type { GatePass } from "../../src/ring/gate.ts";
import type { Request } from "./request.ts";
import type { SnapshotView } from "./snapshot-view.ts";

export const Stage = {
  Idle: 0,
  /** Parked until a gate opens. */
  Gate: 1,
  /** Parked until main releases or grants. */
  Main: 2,
  /** Waits for the right to be the only write of a gate. */
  Exclusive: 3,
  /** Reads the device blocks that it covers in part. */
  Edges: 4,
  /** Its device operation is under way. */
  Device: 5,
  /** Writes a chunk that main has granted (E-6). */
  Granted: 6,
  /** Reads the rest of a chunk that main has granted, then writes it whole (chunk-fill.ts). */
  FillRead: 7,
  FillWrite: 8,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

export const PieceKind = {
  Read: 0,
  Write: 1,
  Zero: 2,
  Trim: 3,
  Flush: 4,
  /** The end of a FUA write on a snapshot (C-14). */
  Durable: 5,
  /** A granted chunk has been written; only main's word is missing. */
  Written: 6,
} as const;
export type PieceKind = (typeof PieceKind)[keyof typeof PieceKind];

export class Piece {
  readonly index: number;
  request: Request | null = null;
  kind: PieceKind = PieceKind.Read;
  stage: Stage = Stage.Idle;
  /** Volume bytes. */
  offset = 0;
  length = 0;
  /** Where the piece ends; what lies beyond `offset + length` comes in a further device operation of the same piece. */
  end = 0;
  /** Arena address of the byte at `offset`; -1 without data. */
  memory = -1;
  /** File index, and byte position on it. */
  file = 0;
  position = 0;
  /** Bytes of the device operation that are done (short transfers go on from here). */
  progress = 0;
  /** The device operation carries RWF_DSYNC. */
  durable = false;
  /** A trim: not being able to do it is no error. */
  advisory = false;
  /** Mode of the fallocate under way, 0 for none. */
  allocateMode = 0;
  /** Device operations under way (edges: up to 2). */
  operations = 0;
  error = 0;
  /** The gate in which this piece is announced. */
  pass: GatePass | null = null;
  gate = -1;
  /** The piece is the only write of `gate`. */
  exclusive = false;
  /** Tracked read: chunks and parities (C-1). */
  snapshot: SnapshotView | null = null;
  trackedChunk = 0;
  trackedCount = 0;
  parities = 0;
  /** The reserved chunk that it fills, -1 for none, its snapshot and epoch; whether it may try one. */
  claimed = -1;
  claimedIn: SnapshotView | null = null;
  claimEpoch = 0;
  mayClaim = true;
  /** Slot in which a granted chunk is put together, -1 for none. */
  fillSlot = -1;
  /** Where the chunk begins on the volume. */
  fillAt = 0;
  /** The piece's place in the chunk, and the bytes of the chunk that exist. */
  fillWithin = 0;
  fillBytes = 0;
  /** The chunk keeps what the origin has, for an origin write: the piece's own bytes do not go into it. */
  fillKeeps = false;
  /** Part of the chunk that is read from the origin. */
  fillFrom = 0;
  fillTo = 0;
  /** Steps of a flush that are done. */
  step = 0;
  /** What it counts for among the bytes of zeroes and trims under way. */
  longBytes = 0;

  constructor(index: number) {
    this.index = index;
  }
}
