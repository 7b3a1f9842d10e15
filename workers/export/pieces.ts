/**
 * From a request to its pieces and back: begins pieces at the cursor, lets them look and look again, and ends the request.
 *
 *   execute(request) ─▶ advance: take a piece, handler.look ─▶ … ─▶ finish(piece)
 *                          ▲                                          │ more bytes of this piece: look again
 *                          └────── cursor not at the end ─────────────┤
 *                                                                     ▼ nothing under way
 *                                            FUA on a snapshot: one last piece; then `completed`
 *
 * Pieces of a request begin in ascending order, requests in the order of arrival: that is the allocation order of the
 * exceptions that they cause. Zeroes and trims take turns (long-requests.ts).
 *
 * Nobody waits for a request whose connection is broken (the client has gone without a word, or was cut): it is given up. What is under
 * way ends as ever, and gives back what it holds; no further piece begins. Half a write is a legal end of a write that nobody has answered.
 */
import { LIVE_VOLUME } from "../../src/ring/messages.ts";
import type { ChunkNeed } from "../../src/base/chunk-need.ts";
import { assert } from "../../src/base/assert.ts";
import { MAX_PIECES_PER_REQUEST } from "../../src/base/constants.ts";
import { errno, isNoRoom } from "../../src/base/errno.ts";
import { alignDown, alignUp } from "../../src/base/units.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import type { Connection } from "./connection.ts";
import { type ExportContext, handlerOf } from "./context.ts";
import { type ExportShare, mayHave } from "./export-share.ts";
import { type FirstWrite, Outcome } from "./first-write.ts";
import { isLong, LongRequests } from "./long-requests.ts";
import { hasMoreParts } from "./parts.ts";
import { type Piece, PieceKind } from "./piece.ts";
import type { PieceIo } from "./piece-io.ts";
import { Operation, type Request } from "./request.ts";
import { isFilling, isReleasable, Stage, waitsForWord } from "./stage.ts";

const KIND_OF: readonly PieceKind[] = [
  PieceKind.Read,
  PieceKind.Write,
  PieceKind.Zero,
  PieceKind.Trim,
  PieceKind.Flush,
];

export class Pieces {
  readonly #context: ExportContext;
  readonly #io: PieceIo;
  readonly #firstWrite: FirstWrite;
  readonly #long = new LongRequests();
  readonly #completed: (request: Request) => void;
  /** The request whose pieces are being begun: their end does not begin further ones. */
  #advancing: Request | null = null;
  /** The starved have their turn: they do not queue behind themselves. */
  #resuming = false;

  constructor(context: ExportContext, io: PieceIo, firstWrite: FirstWrite, completed: (request: Request) => void) {
    this.#context = context;
    this.#io = io;
    this.#firstWrite = firstWrite;
    this.#completed = completed;
  }

  /** Start a request whose fields are filled and whose payload is in its slot. */
  execute(request: Request): void {
    assert(request.pieces === 0, "a request was begun twice");
    assert(request.error !== 0 || request.cursor === request.offset, "a request began in its middle");
    if (request.operation === Operation.Nothing) this.#completed(request);
    else if (request.operation === Operation.Flush) this.#flush(request);
    else this.advance(request);
  }

