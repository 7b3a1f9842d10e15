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
import { ChunkNeed } from "../../src/base/chunk-need.ts";
import { errno } from "../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../src/base/states.ts";
import { highWord, lowWord } from "../../src/base/u64.ts";
import { cowFile } from "../../src/ring/file-table.ts";
import { Message } from "../../src/ring/messages.ts";
import { ORIGIN_WRITE_GATE } from "../../src/base/gate-numbers.ts";
import { bucketAt, trackableChunks } from "../../src/table/tracking.ts";
import type { ExportContext } from "./context.ts";
import type { ExportHandler } from "./handler.ts";
import { needExclusive, toPieceEnd, zeroStretch } from "./origin-handler.ts";
import { type Piece, PieceKind, Stage } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import { Operation, type Request } from "./request.ts";
import type { SnapshotView } from "./snapshot-view.ts";

export class SnapshotHandler implements ExportHandler {
  readonly #context: ExportContext;
  readonly #io: PieceIo;
  readonly #snapshot: SnapshotView;
  readonly #finish: (piece: Piece, error: number) => void;

  constructor(
    context: ExportContext,
    io: PieceIo,
    snapshot: SnapshotView,
    finish: (piece: Piece, error: number) => void,
  ) {
    this.#context = context;
    this.#io = io;
    this.#snapshot = snapshot;
    this.#finish = finish;
  }

  get exportIndex(): number {
    const { index } = this.#snapshot;
    return this.#context.snapshots[index] === this.#snapshot ? 1 + index : -1;
  }

  stretch(request: Request): number {
    const length = request.end - request.cursor;
    if (request.operation === Operation.Read) return length;
    // Nothing is done for it.
    if (request.operation === Operation.Trim && !this.#snapshot.discardZeroesCow) return length;
    const bounded = Math.min(length, toPieceEnd(request.cursor));
    return request.operation === Operation.Zero ? zeroStretch(request.cursor, bounded) : bounded;
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

  granted(piece: Piece, newChunk: number, whole: boolean): void {
    const snapshot = this.#snapshot;
    if (!whole) return this.#io.fill.start(piece, snapshot, newChunk);
    this.#io.write(piece, snapshot.cow, newChunk * snapshot.chunkBytes, piece.request?.durable === true);
    piece.stage = Stage.Granted;
  }

  claimRefused(piece: Piece): void {
    this.#io.claim.giveBack(piece);
    this.look(piece);
  }

  deviceDone(piece: Piece): void {
    if (piece.stage >= Stage.Granted) return piece.claimed >= 0 ? this.#claim(piece) : this.#written(piece);
    if (piece.kind === PieceKind.Read) return this.#readDone(piece);
    // Where the store could not be zeroed the trim has failed, and nothing is passed down of it.
    if (piece.kind === PieceKind.Trim && piece.step === 1 && piece.error === 0) return this.#passDown(piece);
    this.#finish(piece, piece.error !== 0 ? piece.error : this.#isGone() ? errno.EIO : 0);
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

  /** The piece lies in one chunk from here on. */
  #clipToChunk(piece: Piece): void {
    piece.length = Math.min(piece.length, this.#snapshot.toChunkEnd(piece.offset));
  }

  /** True: announced, and served. Main takes a snapshot away behind its closed gates, so the state counts that is seen inside. */
  #enter(piece: Piece, write: boolean): boolean {
    const snapshot = this.#snapshot;
    const pass = write ? snapshot.writePass : snapshot.readPass;
    if (!this.#context.enter(piece, pass, write ? snapshot.writeGate : snapshot.readGate)) {
      this.#clipToChunk(piece);
      return false;
    }
    const refusal = this.#refusal(piece);
    if (refusal !== 0) this.#finish(piece, refusal);
    return refusal === 0;
  }

  #read(piece: Piece): void {
    if (!this.#enter(piece, false)) return;
    const snapshot = this.#snapshot;
    const first = snapshot.chunkAt(piece.offset);
    for (;;) {
      const limit = trackableChunks(first);
      const mapped = snapshot.table.lookup(first, snapshot.chunksOf(piece)) !== EntryState.None;
      const run = snapshot.table.runLength;
      if (mapped) {
        snapshot.clipToRun(piece, run);
        return this.#io.read(piece, snapshot.cow, snapshot.cowPosition(piece));
      }
      snapshot.clipToRun(piece, Math.min(run, limit));
      if (this.#track(piece, first)) return this.#io.read(piece, this.#context.origin, piece.offset);
    }
  }

  /** C-1…C-4: announce the read, then look again. False: something was published meanwhile, nothing is tracked. */
  #track(piece: Piece, first: number): boolean {
    const snapshot = this.#snapshot;
    const count = snapshot.chunksOf(piece);
    piece.parities = snapshot.words.tracking.beginRange(first, count);
    piece.snapshot = snapshot;
    piece.trackedChunk = first;
    piece.trackedCount = count;
    const none = snapshot.table.lookup(first, count) === EntryState.None && snapshot.table.runLength >= count;
    if (!none) this.#untrack(piece);
    return none;
  }

  #untrack(piece: Piece): void {
    const snapshot = piece.snapshot;
    if (snapshot === null) return;
    piece.snapshot = null;
    const { trackedChunk, trackedCount, parities } = piece;
    // C-5: counters that fell to 0 while main waits for them.
    let drained = snapshot.words.tracking.endRange(trackedChunk, trackedCount, parities);
    for (let i = 0; drained !== 0; i++, drained >>>= 1) {
      if ((drained & 1) === 0) continue;
      this.#context.outbox.send(Message.Drained, 0, snapshot.index, bucketAt(trackedChunk, i));
    }
  }

  /** C-4: a snapshot that turned Invalid during a read of the origin gives no data. */
  #readDone(piece: Piece): void {
    const gone = this.#isGone();
    this.#untrack(piece);
    this.#finish(piece, piece.error !== 0 ? piece.error : gone ? errno.EIO : 0);
  }

