/**
 * The live volume: reads go straight to the origin, writes first make sure that every snapshot has kept the old data (C-10).
 *
 *   look(write)                          main
 *   enter the write gate (inO, hold)       │
 *   each listed snapshot: all settled?     │
 *     no: leave, NeedOrigin ──────────────▶│ copy, commit, settle
 *     (or fill a chunk in reserve,         │             first-write.ts
 *      ClaimOrigin) ──────────────────────▶│ commit, settle
 *     look again ◀──────────── Released ───│
 *     yes: write, leave, reply
 *
 * A trim is only advice: where a snapshot still needs the data it is left as it is, without a word to main (E-19), unless the volume says that trims are
 * to be kept like writes. So is all of it while a snapshot is merged (E-35).
 *
 * While a snapshot is merged, its view stands in place of the origin (E-30); merging-handler.ts then takes the piece over,
 * inside the same gates.
 */
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../src/base/gate-numbers.ts";
import { ExportCounter } from "../../src/ring/counters.ts";
import { LIVE_VOLUME } from "../../src/ring/messages.ts";
import type { ExportContext } from "./context.ts";
import { ExportShare } from "./export-share.ts";
import type { FirstWrite } from "./first-write.ts";
import type { ExportHandler } from "./handler.ts";
import type { MergingHandler } from "./merging-handler.ts";
import { needExclusive } from "./needs.ts";
import { type Piece, PieceKind } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import type { ServedVolume } from "./served-volume.ts";
import { neededStretch, settledEverywhere, settledStretch } from "./settled.ts";
import { toPieceEnd, zeroStretch } from "./stretch.ts";

export class OriginHandler implements ExportHandler {
  readonly index = LIVE_VOLUME;
  readonly volume: ServedVolume;
  readonly counters: Float64Array;
  readonly share = new ExportShare();
  readonly #context: ExportContext;
  readonly #io: PieceIo;
  readonly #firstWrite: FirstWrite;
  readonly #merging: MergingHandler;
  readonly #finish: (piece: Piece, error: number) => void;

  constructor(
    context: ExportContext,
    volume: ServedVolume,
    counters: Float64Array,
    io: PieceIo,
    firstWrite: FirstWrite,
    merging: MergingHandler,
    finish: (piece: Piece, error: number) => void,
  ) {
    this.#context = context;
    this.volume = volume;
    this.counters = counters;
    this.#io = io;
    this.#firstWrite = firstWrite;
    this.#merging = merging;
    this.#finish = finish;
  }

  stretch(kind: PieceKind, from: number, end: number): number {
    const merging = this.volume.words.merging();
    if (merging >= 0) return this.#merging.stretch(kind, from, end, merging);
    const length = end - from;
    if (kind === PieceKind.Read) return length;
    const bounded = Math.min(length, toPieceEnd(from));
    return kind === PieceKind.Zero ? zeroStretch(from, bounded) : bounded;
  }

  look(piece: Piece): void {
    if (piece.kind === PieceKind.Flush) return this.#flush(piece);
    if (piece.kind === PieceKind.Read) return this.#read(piece);
    return this.#write(piece);
  }

  deviceDone(piece: Piece): void {
    const { transfer } = piece;
    if (piece.kind === PieceKind.Flush && transfer.error === 0 && transfer.file !== this.volume.origin.file) {
      this.#io.sync(piece, this.volume.origin.file);
      return;
    }
    if (piece.kind === PieceKind.Trim && transfer.error === 0)
      this.counters[ExportCounter.TrimmedBytes] += piece.length;
    this.#finish(piece, transfer.error);
  }

  #read(piece: Piece): void {
    const { volume } = this;
    if (!this.#context.enter(piece, volume.originReadPass, ORIGIN_READ_GATE)) return;
    const merging = volume.words.merging();
    if (merging >= 0) this.#merging.read(piece, merging);
    else this.#io.read(piece, volume.origin, piece.offset);
  }

  #write(piece: Piece): void {
    const context = this.#context;
    const { volume } = this;
    if (!context.enter(piece, volume.originWritePass, ORIGIN_WRITE_GATE)) return;
    const merging = volume.words.merging();
    if (piece.kind === PieceKind.Trim && merging >= 0) return this.#leaveAsItIs(piece);
    if (merging >= 0) return this.#merging.write(piece, merging);
    if (piece.kind === PieceKind.Trim && volume.keepsTrims) return this.#trim(piece);
    const { origin } = volume;
    if (!settledEverywhere(volume, piece.offset, piece.length)) return this.#firstWrite.keep(piece);
    const aligned = piece.kind === PieceKind.Trim || origin.isAligned(piece.offset, piece.length);
    if (!aligned && !piece.announcement.exclusive) return needExclusive(context, piece);
    this.#io.write(piece, origin, piece.offset, piece.durability);
  }

  /**
   * E-19, inside the write gate: neither a new snapshot nor an end of what is settled comes between the look and the device. The rest of the piece
   * follows by itself: after a stretch that is left at once, after one that went to the device when that is done, or as another piece.
   */
  #trim(piece: Piece): void {
    const { volume } = this;
    const needed = neededStretch(volume, piece.offset, piece.length);
    if (needed > 0) {
      piece.length = needed;
      return this.#leaveAsItIs(piece);
    }
    piece.length = settledStretch(volume, piece.offset, piece.length);
    this.#io.write(piece, volume.origin, piece.offset, piece.durability);
  }

  #leaveAsItIs(piece: Piece): void {
    this.counters[ExportCounter.UntrimmedBytes] += piece.length;
    this.#finish(piece, 0);
  }

  /**
   * A flush of the merging volume takes both devices: the COW device here, the origin when that is done. Inside the read gate, so
   * that the merge does not end, and the COW device does not go, before it is over (C-38).
   */
  #flush(piece: Piece): void {
    const { volume } = this;
    if (!this.#context.enter(piece, volume.originReadPass, ORIGIN_READ_GATE)) return;
    const merging = volume.words.merging();
    this.#io.sync(piece, merging >= 0 ? volume.snapshot(merging).cow.file : volume.origin.file);
  }
}
