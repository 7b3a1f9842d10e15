/**
 * The merging volume: the snapshot's view in place of the origin while the snapshot is merged back (E-30 … E-35).
 *
 *   look(write), inside the origin's write gate          main, step by step
 *   a chunk being merged? → leave, NeedRange ──▶         close the gate, drain, store the range, open (C-34)
 *   mapped → COW device (E-34)                           copy, flush the origin, erase (C-35, C-36)
 *   none   → origin, once settled in every other         entries none, clear the range, Released (C-37)
 *            snapshot (C-10)
 *
 * The origin's write gate does the work of `trkW` and of the `open` flag for writes, its read gate that of `inM`: main sets
 * the range only while no write is announced, so a writer that has entered and does not find its chunk in it may look up and write (C-39).
 * These functions run inside the gates that the origin's handler has entered.
 */
import { EntryState } from "../../src/base/states.ts";
import { Message } from "../../src/ring/messages.ts";
import { NeedRange } from "../../src/ring/to-main.ts";
import type { ExportContext } from "./context.ts";
import { needExclusive, needOrigin } from "./needs.ts";
import { type Piece, PieceKind } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import { settledEverywhere } from "./settled.ts";
import type { ServedSnapshot } from "./served-snapshot.ts";
import type { ServedVolume } from "./served-volume.ts";
import { Stage } from "./stage.ts";
import { toPieceEnd, zeroStretch } from "./stretch.ts";

export class MergingHandler {
  readonly #context: ExportContext;
  readonly #volume: ServedVolume;
  readonly #io: PieceIo;

  constructor(context: ExportContext, volume: ServedVolume, io: PieceIo) {
    this.#context = context;
    this.#volume = volume;
    this.#io = io;
  }

  /** Writes go chunk by chunk: each may meet the merging range. */
  stretch(kind: PieceKind, from: number, end: number, merging: number): number {
    const length = end - from;
    if (kind === PieceKind.Read) return length;
    // Nothing is done for it (E-35), unless the merge ends meanwhile.
    if (kind === PieceKind.Trim) return Math.min(length, toPieceEnd(from));
    const inChunk = Math.min(length, this.#volume.snapshot(merging).toChunkEnd(from), toPieceEnd(from));
    return kind === PieceKind.Zero ? zeroStretch(from, inChunk) : inChunk;
  }

  read(piece: Piece, merging: number): void {
    const snapshot = this.#volume.snapshot(merging);
    const mapped = lookup(snapshot, piece);
    if (mapped) this.#io.read(piece, snapshot.cow, snapshot.cowPosition(piece));
    else this.#io.read(piece, this.#volume.origin, piece.offset);
  }

  /** Of data or zeroes: a trim is left to the origin's handler. */
  write(piece: Piece, merging: number): void {
    const context = this.#context;
    const snapshot = this.#volume.snapshot(merging);
    piece.length = snapshot.clippedToChunk(piece);
    if (inMergeRange(snapshot, piece)) {
      context.leave(piece);
      piece.moveTo(Stage.Main);
      const { outbox } = context;
      const at = outbox.begin(Message.NeedRange, piece.volume, piece.index);
      NeedRange.snapshot.set(outbox.words, at, snapshot.index);
      return;
    }
    const mapped = lookup(snapshot, piece);
    if (!mapped && !settledEverywhere(this.#volume, piece.offset, piece.length)) return needOrigin(context, piece);
    const device = mapped ? snapshot.cow : this.#volume.origin;
    const position = mapped ? snapshot.cowPosition(piece) : piece.offset;
    if (!device.isAligned(position, piece.length) && !piece.announcement.exclusive)
      return needExclusive(context, piece);
    this.#io.write(piece, device, position, piece.durability);
  }
}

/** Look the piece's first chunk up and shorten the piece to its run; true: it is on the COW device. */
function lookup(snapshot: ServedSnapshot, piece: Piece): boolean {
  const mapped = snapshot.table.lookup(snapshot.chunkAt(piece.offset), snapshot.chunksOf(piece)) !== EntryState.None;
  piece.length = snapshot.clippedToRun(piece, snapshot.table.runLength);
  return mapped;
}

/** C-39.3. A range that is cleared just now may count as met: main sends the piece back to look again. */
function inMergeRange(snapshot: ServedSnapshot, piece: Piece): boolean {
  return snapshot.words.meetsMergeRange(snapshot.chunkAt(piece.offset), snapshot.chunksOf(piece));
}
