/**
 * A reserved chunk in the hands of a piece: taken and filled inside the snapshot's write gate, then claimed (chunk-reserve.ts).
 *
 *   take ──▶ the worker fills the chunk ──▶ send: Claim or ClaimOrigin, leave the gate ──▶ granted
 *                                     │                                              └──▶ refused (EAGAIN): back into the reserve
 *                                     └──▶ failed: back into the reserve, the piece takes the ordinary way
 *
 * The claim is sent before the gate is left, so that main has it when it sees the gate empty (C-15, C-18).
 */
import { assert } from "../../src/base/assert.ts";
import { Message } from "../../src/ring/messages.ts";
import { Claim, NeedReserve } from "../../src/ring/to-main.ts";
import type { ExportContext } from "./context.ts";
import { ChunkHolds } from "./fill.ts";
import type { Piece } from "./piece.ts";
import { Stage } from "./stage.ts";

export class ChunkClaim {
  readonly #context: ExportContext;

  constructor(context: ExportContext) {
    this.#context = context;
  }

  /** May the piece fill a chunk in reserve? Asks main for more of them before there are none. */
  isFor(piece: Piece): boolean {
    const { index, reserve } = piece.fill.snapshot;
    if (reserve === null || !piece.claim.may || piece.announcement.exclusive) return false;
    const count = reserve.wanted();
    if (count > 0) this.#needReserve(piece.volume, index, count);
    return true;
  }

  #needReserve(volume: number, snapshot: number, count: number): void {
    const { outbox } = this.#context;
    const at = outbox.begin(Message.NeedReserve, volume, 0);
    NeedReserve.snapshot.set(outbox.words, at, snapshot);
    NeedReserve.count.set(outbox.words, at, count);
  }

  /** Inside the write gate. The new chunk, or -1: there is none in reserve. */
  take(piece: Piece): number {
    const { reserve, words, writeGate } = piece.fill.snapshot;
    assert(!piece.announcement.isNowhere && piece.announcement.gate === writeGate, "a claim outside of the gate");
    assert(reserve !== null, "a claim where nothing is reserved");
    const epoch = words.reserveEpoch();
    const newChunk = reserve.take(epoch);
    if (newChunk !== -1) piece.claim.begin(newChunk, epoch);
    return newChunk;
  }

  /** The chunk is filled: main decides. */
  send(piece: Piece): void {
    const { fill, claim } = piece;
    const { snapshot } = fill;
    assert(piece.transfer.error === 0, "a claim of a chunk that could not be filled");
    assert(!piece.announcement.isNowhere, "the gate was left before the claim");
    const kind = fill.holds === ChunkHolds.OldData ? Message.ClaimOrigin : Message.Claim;
    const chunk = snapshot.chunkAt(piece.offset);
    piece.moveTo(Stage.Claimed);
    const { outbox } = this.#context;
    const { words } = outbox;
    const at = outbox.begin(kind, piece.volume, piece.index);
    Claim.snapshot.set(words, at, snapshot.index);
    Claim.epoch.set(words, at, claim.epoch);
    Claim.chunk.set(words, at, chunk);
    Claim.newChunk.set(words, at, claim.chunk);
    this.#context.leave(piece);
  }

  /** The chunk could not be filled, or somebody else has made the exception meanwhile: it may serve another piece, this one asks main. */
  giveBack(piece: Piece): void {
    const { claim } = piece;
    piece.fill.snapshot.reserve?.giveBack(claim.chunk, claim.epoch);
    claim.end();
    claim.may = false;
  }
}
