/**
 * A snapshot's export: exceptions on the COW device, everything else from the origin, first writes through main.
 *
 *   look(read)                                   look(write)
 *   enter the read gate                          enter the write gate (a write is tracked, E-3)
 *   visible or settled → COW device              visible or settled → COW device
 *   none → track (C-1), look again,              none → leave, NeedChunk ──▶ main
 *          read the origin, state again (C-4),     Released: look again     Granted: write the chunk there,
 *          end the tracking (C-5)                                           Written, wait for Released: done
 */
import { errno } from "../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../src/base/states.ts";
import { Message } from "../../src/ring/messages.ts";
import { Drained, NeedDurable } from "../../src/ring/to-main.ts";
import { ORIGIN_WRITE_GATE } from "../../src/base/gate-numbers.ts";
import { ExportCounter } from "../../src/ring/counters.ts";
import { bucketAt, trackableChunks } from "../../src/table/tracking.ts";
import type { GatePass } from "../../src/ring/gate.ts";
import type { ExportContext } from "./context.ts";
import { ExportShare } from "./export-share.ts";
import type { FirstWrite } from "./first-write.ts";
import type { ExportHandler } from "./handler.ts";
import { needExclusive } from "./needs.ts";
import { type Piece, PieceKind, Step } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import type { ServedSnapshot } from "./served-snapshot.ts";
import type { ServedVolume } from "./served-volume.ts";
import { Stage } from "./stage.ts";
import { toPieceEnd, zeroStretch } from "./stretch.ts";
import { Durability } from "./transfer.ts";

export class SnapshotHandler implements ExportHandler {
  readonly index: number;
  readonly volume: ServedVolume;
  /** Also of a snapshot that has gone, whose clients stay connected. */
  readonly counters: Float64Array;
  readonly share = new ExportShare();
  readonly #context: ExportContext;
  readonly #io: PieceIo;
  readonly #firstWrite: FirstWrite;
  readonly #snapshot: ServedSnapshot;
  readonly #finish: (piece: Piece, error: number) => void;

  constructor(
    context: ExportContext,
    volume: ServedVolume,
    io: PieceIo,
    firstWrite: FirstWrite,
    snapshot: ServedSnapshot,
    finish: (piece: Piece, error: number) => void,
  ) {
    this.#context = context;
    this.volume = volume;
    this.#io = io;
    this.#firstWrite = firstWrite;
    this.#snapshot = snapshot;
    this.index = snapshot.index;
    this.counters = snapshot.counters;
    this.#finish = finish;
  }

  stretch(kind: PieceKind, from: number, end: number): number {
    const length = end - from;
    if (kind === PieceKind.Read) return length;
    // Nothing is done for it.
    if (kind === PieceKind.Trim && !this.#snapshot.discardZeroesCow) return length;
    const bounded = Math.min(length, toPieceEnd(from));
    return kind === PieceKind.Zero ? zeroStretch(from, bounded) : bounded;
  }

  look(piece: Piece): void {
    const refusal = this.#refusal(piece);
    if (refusal !== 0) return this.#finish(piece, refusal);
    switch (piece.kind) {
      case PieceKind.Read:
        return this.#read(piece);
      case PieceKind.Write:
      case PieceKind.Zero:
        return this.#write(piece);
      case PieceKind.Trim:
        return this.#trim(piece);
      default:
        return this.#makeDurable(piece);
    }
  }

  deviceDone(piece: Piece): void {
    const { error } = piece.transfer;
    if (piece.kind === PieceKind.Read) return this.#readDone(piece);
    // Where the store could not be zeroed the trim has failed, and nothing is passed down of it.
    if (piece.step === Step.PassDown && error === 0) return this.#passDown(piece);
    const failure = error !== 0 ? error : this.#isGone() ? errno.EIO : 0;
    if (piece.kind === PieceKind.Trim && failure === 0) this.counters[ExportCounter.TrimmedBytes] += piece.length;
    this.#finish(piece, failure);
  }

  /** Why the piece is not served, or 0. A snapshot that was dropped stays refused for clients that are still connected (E-1, E-2). */
  #refusal(piece: Piece): number {
    const state = this.#snapshot.words.state();
    if (state === SnapshotState.Active) return 0;
    const writes = piece.kind === PieceKind.Write || piece.kind === PieceKind.Zero;
    if (state === SnapshotState.Overflow) return writes ? errno.EIO : 0;
    return state === SnapshotState.Merging ? errno.ESHUTDOWN : errno.EIO;
  }

