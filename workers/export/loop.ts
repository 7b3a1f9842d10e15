/**
 * The loop of an export worker: sockets and devices in one ring, the table in shared memory, main only where a copy is needed.
 *
 *   client          export worker                                    main
 *     │ header ────▶ reader ─▶ request ─▶ pieces ─▶ handler.look       │
 *     │                                     │ no exception ── NEED ──▶ │
 *     │                                     │ ◀── RELEASED, GRANTED ── │
 *     │              device operation ◀─────┘                          │
 *     │ ◀── reply ── sender ◀─ completed request                       │
 *
 * One step: completions, messages from main, requests that waited for room, replies. It never blocks and allocates nothing per
 * request. It decides nothing about exceptions: that is main's.
 */
import { ChunkNeed } from "../../src/base/chunk-need.ts";
import { assert, AssertionFailure } from "../../src/base/assert.ts";
import { MAX_CONNECTIONS_PER_WORKER, STILL_READS_MS, TRANSFER_MS } from "../../src/base/constants.ts";
import { COMPLETION_WORDS } from "../../src/ring/io-descriptor.ts";
import { ExportCounter, exportRow, histogramAt, latencyBucket, WorkerCounter } from "../../src/ring/counters.ts";
import { FileKind } from "../../src/device/port.ts";
import { kindOf, tokenOf } from "../../src/ring/message-field.ts";
import { CloseCause, Message, StopHow } from "../../src/ring/messages.ts";
import type { RingConsumer } from "../../src/ring/spsc-ring.ts";
import type { Submissions } from "../../src/ring/submissions.ts";
import { ConnectionClosed } from "../../src/ring/to-main.ts";
import { Adopt, GateOpened, Granted, Released, Reserved, Stop } from "../../src/ring/to-workers.ts";
import type { WorkerLoop } from "../drive.ts";
import { refused, takeControl } from "../refused.ts";
import { sayStopped } from "../stopped.ts";
import { WakeUp } from "../wake-up.ts";
import type { Connection } from "./connection.ts";
import { ConnectionReader } from "./connection-reader.ts";
import type { ExportContext } from "./context.ts";
import { Departed } from "./departed.ts";
import type { Exports } from "./exports.ts";
import { FirstWrite } from "./first-write.ts";
import { hasMoreParts } from "./parts.ts";
import type { Piece } from "./piece.ts";
import { PieceIo } from "./piece-io.ts";
import { Pieces } from "./pieces.ts";
import { ReplySender } from "./reply-sender.ts";
import { Operation, type Request } from "./request.ts";
import { User, USER_INDEX_MASK } from "./user-words.ts";

export interface ExportLoopParts {
  readonly context: ExportContext;
  readonly inbox: RingConsumer;
  readonly arena: SharedArrayBuffer;
  readonly exports: Exports;
  readonly wakeAddress: number;
  readonly headers: number;
  /** Take one control message from main; called once per Control message, in order. */
  readonly control: () => void;
}

export class ExportLoop implements WorkerLoop {
  readonly submissions: Submissions;
  readonly counters: Float64Array;
  readonly pieceIo: PieceIo;
  readonly firstWrite: FirstWrite;
  readonly pieces: Pieces;
  readonly #context: ExportContext;
  readonly #inbox: RingConsumer;
  readonly #control: () => void;
  readonly #wakeUp: WakeUp;
  readonly #reader: ConnectionReader;
  readonly #sender: ReplySender;
  readonly #connections: readonly Connection[];
  readonly #departed: Departed;
  /** When those who wait, or are to end, were asked whether they are still there. */
  #askedAt = 0;
  readonly #settle: (connection: Connection) => void;
  readonly #ask: (connection: Connection) => void;
  #open = 0;
  #stopping = false;
  /** Main answers no more. */
  #abandoned = false;
  #saidStopped = false;
  /** Of the clients that were cut at the end: requests without an answer, or whose answer was not read, and clients that had some. */
  #requestsCut = 0;
  #clientsCut = 0;
  #ended = false;
  #backlog = false;

