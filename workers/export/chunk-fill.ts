/**
 * A write to a part of a chunk that main has granted: the worker takes the rest from the origin and writes the chunk whole.
 *
 *   fill slot   │ head, from the origin │ the write's own bytes │ tail, from the origin │ ──▶ one write at the new chunk
 *               lo ─ read ─▶ hi covers what the write does not, in whole device blocks of the origin
 *
 * It is the copy of E-5 without a copy worker: one read and one write by the thread that has the bytes, instead of a read, two
 * writes and two more hops. What the write overwrites is not read where it stands at an end of the chunk. The origin cannot
 * change meanwhile: the exception is pending, so every origin write to the chunk waits for it (E-21). The end of the origin
 * may cut the chunk short: only what exists is written. Where no slot is free the piece asks for an ordinary copy.
 *
 * A write of the origin keeps the old data of its chunk in the same way, without its own bytes (E-13, C-16). What it reads is old: had
 * another origin write overtaken it, the exception of that one would be there before, and the claim refused.
 */
import { errno } from "../../src/base/errno.ts";
import { alignDown, alignUp } from "../../src/base/units.ts";
import { IoArg, IoOp } from "../../src/ring/io-descriptor.ts";
import { type ExportContext, User } from "./context.ts";
import { type Piece, Stage } from "./piece.ts";
import type { SnapshotView } from "./snapshot-view.ts";

/** Larger chunks are copied by copy workers, in segments. */
const FILL_BYTES_MAX: number = 128 * 1024;

export class ChunkFill {
  readonly #context: ExportContext;

  constructor(context: ExportContext) {
    this.#context = context;
  }

  /** Take a slot for the chunk; false: this write cannot be filled here. */
  prepare(piece: Piece, snapshot: SnapshotView): boolean {
    if (snapshot.chunkBytes > FILL_BYTES_MAX) return false;
    piece.fillSlot = this.#context.slots.take(snapshot.chunkBytes);
    return piece.fillSlot !== -1;
  }

  /** Granted: read what the write does not cover. */
  start(piece: Piece, snapshot: SnapshotView, newChunk: number): void {
    const { align } = this.#context.origin;
    this.#begin(piece, snapshot, newChunk, false);
    const within = piece.offset - piece.fillAt;
    const end = within + piece.length;
    const exists = piece.fillBytes;
    piece.fillWithin = within;
    piece.durable = piece.request?.durable === true;
    piece.fillFrom = within === 0 ? Math.min(alignDown(end, align), exists) : 0;
    piece.fillTo = end === exists ? alignUp(within, align) : exists;
    if (piece.fillFrom < piece.fillTo) this.#read(piece);
    else this.#write(piece);
  }

  /** Keep all of the chunk as the origin has it now. */
  keep(piece: Piece, snapshot: SnapshotView, newChunk: number): void {
    this.#begin(piece, snapshot, newChunk, true);
    piece.durable = false;
    piece.fillFrom = 0;
    piece.fillTo = piece.fillBytes;
    this.#read(piece);
  }

  #begin(piece: Piece, snapshot: SnapshotView, newChunk: number, keeps: boolean): void {
    const { chunkBytes } = snapshot;
    piece.fillKeeps = keeps;
    piece.file = snapshot.cow.file;
    piece.position = newChunk * chunkBytes;
    piece.fillAt = alignDown(piece.offset, chunkBytes);
    // The end of the origin may cut its last chunk short.
    piece.fillBytes = Math.min(chunkBytes, this.#context.originBytes - piece.fillAt);
    piece.stage = Stage.FillRead;
    piece.progress = 0;
  }

  /** A completion while the piece fills. True: the chunk is written, or `piece.error` says why not. */
  completed(piece: Piece, result: number): boolean {
    if (result <= 0) {
      piece.error = result < 0 ? -result : errno.EIO;
      return true;
    }
    piece.progress += result;
    if (piece.stage === Stage.FillRead) {
      if (piece.fillFrom + piece.progress < piece.fillTo) this.#read(piece);
      else this.#write(piece);
      return false;
    }
    if (piece.progress >= piece.fillBytes) return true;
    this.#submitWrite(piece);
    return false;
  }

  #read(piece: Piece): void {
    const { origin, slots, submissions } = this.#context;
    const from = piece.fillFrom + piece.progress;
    const address = slots.address(piece.fillSlot) + from;
    const user = User.Piece | piece.index;
    submissions.push(IoOp.Read, origin.file, user, address, piece.fillTo - from, piece.fillAt + from, 0);
  }

  #write(piece: Piece): void {
    if (!piece.fillKeeps) this.#overlay(piece);
    piece.stage = Stage.FillWrite;
    piece.progress = 0;
    this.#submitWrite(piece);
  }

  /** The write's own bytes, in their place in the chunk. */
  #overlay(piece: Piece): void {
    const { ring, slots } = this.#context;
    const target = slots.address(piece.fillSlot) + piece.fillWithin;
    if (piece.memory === -1) ring.zero(target, piece.length);
    else ring.copy(target, piece.memory, piece.length);
  }

  #submitWrite(piece: Piece): void {
    const { slots, submissions } = this.#context;
    const address = slots.address(piece.fillSlot) + piece.progress;
    const length = piece.fillBytes - piece.progress;
    const argument = piece.durable ? IoArg.Dsync : 0;
    const user = User.Piece | piece.index;
    submissions.push(IoOp.Write, piece.file, user, address, length, piece.position + piece.progress, argument);
  }
}
