/**
 * A reserved chunk in the hands of a piece: taken and filled inside the snapshot's write gate, then claimed (chunk-reserve.ts).
 *
 *   take ──▶ the worker fills the chunk ──▶ send: Claim or ClaimOrigin, leave the gate ──▶ Released 0, or EAGAIN: giveBack
 *                                     └──▶ it failed: giveBack, the ordinary way
 *
 * The claim is sent before the gate is left, so that main has it when it sees the gate empty (C-15, C-18).
 */
import { highWord, lowWord } from "../../src/base/u64.ts";
import { EPOCH_SHIFT, Message } from "../../src/ring/messages.ts";
import type { ChunkFill } from "./chunk-fill.ts";
import type { ExportContext } from "./context.ts";
import { type Piece, Stage } from "./piece.ts";
import type { SnapshotView } from "./snapshot-view.ts";

export class ChunkClaim {
  readonly #context: ExportContext;
  readonly #fill: ChunkFill;

  constructor(context: ExportContext, fill: ChunkFill) {
    this.#context = context;
    this.#fill = fill;
  }

  /** Inside the write gate: a reserved chunk, and with `fills` a slot to put it together in. The new chunk, or -1. */
  take(piece: Piece, snapshot: SnapshotView, fills: boolean): number {
    const { index, reserve, words } = snapshot;
    if (reserve === null || !piece.mayClaim || piece.exclusive) return -1;
    const count = reserve.wanted();
    if (count > 0) this.#context.outbox.send(Message.NeedReserve, 0, index, count);
    const epoch = words.reserveEpoch();
    if (fills && !this.#fill.prepare(piece, snapshot)) return -1;
    const newChunk = reserve.take(epoch);
    if (newChunk < 0) {
      this.#context.giveBackFill(piece);
      return -1;
    }
    piece.claimed = newChunk;
    piece.claimedIn = snapshot;
    piece.claimEpoch = epoch;
    return newChunk;
  }

  /** The chunk is filled: main decides. */
  send(piece: Piece, kind: typeof Message.Claim | typeof Message.ClaimOrigin): void {
    const snapshot = piece.claimedIn as SnapshotView;
    const chunk = snapshot.chunkAt(piece.offset);
    const tag = snapshot.index | (piece.claimEpoch << EPOCH_SHIFT);
    const { claimed } = piece;
    piece.stage = Stage.Main;
    const { outbox } = this.#context;
    outbox.send(kind, piece.index, tag, lowWord(chunk), highWord(chunk), lowWord(claimed), highWord(claimed));
    this.#context.leave(piece);
  }

  /** The chunk could not be filled: leave the gate; the piece takes the ordinary way, which knows what a failed copy means (E-9). */
  failed(piece: Piece): void {
    piece.error = 0;
    piece.mayClaim = false;
    this.#context.leave(piece);
    this.#context.giveBackFill(piece);
    this.giveBack(piece);
  }

  /** The chunk may serve another piece. */
  giveBack(piece: Piece): void {
    piece.claimedIn?.reserve?.giveBack(piece.claimed, piece.claimEpoch);
    this.done(piece);
  }

  /** The claim has been granted. */
  done(piece: Piece): void {
    piece.claimed = -1;
    piece.claimedIn = null;
  }
}