  constructor(parts: ExportLoopParts) {
    const { context, arena } = parts;
    this.#context = context;
    this.submissions = context.submissions;
    this.counters = context.counters;
    this.#inbox = parts.inbox;
    this.#control = parts.control;
    this.#wakeUp = new WakeUp(context.submissions, User.Wake, parts.wakeAddress);
    this.pieceIo = new PieceIo(context);
    this.firstWrite = new FirstWrite(context, this.pieceIo);
    this.pieces = new Pieces(context, this.pieceIo, this.firstWrite, (request) => this.#completed(request));
    this.#sender = new ReplySender(context, arena, parts.headers, {
      handshakeSent: (connection) => this.#reader.parse(connection),
      partSent: (request) => this.pieces.advance(request),
    });
    this.#reader = new ConnectionReader(context, arena, parts.exports, {
      request: (request) => this.pieces.execute(request),
      changed: (connection) => this.#sender.changed(connection),
      ask: (connection) => this.#sender.ask(connection),
    });
    this.#departed = new Departed(this.pieces, context.heirs);
    this.#connections = context.connections;
    this.#settle = (connection) => this.#maybeClose(connection);
    this.#ask = (connection) => this.#sender.ask(connection);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Pools and devices: for the tests. */
  get context(): ExportContext {
    return this.#context;
  }

  step(completions: number): void {
    this.#context.now = performance.now();
    const words = this.#context.ring.completions;
    for (let i = 0; i < completions; i++) {
      this.#complete(words[i * COMPLETION_WORDS], words[i * COMPLETION_WORDS + 1]);
    }
    this.#takeMessages();
    if (this.#open > 0 && this.#context.now - this.#askedAt >= STILL_READS_MS) this.#askAll();
    if (this.#abandoned) this.pieces.abandonWaiting();
    this.pieces.resumeLong(this.#ask);
    this.pieces.resumeStarved();
    this.#reader.resumeStalled();
    this.#sender.flush(this.#settle);
    this.#backlog = this.#context.outbox.flush() && !this.#abandoned;
    this.#wakeUp.arm();
    if (this.#stopping && this.#open === 0) this.#end();
  }

  prepareSleep(): boolean {
    this.#gauge();
    const canGoOn = this.pieces.canResume || this.#reader.canResume;
    return !this.#backlog && !canGoOn && this.#inbox.prepareSleep();
  }

  awake(): void {
    this.#inbox.awake();
  }

  #complete(user: number, result: number): void {
    const index = user & USER_INDEX_MASK;
    switch (user - index) {
      case User.Piece:
        return this.pieces.deviceCompleted(this.#piece(index), result);
      case User.Receive:
        return this.#reader.received(this.#tagged(index), result);
      case User.Cancel:
        return this.#reader.cancelled(this.#tagged(index));
      case User.Send:
        return this.#sender.sent(this.#tagged(index), result);
      case User.Ask:
        return this.#sender.answered(this.#tagged(index), result);
      case User.Wake:
        return this.#wakeUp.fired();
      case User.EdgeHead:
      case User.EdgeTail:
        return this.pieces.edgeCompleted(this.#piece(index), result);
      default:
        throw new AssertionFailure(`a completion of nobody: ${user}`);
    }
  }

  /** By its number: in a completion, or main's token. */
  #piece(index: number): Piece {
    const { all } = this.#context.pieces;
    assert(index >= 0 && index < all.length, "a piece that is none");
    return all[index];
  }

  #tagged(tag: number): Connection {
    const connection = this.#connections[tag % MAX_CONNECTIONS_PER_WORKER];
    assert(connection.tag === tag, "a completion for a connection that has ended");
    return connection;
  }

  /** Of whom nothing is received nobody hears that he has gone. */
  #askAll(): void {
    this.#askedAt = this.#context.now;
    for (const connection of this.#connections) {
      if (connection.id !== -1 && (connection.stalled || connection.ending)) this.#sender.ask(connection);
    }
  }

  #takeMessages(): void {
    const inbox = this.#inbox;
    const { words } = inbox;
    for (let at = inbox.peek(); at >= 0; at = inbox.peek()) {
      this.#message(words, at);
      inbox.advance();
    }
  }

  #message(words: Int32Array, at: number): void {
    const kind = kindOf(words, at);
    const token = tokenOf(words, at);
    if (this.#abandoned && isAnswer(kind)) return;
    switch (kind) {
      case Message.Released:
        return this.pieces.released(this.#piece(token), Released.error.get(words, at));
      case Message.Granted:
        return this.#granted(words, at);
      case Message.Reserved:
        return this.#reserved(words, at);
      case Message.GateOpened:
        return this.#gateOpened(GateOpened.gate.get(words, at));
      case Message.ExclusiveGranted:
        return this.pieces.exclusiveGranted(this.#piece(token));
      case Message.Adopt:
        return this.#adopt(token, Adopt.fd.get(words, at));
      case Message.Control:
        return takeControl(this.#context.outbox, words, at, this.#control);
      case Message.CutHandshake:
        return this.#cutHandshake(token);
      case Message.Relieve:
        return this.#relieve();
      case Message.Stop:
        return this.#stop(Stop.how.get(words, at));
      default:
        throw new AssertionFailure(`unknown message ${kind} from main`);
    }
  }

  #granted(words: Int32Array, at: number): void {
    const how = Granted.whole.get(words, at) ? ChunkNeed.Whole : ChunkNeed.Fill;
    this.pieces.granted(this.#piece(tokenOf(words, at)), Granted.newChunk.get(words, at), how);
  }

  /** Nothing where the snapshot has gone meanwhile. */
  #reserved(words: Int32Array, at: number): void {
    const snapshot = this.#context.snapshots[Reserved.snapshot.get(words, at)];
    const first = Reserved.newChunk.get(words, at);
    snapshot?.reserve?.add(first, Reserved.count.get(words, at), Reserved.epoch.get(words, at));
  }

  #gateOpened(gate: number): void {
    for (const piece of this.#context.unpark(gate)) this.pieces.gateOpened(piece);
  }

  #adopt(id: number, fd: number): void {
    const connection = this.#connections.find((c) => c.id === -1);
    if (connection === undefined || this.#stopping) {
      this.#tellClosed(id, CloseCause.NoRoom);
      return;
    }
    assert(id >= 0 && fd >= 0, "a client without a number or a socket");
    const error = refused(() => this.#context.ring.setFile(connection.file, fd, FileKind.Socket));
    if (error !== 0) {
      this.#tellClosed(id, CloseCause.Shortage);
      return;
    }
    connection.begin(id);
    this.#open += 1;
    this.counters[WorkerCounter.Connections] = this.#open;
    this.#reader.start(connection);
  }

  /** Close the connection once nothing of it is under way; of one that is broken, once nothing is that names its record. */
  #maybeClose(connection: Connection): void {
    if (connection.id === -1) return;
    if (connection.broken && !connection.ending) this.#reader.end(connection);
    if (!connection.ending || connection.isPosted) return;
    if (connection.broken) this.#departed.take(connection);
    const unsent = !connection.broken && (connection.handshake?.outputLength ?? 0) > 0;
    if (connection.requests > 0 || unsent) return;
    this.#reader.forget(connection);
    this.#context.ring.setFile(connection.file, -1, FileKind.Socket);
    this.#tellClosed(connection.id, connection.cause);
    connection.reset();
    this.#open -= 1;
    this.counters[WorkerCounter.Connections] = this.#open;
  }

  #tellClosed(id: number, cause: CloseCause): void {
    const { outbox } = this.#context;
    const at = outbox.begin(Message.ConnectionClosed, id);
    ConnectionClosed.cause.set(outbox.words, at, cause);
  }

  #cutHandshake(id: number): void {
    const connection = this.#connections.find((c) => c.id === id);
    if (connection === undefined || connection.handshake === null) return;
    this.#cut(connection, CloseCause.Handshake);
  }

  /** Memory that clients hold without moving their data goes to those who wait for it. */
  #relieve(): void {
    if (!this.#reader.stillWaiting(TRANSFER_MS)) return;
    const { now } = this.#context;
    for (const connection of this.#connections) {
      if (connection.isOverdue(now, TRANSFER_MS)) this.#cut(connection, CloseCause.Transfer);
    }
  }

  #cut(connection: Connection, cause: CloseCause): void {
    connection.cause = cause;
    connection.saidGoodbye = false;
    this.#reader.end(connection);
    this.#sender.cut(connection);
  }

  #stop(how: StopHow): void {
    this.#stopping = true;
    if (how === StopHow.Abandon) this.#abandoned = true;
    if (how !== StopHow.Drain) this.#departed.giveUp();
    for (const connection of this.#connections) {
      if (connection.id === -1) continue;
      // The volume has failed: what is under way is answered, nothing further begins.
      if (this.#abandoned) connection.abandoned = true;
      if (how !== StopHow.Cut) {
        this.#reader.end(connection);
        continue;
      }
      if (connection.requests > 0) this.#clientsCut += 1;
      this.#requestsCut += connection.requests;
      this.#cut(connection, CloseCause.Ended);
    }
  }

  /** The loop ends when main's ring has taken its last word; of an abandoned one main may take none. */
  #end(): void {
    // Those who have gone may have left some that are still done, or under way.
    if (this.#context.requests.used() > 0) return;
    if (!this.#saidStopped) sayStopped(this.#context.outbox, this.#requestsCut, this.#clientsCut);
    this.#saidStopped = true;
    this.#backlog = this.#context.outbox.flush() && !this.#abandoned;
    this.#ended = !this.#backlog;
  }

  #gauge(): void {
    const { counters, requests, pieces, slots } = this.#context;
    counters[WorkerCounter.Requests] = requests.used();
    counters[WorkerCounter.Pieces] = pieces.used();
    counters[WorkerCounter.Slots] = slots.used();
  }

  /** A request has ended, or a part of it. */
  #completed(request: Request): void {
    const more = hasMoreParts(request);
    if (more && request.operation === Operation.Write) return this.#reader.partDone(request);
    if (!more || request.error !== 0) this.#count(request);
    this.#sender.reply(request);
  }

  #count(request: Request): void {
    const { counters, now } = this.#context;
    const index = request.handler?.exportIndex ?? 0;
    if (index < 0) return;
    const row = exportRow(index);
    const bytes = request.last - request.first;
    counters[row + request.operation] += 1;
    if (request.error !== 0) counters[row + ExportCounter.Errors] += 1;
    else if (request.operation === Operation.Read) counters[row + ExportCounter.ReadBytes] += bytes;
    else if (request.operation === Operation.Write) counters[row + ExportCounter.WrittenBytes] += bytes;
    counters[histogramAt(index, request.operation) + latencyBucket(now - request.startedAt)] += 1;
  }
}

/** What main sends to a piece that waits for it. */
function isAnswer(kind: number): boolean {
  switch (kind) {
    case Message.Released:
    case Message.Granted:
    case Message.GateOpened:
    case Message.ExclusiveGranted:
      return true;
    default:
      return false;
  }
}
