/**
 * The reading side of a connection: bytes to requests.
 *
 * Small payloads arrive together with the headers around them in the inbox and are copied (natively) into their slot; the
 * rest of a long payload is received straight into its slot, with the inbox behind it in the same receive. A header that
 * finds no free slot or record stays unparsed: the connection is stalled, and no more is read from its socket than the inbox takes. The payload of
 * a write that is refused is taken through the inbox and thrown away.
 */
import { assert } from "../../src/base/assert.ts";
import { DIRECT_RECEIVE_BYTES, INBOX_BYTES } from "../../src/base/constants.ts";
import { Handshake } from "../../src/nbd/wire/handshake.ts";
import { newRequestFields } from "../../src/nbd/wire/request.ts";
import { judgeRequest, payloadBytes, Verdict } from "../../src/nbd/wire/validate.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { Message } from "../../src/ring/messages.ts";
import { Entered } from "../../src/ring/to-main.ts";
import { Admission } from "./admission.ts";
import type { Connection } from "./connection.ts";
import type { ExportContext } from "./context.ts";
import type { ExportLookup } from "../../src/nbd/wire/offered-export.ts";
import type { WorkerExport } from "./exports.ts";
import { requestOwner } from "./owned-slots.ts";
import { beginNextPart, hasMoreParts } from "./parts.ts";
import type { Request } from "./request.ts";
import { User } from "./user-words.ts";

/** What the reader hands on. */
export interface ReaderEvents {
  /** A request is whole (its payload has come), or carries the error that it is to be answered with. */
  request(request: Request): void;
  /** There is something to send, or to close. */
  changed(connection: Connection): void;
  /** It has sent its last byte; does it still read? */
  ask(connection: Connection): void;
}

export class ConnectionReader {
  readonly #context: ExportContext;
  readonly #events: ReaderEvents;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Uint32Array;
  readonly #fields = newRequestFields();
  /** Whose requests are being parsed: what ends at once goes on there. */
  #parsing: Connection | null = null;
  readonly #admission: Admission;
  readonly #resume: (connection: Connection) => void;

  constructor(context: ExportContext, arena: SharedArrayBuffer, events: ReaderEvents) {
    this.#context = context;
    this.#events = events;
    this.#admission = new Admission(context);
    this.#resume = (connection) => this.parse(connection);
    this.#bytes = new Uint8Array(arena);
    this.#view = new DataView(arena);
    this.#words = new Uint32Array(arena, 0, Math.floor(arena.byteLength / 4));
  }

  /** A new client: greet it. `exports`: what it may ask for. */
  start(connection: Connection, exports: ExportLookup<WorkerExport>): void {
    connection.handshake = new Handshake<WorkerExport>(exports);
    this.#events.changed(connection);
    this.receive(connection);
  }

  /** A receive has completed. */
  received(connection: Connection, result: number): void {
    assert(connection.receivePosted, "a receive ended that was not under way");
    connection.receivePosted = false;
    if (connection.ending) return this.end(connection);
    if (result > 0) {
      this.#account(connection, result);
      if (connection.stalled) this.receive(connection);
      else this.parse(connection);
      return;
    }
    if (result < 0) connection.broken = true;
    else this.#atEnd(connection);
    if (result < 0 || !connection.waits) this.end(connection);
  }