  /** Begin as many pieces as may be under way. */
  advance(request: Request): void {
    if (this.#advancing === request || request.starved || request.deferred) return;
    const outer = this.#advancing;
    this.#advancing = request;
    const client = this.#context.clientOf(request);
    if (this.#isGivenUp(request)) this.#giveUp(request);
    const long = isLong(request);
    const most = long ? Number.POSITIVE_INFINITY : MAX_PIECES_PER_REQUEST;
    while (request.cursor < request.end && request.error === 0 && request.pieces < most) {
      if (long && !this.#long.mayBegin(request, client)) break;
      const piece = this.#takePiece(request);
      if (piece === null) break;
      this.#begin(piece, request);
    }
    this.#advancing = outer;
    this.#maybeEnd(request);
  }

  /** Main's answer: the piece may look again, is done, or its wait has ended with an error. */
  released(piece: Piece, error: number): void {
    assert(isReleasable(piece.stage), "main released a piece that does not wait for it");
    assert(error >= 0, "errors are positive");
    assert(piece.announcement.isNowhere, "a piece waited at main inside of a gate");
    if (piece.fill.isUnderWay) return this.#goes(piece, this.#firstWrite.answered(piece, error), error);
    piece.moveTo(Stage.Handler);
    if (error !== 0) this.finish(piece, error);
    else this.#lookAgain(piece);
  }

  /** The gate at which it was parked has opened. */
  gateOpened(piece: Piece): void {
    assert(piece.stage === Stage.Gate, "a gate was opened to a piece that was not parked");
    piece.moveTo(Stage.Handler);
    this.#lookAgain(piece);
  }

  granted(piece: Piece, newChunk: number, how: ChunkNeed): void {
    this.#firstWrite.granted(piece, newChunk, how);
  }

  exclusiveGranted(piece: Piece): void {
    assert(piece.stage === Stage.Exclusive, "a write that did not ask to be alone is");
    piece.announcement.grantExclusive();
    piece.moveTo(Stage.Handler);
    this.#lookAgain(piece);
  }

  /** Where a first write's chunk leaves the piece (first-write.ts). */
  #goes(piece: Piece, outcome: Outcome, error: number): void {
    if (outcome === Outcome.Again) this.#lookAgain(piece);
    else if (outcome === Outcome.Done) this.finish(piece, error);
  }

  /** A piece that has waited goes on, if there is somebody to go on for. */
  #lookAgain(piece: Piece): void {
    const request = this.#context.requestOf(piece);
    // Where main has granted its claim the old data is kept, and the write that needed it is not done.
    if (this.#isGivenUp(request)) this.finish(piece, errno.ECANCELED);
    else handlerOf(request).look(piece);
  }

  /** Main answers no more about a volume: what waits for it there, or for a gate, fails. */
  abandonWaiting(volume: number): void {
    for (const piece of this.#context.pieces.all) {
      if (piece.volume !== volume || !waitsForWord(piece.stage)) continue;
      if (piece.fill.isUnderWay) this.#firstWrite.abandon(piece);
      else piece.moveTo(Stage.Handler);
      this.finish(piece, errno.EIO);
    }
  }

  /** A completion of the piece's device operation. */
  deviceCompleted(piece: Piece, result: number): void {
    if (isFilling(piece.stage)) {
      if (this.#firstWrite.completed(piece, result)) this.#goes(piece, this.#firstWrite.filled(piece), 0);
      return;
    }
    assert(piece.stage === Stage.Device, "a completion for a piece that has no operation under way");
    if (this.#io.completed(piece, result)) this.#deviceDone(piece);
  }

  edgeCompleted(piece: Piece, result: number): void {
    if (this.#io.edgeCompleted(piece, result)) this.#deviceDone(piece);
  }

  #deviceDone(piece: Piece): void {
    piece.moveTo(Stage.Handler);
    handlerOf(this.#context.requestOf(piece)).deviceDone(piece);
  }

  /** The piece's part is done, or has failed. */
  finish(piece: Piece, error: number): void {
    const context = this.#context;
    const request = context.requestOf(piece);
    assert(piece.stage === Stage.Handler, "a piece ended that is not in its handler's hands");
    assert(request.pieces > 0, "a piece of a request that has none");
    context.leave(piece);
    if (error === 0 && piece.offset + piece.length < piece.end) {
      if (!this.#isGivenUp(request)) return this.#goOn(piece, request);
      this.#giveUp(request);
    }
    // That there is no room is the word that helps; other parts of the request fail for that very reason, and may do so earlier.
    if (request.error === 0 || isNoRoom(error)) request.error = error;
    if (piece.longBytes > 0) this.#long.ended(piece, request, context.clientOf(request));
    piece.over();
    context.pieces.give(piece);
    const { share } = handlerOf(request);
    const client = context.clientOf(request);
    share.pieces -= 1;
    client.pieces -= 1;
    assert(share.pieces >= 0 && client.pieces >= 0, "more pieces ended than began");
    request.pieces -= 1;
    if (request.cursor < request.end && request.error === 0) this.advance(request);
    else this.#maybeEnd(request);
  }

  /**
   * A piece; null: there is none for it, or others of its client have waited longer. The request then stands in the list of the starved, once, and
   * goes on, or ends, only from there: a request that ended meanwhile would be a stale record in that list.
   */
  #takePiece(request: Request): Piece | null {
    const { pieces, starving } = this.#context;
    const { share } = handlerOf(request);
    const client = this.#context.clientOf(request);
    const hasTurn = client.starved.length === 0 || this.#resuming;
    const piece = hasTurn && this.#mayHavePiece(share, client) ? pieces.take() : null;
    if (piece !== null) {
      share.pieces += 1;
      client.pieces += 1;
      return piece;
    }
    request.starved = true;
    client.starved.push(request);
    if (!client.isStarving) starving.push(client);
    client.isStarving = true;
    return null;
  }

  #mayHavePiece(share: ExportShare, client: Connection): boolean {
    return mayHave(this.#context.pieces.free(), share.pieces, client.pieces);
  }

  #begin(piece: Piece, request: Request): void {
    const handler = handlerOf(request);
    const kind = KIND_OF[request.operation];
    const from = request.cursor;
    const stretch = handler.stretch(kind, from, request.end);
    assert(stretch > 0 && from + stretch <= request.end, "a piece of nothing, or beyond its request");
    piece.begin(request, kind, from, stretch, this.#memoryOf(request, from));
    request.pieces += 1;
    handler.look(piece);
    if (piece.isFree) {
      request.cursor = from + stretch;
      if (isLong(request)) this.#long.endedAtOnce();
    } else {
      piece.cutHere();
      request.cursor = piece.end;
      if (isLong(request)) this.#long.began(piece, request, this.#context.clientOf(request));
    }
  }

  #giveUp(request: Request): void {
    if (request.error === 0) request.error = errno.ECANCELED;
  }

  #flush(request: Request): void {
    if (!this.#isGivenUp(request)) return this.#beginLast(request, PieceKind.Flush);
    this.#giveUp(request);
    this.#completed(request);
  }

  /**
   * Arena address of the byte at `offset`. Zeroes carry data only in the pages that they cover in part: the first page of their
   * slot is for the head, the third for the tail, for the second may get what stands behind the head.
   */
  #memoryOf(request: Request, offset: number): number {
    if (request.memory === -1) return -1;
    if (request.operation !== Operation.Zero) return request.memory + (offset - request.offset);
    const before = request.offset % PAGE_BYTES;
    if (offset < alignUp(request.offset, PAGE_BYTES)) return request.memory + (offset - request.offset);
    if (offset < alignDown(request.end, PAGE_BYTES)) return -1;
    return request.memory - before + 2 * PAGE_BYTES + (offset % PAGE_BYTES);
  }

  #goOn(piece: Piece, request: Request): void {
    piece.goOn();
    handlerOf(request).look(piece);
  }

  #maybeEnd(request: Request): void {
    if (this.#advancing === request || request.pieces > 0 || request.starved || request.deferred) return;
    // Where there is more of it, what is under way carries it on, or a list in which it waits.
    assert(request.cursor >= request.end || request.error !== 0, "a request ended before its bytes");
    if (request.error === 0 && request.durable && !request.finishing && !hasMoreParts(request)) {
      const kind = this.#lastStep(request);
      // Whoever still hears of it must not hear that it is durable.
      if (kind !== null && this.#isGivenUp(request)) this.#giveUp(request);
      else if (kind !== null) return this.#beginLast(request, kind);
    }
    this.#completed(request);
  }

  /** What FUA asks for after the data operations, which carried RWF_DSYNC where they wrote. */
  #lastStep(request: Request): PieceKind | null {
    const snapshot = handlerOf(request).index !== LIVE_VOLUME;
    if (request.operation === Operation.Trim) return PieceKind.Flush;
    if (request.operation === Operation.Write || request.operation === Operation.Zero) {
      return snapshot ? PieceKind.Durable : null;
    }
    return null;
  }

  /** A piece without bytes: a flush, or the last step of FUA. */
  #beginLast(request: Request, kind: PieceKind): void {
    const piece = this.#takePiece(request);
    if (piece === null) return;
    request.finishing = true;
    request.pieces += 1;
    piece.begin(request, kind, 0, 0, -1);
    handlerOf(request).look(piece);
  }

  /** All requests of a connection, with what they have under way and what they hold, are another's from here on. */
  handOver(from: Connection, to: Connection): void {
    for (const request of this.#context.requests.all) {
      if (request.connection !== from.index) continue;
      request.connection = to.index;
      from.requests -= 1;
      to.requests += 1;
      if (request.slot === -1) continue;
      from.heldBytes -= request.slotBytes;
      to.heldBytes += request.slotBytes;
    }
    assert(from.requests === 0 && from.heldBytes === 0, "requests of a client who has gone were left behind");
    to.pieces += from.pieces;
    from.pieces = 0;
    for (let k = 0; k < from.slots.length; k++) to.slots[k] += from.slots[k];
    from.slots.fill(0);
    this.#handOverStarved(from, to);
    this.#long.handOver(from, to);
  }

  #handOverStarved(from: Connection, to: Connection): void {
    if (!from.isStarving) return;
    const { starving } = this.#context;
    for (const request of from.starved) to.starved.push(request);
    from.starved.length = 0;
    from.isStarving = false;
    starving.splice(starving.indexOf(from), 1);
    if (!to.isStarving) starving.push(to);
    to.isStarving = true;
  }

