/**
 * The first write to a chunk, from the look that finds no exception to main's last word: the whole way is in this file, in its order.
 *
 *                 a snapshot's own write                          an origin write that one snapshot needs
 *   1             write                                           keep
 *   2             a chunk in reserve? ── yes ──▶ 4                a chunk in reserve? ── yes ──▶ 4
 *                 no: NeedChunk, and wait at main                 no: NeedOrigin, out of here (needs.ts)
 *   3             granted
 *   4             the new chunk is written: whole by piece-io.ts, or put together by chunk-fill.ts
 *   5             filled
 *                   granted before     Written, and wait at main
 *                   from the reserve   Claim or ClaimOrigin, and wait at main
 *   6             answered: the end, or from the top
 *
 * It begins inside the snapshot's write gate, in which a look has found no exception. A chunk from the reserve is filled there, and
 * claimed before the gate is left: main knows nothing of it until then, and may refuse. A chunk that main grants is asked for outside (C-11): main has
 * a pending exception by then, and whoever else comes waits for it. Where main itself has the chunk copied (ChunkNeed.Copy) there is no
 * chapter 3 to 5: the piece is released, and looks again.
 *
 * What failed on the way is told to main (E-9), or, before main has heard of it, forgotten: the piece begins again without the reserve.
 */
import { ChunkNeed } from "../../src/base/chunk-need.ts";
import { assert } from "../../src/base/assert.ts";
import { errno } from "../../src/base/errno.ts";
import { SnapshotState } from "../../src/base/states.ts";
import { Message } from "../../src/ring/messages.ts";
import { NeedChunk, Written } from "../../src/ring/to-main.ts";
import { ChunkClaim } from "./chunk-claim.ts";
import { ChunkFill } from "./chunk-fill.ts";
import type { ExportContext } from "./context.ts";
import { ChunkHolds } from "./fill.ts";
import { needOrigin } from "./needs.ts";
import type { Piece } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import { soleUnsettled } from "./settled.ts";
import type { ServedSnapshot } from "./served-snapshot.ts";
import { Stage } from "./stage.ts";

