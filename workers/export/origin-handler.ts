/**
 * The live volume: reads go straight to the origin, writes first make sure that every snapshot has kept the old data (C-10).
 *
 *   look(write)                          main
 *   enter the write gate (inO, hold)       │
 *   each listed snapshot: all settled?     │
 *     no: leave, NeedOrigin ──────────────▶│ copy, commit, settle
 *     (or fill a chunk in reserve,         │
 *      ClaimOrigin) ──────────────────────▶│ commit, settle
 *     look again ◀──────────── Released ───│
 *     yes: write, leave, reply
 *
 * While a snapshot is merged, its view stands in place of the origin (E-30); merging-handler.ts then takes the piece over,
 * inside the same gates.
 */
import { MAX_PIECE_BYTES } from "../../src/base/constants.ts";
import { EntryState, SnapshotState } from "../../src/base/states.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { highWord, lowWord } from "../../src/base/u64.ts";
import { cowFile, ORIGIN_FILE } from "../../src/ring/file-table.ts";
import { Message } from "../../src/ring/messages.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../src/base/gate-numbers.ts";
import type { ExportContext } from "./context.ts";
import type { ExportHandler } from "./handler.ts";
import type { MergingHandler } from "./merging-handler.ts";
import { type Piece, PieceKind, Stage } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import { Operation, type Request } from "./request.ts";
import type { SnapshotView } from "./snapshot-view.ts";

/**
 * Bytes that a write's piece may have. Pieces of one request meet where every device has a block's end: a piece that ends inside of
 * a block lays the rest of the block, as it is on the device, behind its bytes in memory, where the next piece has its own.
 */
export function toPieceEnd(offset: number): number {
  return MAX_PIECE_BYTES - (offset % MAX_PIECE_BYTES);
}

/** Bytes of a piece of zeroes that begins here: parts of pages are pieces of their own, for they carry data. */
export function zeroStretch(offset: number, length: number): number {
  const head = offset % PAGE_BYTES;
  if (head !== 0) return Math.min(length, PAGE_BYTES - head);
  return length > PAGE_BYTES ? length - (length % PAGE_BYTES) : length;
}

/** True: every snapshot that an origin write must mind has the piece's chunks settled (C-10.3). */
export function settledEverywhere(context: ExportContext, offset: number, length: number): boolean {
  const { volume } = context;
  const count = volume.listCount();
  for (let i = 0; i < count; i++) {
    const snapshot = context.snapshot(volume.listed(i));
    const state = snapshot.words.state();
    if (state !== SnapshotState.Active && state !== SnapshotState.Overflow) continue;
    const first = snapshot.chunkAt(offset);
    const chunks = snapshot.chunkAt(offset + length - 1) - first + 1;
    if (!snapshot.table.allSettled(first, chunks)) return false;
  }
  return true;
}

/** The only snapshot that misses the piece's old data, if that is one chunk without an exception; else null. */
function soleUnsettled(context: ExportContext, piece: Piece): SnapshotView | null {
  const { volume } = context;
  let sole: SnapshotView | null = null;
  for (let i = volume.listCount() - 1; i >= 0; i--) {
    const snapshot = context.snapshot(volume.listed(i));
    const state = snapshot.words.state();
    if (state === SnapshotState.Overflow) return null;
    if (state !== SnapshotState.Active) continue;
    const first = snapshot.chunkAt(piece.offset);
    const chunks = snapshot.chunksOf(piece);
    if (snapshot.table.allSettled(first, chunks)) continue;
    if (sole !== null || chunks > 1 || snapshot.table.lookup(first, 1) !== EntryState.None) return null;
    sole = snapshot;
  }
  return sole;
}

/** Ask main for the exceptions that an origin write needs; the piece is announced nowhere meanwhile (C-11). */
export function needOrigin(context: ExportContext, piece: Piece): void {
  context.leave(piece);
  piece.stage = Stage.Main;
  const sector = Math.floor(piece.offset / SECTOR_BYTES);
  const sectors = Math.ceil((piece.offset + piece.length) / SECTOR_BYTES) - sector;
  context.outbox.send(Message.NeedOrigin, piece.index, lowWord(sector), highWord(sector), sectors);
}

/** Ask to be the only write of the piece's gate; `look` comes again when it is granted. */
export function needExclusive(context: ExportContext, piece: Piece): void {
  const { gate } = piece;
  context.leave(piece);
  piece.stage = Stage.Exclusive;
  context.outbox.send(Message.NeedExclusive, piece.index, gate);
}

