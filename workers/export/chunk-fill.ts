/**
 * A new chunk that a first write covers in part: the worker takes the rest from the origin and writes the chunk whole.
 *
 *   fill slot   │ head, from the origin │ the write's own bytes │ tail, from the origin │ ──▶ one write at the new chunk
 *               from ─ read ─▶ to covers what the write does not, in whole device blocks of the origin
 *
 * It is the copy of E-5 without a copy worker: one read and one write by the thread that has the bytes, instead of a read, two
 * writes and two more hops. What the write overwrites is not read where it stands at an end of the chunk. The origin cannot
 * change meanwhile: the exception is pending, so every origin write to the chunk waits for it (E-21). The end of the origin
 * may cut the chunk short: only what exists is written. Where no slot is free the piece asks for an ordinary copy.
 *
 * A write of the origin keeps the old data of its chunk in the same way, without its own bytes (E-13, C-16). What it reads is old: had
 * another origin write overtaken it, the exception of that one would be there before, and the claim refused.
 */
import { assert } from "../../src/base/assert.ts";
import { errno } from "../../src/base/errno.ts";
import { alignDown, alignUp } from "../../src/base/units.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { SlotFit } from "../../src/ring/slots.ts";
import { type ExportContext, handlerOf } from "./context.ts";
import { submitFill } from "./device-submit.ts";
import { ChunkHolds } from "./fill.ts";
import { pieceOwner } from "./owned-slots.ts";
import type { Piece } from "./piece.ts";
import { Stage } from "./stage.ts";
import { Durability } from "./transfer.ts";

/** Larger chunks are copied by copy workers, in segments. */
const FILL_BYTES_MAX: number = 128 * 1024;

export class ChunkFill {
  readonly #context: ExportContext;

  constructor(context: ExportContext) {
    this.#context = context;
  }

  /** Take a slot for the chunk; false: this write cannot be filled here. */
  prepare(piece: Piece): boolean {
    const { fill } = piece;
    const { chunkBytes } = fill.snapshot;
    assert(fill.slot === -1, "a chunk has a slot already");
    if (chunkBytes > FILL_BYTES_MAX) return false;
    const request = this.#context.requestOf(piece);
    const { share } = handlerOf(request);
    const client = this.#context.clientOf(request);
    const slot = this.#context.takeSlot(chunkBytes, pieceOwner(piece.index), SlotFit.NextLarger, share, client);
    if (slot < 0) return false;
    fill.slot = slot;
    return true;
  }

  /** Put the chunk together, and write it at the new chunk. */
  start(piece: Piece, newChunk: number): void {
    const { fill } = piece;
    const { chunkBytes, cow } = fill.snapshot;
    const keeps = fill.holds === ChunkHolds.OldData;
    const at = alignDown(piece.offset, chunkBytes);
    // The end of the origin may cut its last chunk short.
    const exists = Math.min(chunkBytes, this.#context.volumeOf(piece).originBytes - at);
    const within = piece.offset - at;
    if (keeps) fill.place(at, exists, within, 0, exists);
    else this.#placeAround(piece, at, exists, within);
    piece.transfer.begin(cow, newChunk * chunkBytes, keeps ? Durability.WhenFlushed : piece.durability);
    if (fill.from < fill.to) {
      piece.moveTo(Stage.FillRead);
      this.#read(piece);
    } else {
      this.#write(piece);
    }
  }

  /** A completion while the piece fills. True: the chunk is written, or `transfer.error` says why not. */
  completed(piece: Piece, result: number): boolean {
    const { transfer, fill } = piece;
    transfer.answered(result);
    if (result <= 0) {
      transfer.error = result < 0 ? -result : errno.EIO;
      return true;
    }
    transfer.progress += result;
    if (piece.stage === Stage.FillRead) {
      if (fill.from + transfer.progress < fill.to) this.#read(piece);
      else this.#write(piece);
      return false;
    }
    if (transfer.progress >= fill.bytes) return true;
    this.#submitWrite(piece);
    return false;
  }

  /** What the write does not cover: the head, the tail, or all from the one to the other. */
  #placeAround(piece: Piece, at: number, exists: number, within: number): void {
    const { align } = this.#context.volumeOf(piece).origin;
    const end = within + piece.length;
    const from = within === 0 ? Math.min(alignDown(end, align), exists) : 0;
    const to = end === exists ? alignUp(within, align) : exists;
    piece.fill.place(at, exists, within, from, to);
  }

  #read(piece: Piece): void {
    const { fill } = piece;
    const { slots } = this.#context;
    const { origin } = this.#context.volumeOf(piece);
    const from = fill.from + piece.transfer.progress;
    const address = slots.address(fill.slot) + from;
    submitFill(this.#context, piece, IoOp.Read, origin.file, address, fill.to - from, fill.at + from);
  }

  #write(piece: Piece): void {
    if (piece.fill.holds === ChunkHolds.Write) this.#overlay(piece);
    piece.moveTo(Stage.FillWrite);
    piece.transfer.restart();
    this.#submitWrite(piece);
  }

  /** The write's own bytes, in their place in the chunk. */
  #overlay(piece: Piece): void {
    const { fill } = piece;
    const { ring, slots } = this.#context;
    assert(fill.within + piece.length <= fill.bytes, "a write reaches beyond its chunk");
    const target = slots.address(fill.slot) + fill.within;
    if (piece.memory === -1) ring.zero(target, piece.length);
    else ring.copy(target, piece.memory, piece.length);
  }

  #submitWrite(piece: Piece): void {
    const { fill, transfer } = piece;
    const address = this.#context.slots.address(fill.slot) + transfer.progress;
    const length = fill.bytes - transfer.progress;
    submitFill(this.#context, piece, IoOp.Write, transfer.file, address, length, transfer.position + transfer.progress);
  }
}