  /** Pieces have come back: let the requests that found none go on. */
  resumeStarved(): void {
    const { starving } = this.#context;
    this.#resuming = true;
    for (let n = starving.length; n > 0; n--) {
      const client = starving.shift() as Connection;
      while (this.#canResume(client)) {
        const request = client.starved.shift() as Request;
        request.starved = false;
        if (request.operation === Operation.Flush) this.#flush(request);
        else this.advance(request);
      }
      client.isStarving = client.starved.length > 0;
      if (client.isStarving) starving.push(client);
    }
    this.#resuming = false;
  }

  #canResume(client: Connection): boolean {
    const { starved } = client;
    return starved.length > 0 && (client.givesUp || this.#mayHavePiece(handlerOf(starved[0]).share, client));
  }

  /** Zeroes and trims that waited for their turn go on. */
  resumeLong(): void {
    this.#long.resume((request) => this.advance(request));
  }

  /** Somebody waits who could go on without a completion. */
  get canResume(): boolean {
    // Where nobody may have a piece, pieces are under way: one that ends wakes this worker.
    for (const client of this.#context.starving) if (this.#canResume(client)) return true;
    return this.#long.canResume;
  }

  /** Its client has gone, or was cut, or its volume is: nobody waits for it. Or main has ended: it cannot be done as it must. */
  #isGivenUp(request: Request): boolean {
    return this.#context.clientOf(request).givesUp || request.volume.givesUp;
  }
}