  #isGone(): boolean {
    const state = this.#snapshot.words.state();
    return state === SnapshotState.Invalid || state === SnapshotState.Absent;
  }

  /** True: announced, and served. Main takes a snapshot away behind its closed gates, so the state counts that is seen inside. */
  #enter(piece: Piece, pass: GatePass, gate: number): boolean {
    if (!this.#context.enter(piece, pass, gate)) {
      piece.length = this.#snapshot.clippedToChunk(piece);
      return false;
    }
    const refusal = this.#refusal(piece);
    if (refusal !== 0) this.#finish(piece, refusal);
    return refusal === 0;
  }

  #read(piece: Piece): void {
    const snapshot = this.#snapshot;
    if (!this.#enter(piece, snapshot.readPass, snapshot.readGate)) return;
    const first = snapshot.chunkAt(piece.offset);
    for (;;) {
      const limit = trackableChunks(first);
      const mapped = snapshot.table.lookup(first, snapshot.chunksOf(piece)) !== EntryState.None;
      const run = snapshot.table.runLength;
      if (mapped) {
        piece.length = snapshot.clippedToRun(piece, run);
        return this.#io.read(piece, snapshot.cow, snapshot.cowPosition(piece));
      }
      piece.length = snapshot.clippedToRun(piece, Math.min(run, limit));
      if (this.#track(piece, first)) return this.#io.read(piece, this.volume.origin, piece.offset);
    }
  }

  /** C-1…C-4: announce the read, then look again. False: something was published meanwhile, nothing is tracked. */
  #track(piece: Piece, first: number): boolean {
    const snapshot = this.#snapshot;
    const count = snapshot.chunksOf(piece);
    piece.tracking.begin(snapshot, first, count);
    const none = snapshot.table.lookup(first, count) === EntryState.None && snapshot.table.runLength >= count;
    if (!none) this.#untrack(piece);
    return none;
  }

  #untrack(piece: Piece): void {
    const { tracking } = piece;
    if (!tracking.isTracked) return;
    // C-5: counters that fell to 0 while main waits for them.
    let drained = tracking.end();
    for (let i = 0; drained !== 0; i++, drained >>>= 1) {
      if ((drained & 1) === 0) continue;
      this.#tellDrained(bucketAt(tracking.chunk, i));
    }
  }

  #tellDrained(bucket: number): void {
    const { outbox } = this.#context;
    const at = outbox.begin(Message.Drained, this.volume.number, 0);
    Drained.snapshot.set(outbox.words, at, this.#snapshot.index);
    Drained.bucket.set(outbox.words, at, bucket);
  }

  /** C-4: a snapshot that turned Invalid during a read of the origin gives no data. */
  #readDone(piece: Piece): void {
    const gone = this.#isGone();
    this.#untrack(piece);
    const { error } = piece.transfer;
    this.#finish(piece, error !== 0 ? error : gone ? errno.EIO : 0);
  }

  #write(piece: Piece): void {
    const snapshot = this.#snapshot;
    if (!this.#enter(piece, snapshot.writePass, snapshot.writeGate)) return;
    const first = snapshot.chunkAt(piece.offset);
    const mapped = snapshot.table.lookup(first, snapshot.chunksOf(piece)) !== EntryState.None;
    if (!mapped) return this.#firstWrite.write(piece, snapshot);
    piece.length = snapshot.clippedToRun(piece, snapshot.table.runLength);
    const position = snapshot.cowPosition(piece);
    if (!snapshot.cow.isAligned(position, piece.length) && !piece.announcement.exclusive) {
      piece.length = snapshot.clippedToChunk(piece);
      return needExclusive(this.#context, piece);
    }
    this.#io.write(piece, snapshot.cow, position, piece.durability);
  }

  /** E-12: without `discard_zeroes_cow` a trim is answered and leaves the data as it is. */
  #trim(piece: Piece): void {
    const snapshot = this.#snapshot;
    if (!snapshot.discardZeroesCow) return this.#leaveAsItIs(piece);
    if (!this.#enter(piece, snapshot.writePass, snapshot.writeGate)) return;
    const first = snapshot.chunkAt(piece.offset);
    const mapped = snapshot.table.lookup(first, snapshot.chunksOf(piece)) !== EntryState.None;
    piece.length = snapshot.clippedToRun(piece, snapshot.table.runLength);
    piece.step = snapshot.discardPassdownOrigin ? Step.PassDown : Step.First;
    if (mapped) {
      const position = snapshot.cowPosition(piece);
      if (snapshot.cow.isAligned(position, piece.length)) {
        return this.#io.zero(piece, snapshot.cow, position, Durability.WhenFlushed);
      }
    }
    if (piece.step === Step.PassDown) return this.#passDown(piece);
    this.#leaveAsItIs(piece);
  }

  #leaveAsItIs(piece: Piece): void {
    this.counters[ExportCounter.UntrimmedBytes] += piece.length;
    this.#finish(piece, 0);
  }

  /** E-12: `discard_passdown_origin` discards on the origin without an exception. */
  #passDown(piece: Piece): void {
    piece.step = Step.First;
    const context = this.#context;
    context.leave(piece);
    if (!context.enter(piece, this.volume.originWritePass, ORIGIN_WRITE_GATE)) return;
    this.#io.write(piece, this.volume.origin, piece.offset, Durability.WhenFlushed);
  }

  #needDurable(piece: Piece, sequence: number): void {
    const { outbox } = this.#context;
    const at = outbox.begin(Message.NeedDurable, piece.volume, piece.index);
    NeedDurable.snapshot.set(outbox.words, at, this.#snapshot.index);
    NeedDurable.sequence.set(outbox.words, at, sequence);
  }

  /** C-13 for a flush, C-14 for a FUA write (which has its data durable already). */
  #makeDurable(piece: Piece): void {
    const { words } = this.#snapshot;
    if (piece.step === Step.First) {
      const visible = words.visible();
      piece.step = Step.AskedDurable;
      if (!words.isDurable(visible)) {
        piece.moveTo(Stage.Main);
        return this.#needDurable(piece, visible);
      }
    }
    if (piece.kind === PieceKind.Durable) return this.#finish(piece, this.#isGone() ? errno.EIO : 0);
    this.#io.sync(piece, this.#snapshot.cow.file);
  }
}