/** What becomes of a piece whose chunk has been written, or decided about. */
export const Outcome = {
  /** It waits at main. */
  Waits: 0,
  /** It is done, or has failed with main's error. */
  Done: 1,
  /** It looks again, from the top. */
  Again: 2,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export class FirstWrite {
  readonly #context: ExportContext;
  readonly #io: PieceIo;
  readonly #fill: ChunkFill;
  readonly #claim: ChunkClaim;

  constructor(context: ExportContext, io: PieceIo) {
    this.#context = context;
    this.#io = io;
    this.#fill = new ChunkFill(context);
    this.#claim = new ChunkClaim(context);
  }

  /** 1. A write to a snapshot, in its write gate, has found no exception. */
  write(piece: Piece, snapshot: ServedSnapshot): void {
    const { fill } = piece;
    piece.length = snapshot.clippedToChunk(piece);
    fill.begin(snapshot, ChunkHolds.Write);
    const mayClaim = this.#claim.isFor(piece);
    fill.how = this.#howToFill(piece);
    const newChunk = mayClaim && fill.how !== ChunkNeed.Copy ? this.#claim.take(piece) : -1;
    if (newChunk === -1) this.#needChunk(piece);
    else this.#start(piece, newChunk);
  }

  /**
   * 1. An origin write has found that the old data is missing. In one snapshot, of one chunk, that has no exception: this worker puts it
   * into a reserved chunk and claims that; main commits, settles and releases as ever. Else main has it copied.
   */
  keep(piece: Piece): void {
    const context = this.#context;
    const snapshot = soleUnsettled(context.volumeOf(piece), piece);
    if (snapshot === null || piece.announcement.exclusive || !piece.claim.may) return needOrigin(context, piece);
    context.leave(piece);
    // No message is taken between the look at the list and here: the snapshot is still the one that was listed.
    const entered = context.tryEnter(piece, snapshot.writePass, snapshot.writeGate);
    if (!entered || snapshot.words.state() !== SnapshotState.Active) return needOrigin(context, piece);
    piece.fill.begin(snapshot, ChunkHolds.OldData);
    piece.fill.how = ChunkNeed.Fill;
    const newChunk = this.#claim.isFor(piece) && this.#fill.prepare(piece) ? this.#claim.take(piece) : -1;
    if (newChunk !== -1) return this.#start(piece, newChunk);
    context.endFill(piece);
    needOrigin(context, piece);
  }

  /** 2. A whole chunk needs nothing beside the write's bytes; else there must be a slot to put it together in. */
  #howToFill(piece: Piece): ChunkNeed {
    if (piece.length === piece.fill.snapshot.chunkBytes) return ChunkNeed.Whole;
    return this.#fill.prepare(piece) ? ChunkNeed.Fill : ChunkNeed.Copy;
  }

  /** 2. Nothing in reserve: main allocates. */
  #needChunk(piece: Piece): void {
    const { snapshot, how } = piece.fill;
    const chunk = snapshot.chunkAt(piece.offset);
    this.#context.leave(piece);
    piece.moveTo(Stage.Chunk);
    const { outbox } = this.#context;
    const at = outbox.begin(Message.NeedChunk, piece.volume, piece.index);
    NeedChunk.snapshot.set(outbox.words, at, snapshot.index);
    NeedChunk.chunk.set(outbox.words, at, chunk);
    NeedChunk.how.set(outbox.words, at, how);
  }

  /** 3. Main has granted the chunk. `how`: as it was asked for. */
  granted(piece: Piece, newChunk: number, how: ChunkNeed): void {
    assert(piece.stage === Stage.Chunk, "a chunk was granted to a piece that asked for none");
    assert(piece.fill.how === how, "a chunk was granted in a way that it was not asked for");
    this.#start(piece, newChunk);
  }

  /** 4. */
  #start(piece: Piece, newChunk: number): void {
    const { snapshot, how } = piece.fill;
    assert(newChunk >= 0, "a chunk that is none");
    if (how === ChunkNeed.Whole) this.#io.writeChunk(piece, snapshot.cow, newChunk * snapshot.chunkBytes);
    else this.#fill.start(piece, newChunk);
  }

  /** 4. A completion. True: the chunk has been written, or `transfer.error` says why not. */
  completed(piece: Piece, result: number): boolean {
    const over = piece.stage === Stage.Whole ? this.#io.completed(piece, result) : this.#fill.completed(piece, result);
    if (over) piece.moveTo(Stage.Filled);
    return over;
  }

  /** 5. */
  filled(piece: Piece): Outcome {
    if (!piece.claim.isHeld) {
      this.#written(piece);
      return Outcome.Waits;
    }
    if (piece.transfer.error === 0) {
      this.#claim.send(piece);
      return Outcome.Waits;
    }
    // Main has not heard of it: the ordinary way, which knows what a failed copy means (E-9).
    this.#claim.giveBack(piece);
    this.#context.leave(piece);
    this.#end(piece);
    return Outcome.Again;
  }

  /** 5. E-6: the granted chunk is on the COW device, or is not; main publishes, and then releases the piece for good. */
  #written(piece: Piece): void {
    const { snapshot } = piece.fill;
    const chunk = snapshot.chunkAt(piece.offset);
    const { error } = piece.transfer;
    piece.moveTo(Stage.Written);
    const { outbox } = this.#context;
    const at = outbox.begin(Message.Written, piece.volume, piece.index);
    Written.snapshot.set(outbox.words, at, snapshot.index);
    Written.chunk.set(outbox.words, at, chunk);
    Written.error.set(outbox.words, at, error);
  }

  /** 6. Main's answer to NeedChunk (it has had the chunk copied), to Written or to a claim. */
  answered(piece: Piece, error: number): Outcome {
    const { claim, fill, stage } = piece;
    const keeps = fill.holds === ChunkHolds.OldData;
    if (stage === Stage.Claimed) {
      if (error === errno.EAGAIN) this.#claim.giveBack(piece);
      else claim.end();
    }
    this.#end(piece);
    // The claim was refused; or what was granted found no room, and the write is to wait for some.
    if (error === errno.EAGAIN && stage !== Stage.Chunk) return Outcome.Again;
    if (error !== 0 || stage === Stage.Written) return Outcome.Done;
    // A snapshot's claim that is granted is its write; the origin's write is still to be done.
    return stage === Stage.Claimed && !keeps ? Outcome.Done : Outcome.Again;
  }

  /** 6. Main answers no more. */
  abandon(piece: Piece): void {
    if (piece.claim.isHeld) piece.claim.end();
    this.#end(piece);
  }

  #end(piece: Piece): void {
    this.#context.endFill(piece);
    piece.moveTo(Stage.Handler);
  }
}