export class OriginHandler implements ExportHandler {
  readonly exportIndex = 0;
  readonly #context: ExportContext;
  readonly #io: PieceIo;
  readonly #merging: MergingHandler;
  readonly #finish: (piece: Piece, error: number) => void;

  constructor(
    context: ExportContext,
    io: PieceIo,
    merging: MergingHandler,
    finish: (piece: Piece, error: number) => void,
  ) {
    this.#context = context;
    this.#io = io;
    this.#merging = merging;
    this.#finish = finish;
  }

  stretch(request: Request): number {
    const length = request.end - request.cursor;
    const merging = this.#context.volume.merging();
    if (merging >= 0) return this.#merging.stretch(request, merging);
    if (request.operation === Operation.Read) return length;
    const bounded = Math.min(length, toPieceEnd(request.cursor));
    return request.operation === Operation.Zero ? zeroStretch(request.cursor, bounded) : bounded;
  }

  look(piece: Piece): void {
    if (piece.claimed >= 0) this.#io.claim.done(piece);
    if (piece.kind === PieceKind.Flush || piece.kind === PieceKind.Durable) return this.#flush(piece);
    if (piece.kind === PieceKind.Read) return this.#read(piece);
    return this.#write(piece);
  }

  granted(): void {
    throw new Error("the origin's chunks are never granted");
  }

  claimRefused(piece: Piece): void {
    this.#io.claim.giveBack(piece);
    this.look(piece);
  }

  deviceDone(piece: Piece): void {
    if (piece.claimed >= 0) return this.#kept(piece);
    if (piece.kind === PieceKind.Flush && piece.error === 0 && piece.file !== ORIGIN_FILE) {
      this.#io.sync(piece, ORIGIN_FILE);
      return;
    }
    this.#finish(piece, piece.error);
  }

  #read(piece: Piece): void {
    const context = this.#context;
    if (!context.enter(piece, context.originReadPass, ORIGIN_READ_GATE)) return;
    const merging = context.volume.merging();
    if (merging >= 0) this.#merging.read(piece, merging);
    else this.#io.read(piece, context.origin, piece.offset);
  }

  #write(piece: Piece): void {
    const context = this.#context;
    if (!context.enter(piece, context.originWritePass, ORIGIN_WRITE_GATE)) return;
    const merging = context.volume.merging();
    if (merging >= 0) return this.#merging.write(piece, merging);
    const { origin } = context;
    if (!settledEverywhere(context, piece.offset, piece.length)) return this.#keepOld(piece);
    const aligned = piece.kind === PieceKind.Trim || origin.isAligned(piece.offset, piece.length);
    if (!aligned && !piece.exclusive) return needExclusive(context, piece);
    this.#io.write(piece, origin, piece.offset, piece.request?.durable === true);
  }

  /**
   * Somewhere the old data is missing. In one snapshot, of one chunk, that has no exception: this worker puts it into a reserved
   * chunk and claims that; main commits, settles and releases as ever. Else main has it copied.
   */
  #keepOld(piece: Piece): void {
    const context = this.#context;
    const snapshot = soleUnsettled(context, piece);
    if (snapshot === null || piece.exclusive || !piece.mayClaim) return needOrigin(context, piece);
    context.leave(piece);
    // No message is taken between the look at the list and here: the snapshot is still the one that was listed.
    const entered = context.tryEnter(piece, snapshot.writePass, snapshot.writeGate);
    const open = entered && snapshot.words.state() === SnapshotState.Active;
    const newChunk = open ? this.#io.claim.take(piece, snapshot, true) : -1;
    if (newChunk < 0) return needOrigin(context, piece);
    this.#io.fill.keep(piece, snapshot, newChunk);
  }

  /** The old data is in the reserved chunk, or could not be put there. */
  #kept(piece: Piece): void {
    const { claim } = this.#io;
    if (piece.error === 0) return claim.send(piece, Message.ClaimOrigin);
    claim.failed(piece);
    needOrigin(this.#context, piece);
  }

  /**
   * A flush of the merging volume takes both devices: the COW device here, the origin when that is done. Inside the read gate, so
   * that the merge does not end, and the COW device does not go, before it is over (C-38).
   */
  #flush(piece: Piece): void {
    const context = this.#context;
    if (!context.enter(piece, context.originReadPass, ORIGIN_READ_GATE)) return;
    const merging = context.volume.merging();
    this.#io.sync(piece, merging >= 0 ? cowFile(merging) : ORIGIN_FILE);
  }
}