  #write(piece: Piece): void {
    if (!this.#enter(piece, true)) return;
    const snapshot = this.#snapshot;
    const first = snapshot.chunkAt(piece.offset);
    if (snapshot.table.lookup(first, snapshot.chunksOf(piece)) === EntryState.None)
      return this.#needChunk(piece, first);
    snapshot.clipToRun(piece, snapshot.table.runLength);
    const position = snapshot.cowPosition(piece);
    if (!snapshot.cow.isAligned(position, piece.length) && !piece.exclusive) {
      this.#clipToChunk(piece);
      return needExclusive(this.#context, piece);
    }
    this.#io.write(piece, snapshot.cow, position, piece.request?.durable === true);
  }

  #needChunk(piece: Piece, chunk: number): void {
    const snapshot = this.#snapshot;
    this.#clipToChunk(piece);
    if (this.#fillReserved(piece)) return;
    this.#context.leave(piece);
    piece.stage = Stage.Main;
    const whole = piece.length === snapshot.chunkBytes;
    const how = whole ? ChunkNeed.Whole : this.#io.fill.prepare(piece, snapshot) ? ChunkNeed.Fill : ChunkNeed.Copy;
    this.#context.outbox.send(Message.NeedChunk, piece.index, snapshot.index, lowWord(chunk), highWord(chunk), how);
  }

  /** Fill a reserved chunk at once, inside the write gate, and claim it afterwards. */
  #fillReserved(piece: Piece): boolean {
    const whole = piece.length === this.#snapshot.chunkBytes;
    const newChunk = this.#io.claim.take(piece, this.#snapshot, !whole);
    if (newChunk < 0) return false;
    this.granted(piece, newChunk, whole);
    return true;
  }

  /** The reserved chunk is filled: main decides. */
  #claim(piece: Piece): void {
    const { claim } = this.#io;
    if (piece.error === 0) {
      piece.kind = PieceKind.Written;
      return claim.send(piece, Message.Claim);
    }
    claim.failed(piece);
    this.look(piece);
  }

  /** E-6: the granted chunk is on the COW device, or is not; main publishes, and then releases the piece for good. */
  #written(piece: Piece): void {
    const chunk = this.#snapshot.chunkAt(piece.offset);
    piece.stage = Stage.Main;
    piece.kind = PieceKind.Written;
    this.#context.outbox.send(
      Message.Written,
      piece.index,
      this.#snapshot.index,
      lowWord(chunk),
      highWord(chunk),
      piece.error,
    );
  }

  /** E-12: without `discard_zeroes_cow` a trim is answered and leaves the data as it is. */
  #trim(piece: Piece): void {
    const snapshot = this.#snapshot;
    if (!snapshot.discardZeroesCow) return this.#finish(piece, 0);
    if (!this.#enter(piece, true)) return;
    const first = snapshot.chunkAt(piece.offset);
    const mapped = snapshot.table.lookup(first, snapshot.chunksOf(piece)) !== EntryState.None;
    snapshot.clipToRun(piece, snapshot.table.runLength);
    piece.step = snapshot.discardPassdownOrigin ? 1 : 0;
    if (mapped) {
      const position = snapshot.cowPosition(piece);
      if (snapshot.cow.isAligned(position, piece.length)) return this.#io.zero(piece, snapshot.cow, position, false);
    }
    if (piece.step === 1) return this.#passDown(piece);
    this.#finish(piece, 0);
  }

  /** E-12: `discard_passdown_origin` discards on the origin without an exception. */
  #passDown(piece: Piece): void {
    piece.step = 0;
    const context = this.#context;
    context.leave(piece);
    if (!context.enter(piece, context.originWritePass, ORIGIN_WRITE_GATE)) return;
    this.#io.write(piece, context.origin, piece.offset, false);
  }

  /** C-13 for a flush, C-14 for a FUA write (which has its data durable already). */
  #makeDurable(piece: Piece): void {
    const { words } = this.#snapshot;
    if (piece.step === 0) {
      const visible = words.visible();
      piece.step = 1;
      if (!words.isDurable(visible)) {
        piece.stage = Stage.Main;
        this.#context.outbox.send(Message.NeedDurable, piece.index, this.#snapshot.index, visible);
        return;
      }
    }
    if (piece.kind === PieceKind.Durable) return this.#finish(piece, this.#isGone() ? errno.EIO : 0);
    this.#io.sync(piece, cowFile(this.#snapshot.index));
  }
}
