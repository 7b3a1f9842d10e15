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
import { MAX_CONNECTIONS_PER_WORKER } from "../../src/base/constants.ts";
import { COMPLETION_WORDS } from "../../src/ring/io-descriptor.ts";
import { ExportCounter, histogramAt, latencyBucket, WorkerCounter } from "../../src/ring/counters.ts";
import { kindOf, tokenOf, volumeOf } from "../../src/ring/message-field.ts";
import { Message, StopHow } from "../../src/ring/messages.ts";
import type { RingConsumer } from "../../src/ring/spsc-ring.ts";
import type { Submissions } from "../../src/ring/submissions.ts";
import { Adopt, GateOpened, Granted, Released, Reserved, Stop, StopVolume } from "../../src/ring/to-workers.ts";
import type { WorkerLoop } from "../drive.ts";
import { takeControl } from "../refused.ts";
import { sayStopped } from "../stopped.ts";
import { WakeUp } from "../wake-up.ts";
import type { Connection } from "./connection.ts";
import { ConnectionReader } from "./connection-reader.ts";
import { type ExportContext, handlerOf } from "./context.ts";
import { ALL_VOLUMES, Clients } from "./clients.ts";
import { Departed } from "./departed.ts";
import type { AllExports, Exports } from "./exports.ts";
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
  /** What clients may ask for at an address of one volume, by its number, and at one of the engine. */
  readonly exports: readonly (Exports | undefined)[];
  readonly allExports: AllExports;
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
  readonly #clients: Clients;
  readonly #settle: (connection: Connection) => void;
  /** Main answers no more. */
  #abandoned = false;
  #saidStopped = false;
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
    this.#reader = new ConnectionReader(context, arena, {
      request: (request) => this.pieces.execute(request),
      changed: (connection) => this.#sender.changed(connection),
      ask: (connection) => this.#sender.ask(connection),
    });
    const { exports, allExports } = parts;
    this.#clients = new Clients({
      context,
      reader: this.#reader,
      sender: this.#sender,
      departed: new Departed(this.pieces, context.heirs),
      exports,
      allExports,
    });
    this.#connections = context.connections;
    this.#settle = (connection) => this.#clients.settle(connection);
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
    this.#clients.askAll();
    for (const volume of this.#clients.stoppingVolumes) {
      if (volume.abandoned) this.pieces.abandonWaiting(volume.number);
    }
    this.pieces.resumeLong();
    this.pieces.resumeStarved();
    this.#reader.resumeStalled();
    this.#sender.flush(this.#settle);
    this.#clients.sayVolumesStopped();
    this.#backlog = this.#context.outbox.flush() && !this.#abandoned;
    this.#wakeUp.arm();
    if (this.#clients.isOver) this.#end();
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
        return this.#deviceCompleted(this.#piece(index), result);
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

  #deviceCompleted(piece: Piece, result: number): void {
    handlerOf(this.#context.requestOf(piece)).counters[ExportCounter.Operations] += 1;
    this.pieces.deviceCompleted(piece, result);
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
    if (isAnswer(kind) && this.#context.volumes[volumeOf(words, at)]?.abandoned !== false) return;
    switch (kind) {
      case Message.Released:
        return this.pieces.released(this.#piece(token), Released.error.get(words, at));
      case Message.Granted:
        return this.#granted(words, at);
      case Message.Reserved:
        return this.#reserved(words, at);
      case Message.GateOpened:
        return this.#gateOpened(volumeOf(words, at), GateOpened.gate.get(words, at));
      case Message.ExclusiveGranted:
        return this.pieces.exclusiveGranted(this.#piece(token));
      case Message.Adopt:
        return this.#adopt(words, at);
      case Message.Control:
        return takeControl(this.#context.outbox, words, at, this.#control);
      case Message.CutHandshake:
        return this.#clients.cutHandshake(token);
      case Message.Relieve:
        return this.#clients.relieve();
      case Message.StopVolume:
        return this.#clients.stopVolume(this.#context.volume(volumeOf(words, at)), StopVolume.how.get(words, at));
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

  /** Nothing where the snapshot, or its volume, has gone meanwhile. */
  #reserved(words: Int32Array, at: number): void {
    const snapshot = this.#context.volumes[volumeOf(words, at)]?.snapshots[Reserved.snapshot.get(words, at)];
    const first = Reserved.newChunk.get(words, at);
    snapshot?.reserve?.add(first, Reserved.count.get(words, at), Reserved.epoch.get(words, at));
  }

  #gateOpened(volume: number, gate: number): void {
    for (const piece of this.#context.volume(volume).unpark(gate)) this.pieces.gateOpened(piece);
  }

  #adopt(words: Int32Array, at: number): void {
    const volume = Adopt.all.get(words, at) ? ALL_VOLUMES : volumeOf(words, at);
    this.#clients.adopt(tokenOf(words, at), Adopt.fd.get(words, at), volume);
  }

  #stop(how: StopHow): void {
    if (how === StopHow.Abandon) this.#abandoned = true;
    this.#clients.stop(how);
  }

  /** The loop ends when main's ring has taken its last word; of an abandoned one main may take none. */
  #end(): void {
    // Those who have gone may have left some that are still done, or under way.
    if (this.#context.requests.used() > 0) return;
    if (!this.#saidStopped) sayStopped(this.#context.outbox);
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
    const { counters } = handlerOf(request);
    const { now } = this.#context;
    const bytes = request.last - request.first;
    counters[request.operation] += 1;
    if (request.error !== 0) counters[ExportCounter.Errors] += 1;
    else if (request.operation === Operation.Read) counters[ExportCounter.ReadBytes] += bytes;
    else if (request.operation === Operation.Write) counters[ExportCounter.WrittenBytes] += bytes;
    counters[histogramAt(request.operation) + latencyBucket(now - request.startedAt)] += 1;
  }
}

/** What main sends to a piece that waits for it. */
function isAnswer(kind: number): boolean {
  return (
    kind === Message.Released ||
    kind === Message.Granted ||
    kind === Message.GateOpened ||
    kind === Message.ExclusiveGranted
  );
}
