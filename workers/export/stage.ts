/**
 * Where a piece stands on its way, and what may come next.
 *
 *   Free ──▶ Handler ──▶ Gate ──────────────────────────────▶ Handler      parked until the gate opens
 *              │  ▲  ├──▶ Main, Exclusive ──────────────────▶ Handler      main's word, and then it looks again
 *              │  │  ├──▶ [Edges ──▶] Device ───────────────▶ Handler      its device operation
 *              │  │  └──▶ Chunk ──(granted)─▶ Whole │ FillRead ──▶ FillWrite ──▶ Filled ──▶ Written ──▶ Handler
 *              │  │        │ └──▶ Handler               ▲                           │ └──▶ Claimed ──▶ Handler
 *              ▼  └────────┘                            └── a chunk in reserve       └──▶ Handler   it has failed
 *             Free
 *
 * Everything begins in its handler's hands and comes back there. A change that is not in the table is a programmer's error, and stops the
 * process where it happens: not when a slot is missing later, or a client waits for ever.
 */
import { assert } from "../../src/base/assert.ts";

export const Stage = {
  /** In the pool. */
  Free: 0,
  /** In its handler's hands, which decide at once. */
  Handler: 1,
  /** Parked until a gate opens. */
  Gate: 2,
  /** Has asked main: Released. */
  Main: 3,
  /** Has asked main for its chunk: Granted, or Released. */
  Chunk: 4,
  /** Has asked to be the only write of a gate: ExclusiveGranted, or Released where there is no gate any more. */
  Exclusive: 5,
  /** Reads the device blocks that it covers in part. */
  Edges: 6,
  /** Its device operation is under way. */
  Device: 7,
  /** Writes the whole of a new chunk (E-6). */
  Whole: 8,
  /** Reads what belongs in a new chunk beside its own bytes, then writes the chunk (chunk-fill.ts). */
  FillRead: 9,
  FillWrite: 10,
  /** The new chunk has been written, or could not be. */
  Filled: 11,
  /** Main decides whether the filled chunk becomes the exception: Released 0 or EAGAIN. */
  Claimed: 12,
  /** The granted chunk has been written; only main's word is missing: Released. */
  Written: 13,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

function bits(...stages: readonly Stage[]): number {
  return stages.reduce((mask: number, stage) => mask | (1 << stage), 0);
}

const BACK = bits(Stage.Handler);

/** Bit s of entry t: stage s may follow stage t. */
const FOLLOWERS = new Int32Array(Object.keys(Stage).length);
FOLLOWERS[Stage.Free] = BACK;
FOLLOWERS[Stage.Handler] = bits(
  ...[Stage.Free, Stage.Gate, Stage.Main, Stage.Chunk, Stage.Exclusive, Stage.Edges, Stage.Device],
  ...[Stage.Whole, Stage.FillRead, Stage.FillWrite],
);
FOLLOWERS[Stage.Gate] = BACK;
FOLLOWERS[Stage.Main] = BACK;
FOLLOWERS[Stage.Chunk] = bits(Stage.Handler, Stage.Whole, Stage.FillRead, Stage.FillWrite);
FOLLOWERS[Stage.Exclusive] = BACK;
FOLLOWERS[Stage.Edges] = bits(Stage.Handler, Stage.Device);
FOLLOWERS[Stage.Device] = BACK;
FOLLOWERS[Stage.Whole] = bits(Stage.Filled);
FOLLOWERS[Stage.FillRead] = bits(Stage.FillWrite, Stage.Filled);
FOLLOWERS[Stage.FillWrite] = bits(Stage.Filled);
FOLLOWERS[Stage.Filled] = bits(Stage.Claimed, Stage.Written, Stage.Handler);
FOLLOWERS[Stage.Claimed] = BACK;
FOLLOWERS[Stage.Written] = BACK;

/** Stages that end without a completion, by a word of main's. */
const WAITING = bits(Stage.Gate, Stage.Main, Stage.Chunk, Stage.Exclusive, Stage.Claimed, Stage.Written);
/** Of those, the ones that Released ends. */
const RELEASABLE = bits(Stage.Main, Stage.Chunk, Stage.Exclusive, Stage.Claimed, Stage.Written);
/** Stages in which a new chunk is being written. */
const FILLING = bits(Stage.Whole, Stage.FillRead, Stage.FillWrite);

export function assertFollows(from: Stage, to: Stage): void {
  assert((FOLLOWERS[from] & (1 << to)) !== 0, "a piece went where its stage does not lead");
}

export function waitsForWord(stage: Stage): boolean {
  return (WAITING & (1 << stage)) !== 0;
}

export function isReleasable(stage: Stage): boolean {
  return (RELEASABLE & (1 << stage)) !== 0;
}

export function isFilling(stage: Stage): boolean {
  return (FILLING & (1 << stage)) !== 0;
}