  /** It sends nothing more. It may still read; whether it does is asked where there is something for it. */
  #atEnd(connection: Connection): void {
    connection.atEnd = true;
    connection.askedAt = 0;
    if (connection.waits || connection.requests > 0) this.#events.ask(connection);
  }

  /** A cancel has been done. */
  cancelled(connection: Connection): void {
    assert(connection.cancels > 0, "a cancel ended that was not under way");
    connection.cancels -= 1;
    this.#events.changed(connection);
  }

  /** No more reading from this connection; a payload that is still coming never will. */
  end(connection: Connection): void {
    const { submissions } = this.#context;
    if (connection.receivePosted && !connection.ending) {
      connection.cancels += 1;
      submissions.push(IoOp.Cancel, 0, User.Cancel | connection.tag, 0, 0, 0, User.Receive | connection.tag);
    }
    connection.ending = true;
    const request = connection.receiving;
    if (request !== null && !connection.receivePosted && !connection.partUnderWay) this.#forgo(connection, request);
    this.#events.changed(connection);
  }

  /** The rest of its payload never comes. */
  #forgo(connection: Connection, request: Request): void {
    connection.receiving = null;
    connection.requests -= 1;
    assert(connection.requests >= 0, "more requests ended than began");
    this.#context.giveBack(request);
  }

  /** A part of a write is done, or has failed; there is more of it. */
  partDone(request: Request): void {
    const connection = this.#context.clientOf(request);
    // An heir's (departed.ts): its client has gone, and the rest of its payload with him.
    if (connection.id === -1) return this.#forgo(connection, request);
    assert(connection.partUnderWay && connection.receiving === request, "a part ended that was not under way");
    connection.partUnderWay = false;
    if (connection.ending) {
      // A receive that is still under way has the inbox only.
      this.#forgo(connection, request);
      this.#events.changed(connection);
      return;
    }
    if (request.error === 0) {
      beginNextPart(this.#context, request);
    } else {
      request.offset = request.end;
      request.end = request.last;
      this.#context.giveBackSlot(request);
    }
    connection.payload = request.end - request.offset;
    connection.received = 0;
    if (this.#parsing !== connection) this.parse(connection);
  }

  /** Somebody waits for slots or records that have come back since `resumeStalled`. */
  get canResume(): boolean {
    return this.#admission.canResume;
  }

  /** Slots or records have come back. */
  resumeStalled(): void {
    this.#admission.resume(this.#resume);
  }

  /** Its record is about to be free. */
  forget(connection: Connection): void {
    this.#admission.forget(connection);
  }

  /** Main's answer to Waiting. True: a client that moves its own data waits for others. */
  stillWaiting(limitMs: number): boolean {
    return this.#admission.stillWaiting(limitMs);
  }

  /** Turn what the inbox holds into requests, then ask for more. */
  parse(connection: Connection): void {
    if (connection.handshake !== null && !this.#negotiate(connection)) return this.receive(connection);
    const outer = this.#parsing;
    this.#parsing = connection;
    while (!connection.ending && this.#parseOne(connection));
    this.#parsing = outer;
    this.receive(connection);
  }

  /**
   * Post a receive, unless there is one or none is wanted. Also where parsing waits, as far as the inbox has room: that is how a client is
   * heard of that goes meanwhile.
   */
  receive(connection: Connection): void {
    if (connection.receivePosted || connection.ending) return;
    if (connection.atEnd) {
      if (!connection.waits) this.end(connection);
      return;
    }
    const { submissions } = this.#context;
    const user = User.Receive | connection.tag;
    this.#compact(connection);
    const request = connection.receiving;
    const intoSlot = request !== null && request.slot !== -1 && !connection.partUnderWay;
    const rest = intoSlot ? connection.payload - connection.received : 0;
    const room = INBOX_BYTES - connection.writtenTo;
    assert(rest >= 0 && room >= 0, "a receive of less than nothing");
    // Full of handshake options that wait until the answers before them have left; parsing then comes back here.
    if (room === 0) return;
    connection.directBytes = rest >= DIRECT_RECEIVE_BYTES ? rest : 0;
    if (intoSlot && connection.directBytes > 0) {
      const { slots } = this.#context;
      slots.assertHolds(request.slot, requestOwner(request.index), request.memory + connection.received, rest);
      const at = connection.receiveVector / 4;
      this.#words[at] = request.memory + connection.received;
      this.#words[at + 1] = rest;
      this.#words[at + 2] = connection.inbox + connection.writtenTo;
      this.#words[at + 3] = room;
      submissions.push(IoOp.ReceiveVector, connection.file, user, connection.receiveVector, 2, 0, 0);
    } else {
      submissions.push(IoOp.Receive, connection.file, user, connection.inbox + connection.writtenTo, room, 0, 0);
    }
    connection.receivePosted = true;
  }

  /** Where the received bytes went: the rest of a payload first, if it was in front. */
  #account(connection: Connection, count: number): void {
    const direct = Math.min(connection.directBytes, count);
    connection.received += direct;
    connection.writtenTo += count - direct;
    assert(connection.received <= connection.payload, "more of a payload than there is");
    assert(connection.writtenTo <= INBOX_BYTES, "more was received than the inbox takes");
  }

  /** Bytes that are not parsed move to the front: a piece of a header, as a rule. */
  #compact(connection: Connection): void {
    const left = connection.writtenTo - connection.readAt;
    if (left > 0) this.#context.ring.copy(connection.inbox, connection.inbox + connection.readAt, left);
    connection.readAt = 0;
    connection.writtenTo = left;
  }

  /** True: the handshake is over, and the client has entered an export. */
  #negotiate(connection: Connection): boolean {
    const handshake = connection.handshake as Handshake<WorkerExport>;
    const { inbox } = connection;
    const stop = handshake.feed(this.#bytes, inbox + connection.readAt, inbox + connection.writtenTo);
    connection.readAt = stop - inbox;
    this.#events.changed(connection);
    if (handshake.state === "closing") this.end(connection);
    if (handshake.state !== "transmission" || handshake.outputLength > 0) return false;
    const { chosen } = handshake;
    assert(chosen !== undefined, "a client entered no export");
    const { volume } = chosen.handler;
    connection.handshake = null;
    connection.dialect = handshake.dialect;
    // The volume was told to stop between the choice and here, and may have said already that it has no client.
    if (volume.stopping) {
      this.end(connection);
      return false;
    }
    connection.export = chosen;
    if (connection.volume === null) {
      connection.volume = volume;
      volume.clients += 1;
    }
    const { outbox } = this.#context;
    const at = outbox.begin(Message.Entered, volume.number, connection.id);
    Entered.snapshot.set(outbox.words, at, chosen.handler.index);
    return !connection.ending;
  }

  /** Parse one header or payload. False: more bytes, a slot or a record must come first. */
  #parseOne(connection: Connection): boolean {
    const available = connection.writtenTo - connection.readAt;
    if (connection.partUnderWay) return false;
    if (connection.receiving !== null) return this.#takePayload(connection, connection.receiving, available);
    return available >= connection.dialect.requestBytes && this.#parseHeader(connection);
  }

  #parseHeader(connection: Connection): boolean {
    const fields = this.#fields;
    const target = connection.export as WorkerExport;
    const { dialect } = connection;
    dialect.decode(this.#view, connection.inbox + connection.readAt, fields);
    const verdict = judgeRequest(fields, target.sizeBytes, target.readOnly, dialect);
    if (verdict === Verdict.Goodbye || verdict === Verdict.Disconnect) {
      connection.saidGoodbye = verdict === Verdict.Goodbye;
      this.end(connection);
      return false;
    }
    const request = this.#admission.admit(connection, target, verdict, fields);
    if (request === null) return false;
    connection.readAt += dialect.requestBytes;
    // Also of a write that is refused: it is answered behind its payload, for a client may not read before it has sent all of that.
    connection.payload = request.slot === -1 ? payloadBytes(fields) : request.end - request.offset;
    connection.received = 0;
    if (payloadBytes(fields) > 0) connection.receiving = request;
    else this.#events.request(request);
    return true;
  }

  /** Into the request's slot; that of a refused write, which has none, is thrown away. */
  #takePayload(connection: Connection, request: Request, available: number): boolean {
    const rest = connection.payload - connection.received;
    const count = Math.min(rest, available);
    if (count > 0) {
      if (request.slot !== -1) this.#copyPayload(connection, request, count);
      connection.readAt += count;
      connection.received += count;
    }
    assert(connection.readAt <= connection.writtenTo, "bytes were parsed that have not come");
    if (count < rest) return false;
    if (hasMoreParts(request)) connection.partUnderWay = true;
    else connection.receiving = null;
    this.#events.request(request);
    return true;
  }

  #copyPayload(connection: Connection, request: Request, count: number): void {
    const { slots, ring } = this.#context;
    const target = request.memory + connection.received;
    slots.assertHolds(request.slot, requestOwner(request.index), target, count);
    ring.copy(target, connection.inbox + connection.readAt, count);
  }
}
