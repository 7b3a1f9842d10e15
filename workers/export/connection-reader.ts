/**
 * The reading side of a connection: bytes to requests.
 *
 * Small payloads arrive together with the headers around them in the inbox and are copied (natively) into their slot; the
 * rest of a long payload is received straight into its slot, with the inbox behind it in the same receive. A header that
 * finds no free slot or record stays unparsed: the connection is stalled, and no more is read from its socket than the inbox takes. The payload of
 * a write that is refused is taken through the inbox and thrown away.
 */
import {
  DIRECT_RECEIVE_BYTES,
  INBOX_BYTES,
  MAX_HELD_BYTES_PER_CONNECTION,
  MAX_REQUESTS_PER_CONNECTION,
} from "../../src/base/constants.ts";
import { Handshake } from "../../src/nbd/wire/handshake.ts";
import { Command, CommandFlag, REQUEST_BYTES } from "../../src/nbd/wire/protocol.ts";
import { decodeRequest, newRequestFields } from "../../src/nbd/wire/request.ts";
import { judgeRequest, payloadBytes, Verdict } from "../../src/nbd/wire/validate.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { Message } from "../../src/ring/messages.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import type { Connection } from "./connection.ts";
import { type ExportContext, User } from "./context.ts";
import type { Exports, WorkerExport } from "./exports.ts";
import { beginNextPart, hasMoreParts, partBytes, slotBytesFor } from "./parts.ts";
import { Operation, type Request } from "./request.ts";
import { WaitingLine } from "./waiting-line.ts";

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
  readonly #exports: Exports;
  readonly #events: ReaderEvents;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Uint32Array;
  readonly #fields = newRequestFields();
  /** Whose requests are being parsed: what ends at once goes on there. */
  #parsing: Connection | null = null;
  readonly #line: WaitingLine;
  readonly #resume: (connection: Connection) => void;
  /** Size class of the slot that the header which was just parsed found none of; -1: that was not why it waits. */
  #wanted = -1;
  /** Main has been told that somebody waits for what others hold, and has not answered yet. */
  #waitingTold = false;

  constructor(context: ExportContext, arena: SharedArrayBuffer, exports: Exports, events: ReaderEvents) {
    this.#context = context;
    this.#exports = exports;
    this.#events = events;
    this.#line = new WaitingLine(context.slots.sizeClasses);
    this.#resume = (connection) => {
      if (!connection.ending) this.parse(connection);
    };
    this.#bytes = new Uint8Array(arena);
    this.#view = new DataView(arena);
    this.#words = new Uint32Array(arena, 0, Math.floor(arena.byteLength / 4));
  }

  /** A new client: greet it. */
  start(connection: Connection): void {
    connection.handshake = new Handshake<WorkerExport>(this.#exports);
    this.#events.changed(connection);
    this.receive(connection);
  }

  /** A receive has completed. */
  received(connection: Connection, result: number): void {
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
    this.#context.giveBack(request);
  }

  /** A part of a write is done, or has failed; there is more of it. */
  partDone(request: Request): void {
    const connection = request.connection as Connection;
    connection.partUnderWay = false;
    if (connection.ending) {
      if (!connection.receivePosted) this.#forgo(connection, request);
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
    return this.#line.length > 0 && this.#context.returned;
  }

  /** Slots or records have come back. */
  resumeStalled(): void {
    if (!this.canResume) return;
    this.#context.returned = false;
    this.#line.resume(this.#resume);
  }

  /** Its record is about to be free: it waits for nothing any more, and who stood back for it may go on. */
  forget(connection: Connection): void {
    if (!connection.stalled) return;
    this.#line.remove(connection);
    this.#context.returned = true;
  }

  /**
   * Main's answer to Waiting. True: a client that moves its own data waits for others. Where it waits on, main will be told again.
   */
  stillWaiting(limitMs: number): boolean {
    this.#waitingTold = false;
    const { now, outbox } = this.#context;
    if (!this.#line.some((c) => c.waitsForOthers && !c.ending && !c.isOverdue(now, limitMs))) return false;
    this.#waitingTold = true;
    outbox.send(Message.Waiting, 0);
    return true;
  }

  /** Turn what the inbox holds into requests, then ask for more. */
  parse(connection: Connection): void {
    if (connection.handshake !== null && !this.#negotiate(connection)) return this.receive(connection);
    const outer = this.#parsing;
    this.#parsing = connection;
    while (!connection.ending && this.#parseOne(connection));
    this.#parsing = outer;
    if (!connection.ending) this.receive(connection);
    else this.#events.changed(connection);
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
    // Full of handshake options that wait until the answers before them have left; parsing then comes back here.
    if (room === 0) return;
    connection.directBytes = rest >= DIRECT_RECEIVE_BYTES ? rest : 0;
    if (intoSlot && connection.directBytes > 0) {
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
  }

  /** Bytes that are not parsed move to the front: a piece of a header, as a rule. */
  #compact(connection: Connection): void {
    const left = connection.writtenTo - connection.readAt;
    if (left > 0 && connection.readAt > 0) {
      this.#context.ring.copy(connection.inbox, connection.inbox + connection.readAt, left);
    }
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
    connection.export = handshake.chosen ?? null;
    connection.handshake = null;
    this.#context.outbox.send(Message.Entered, connection.id);
    return true;
  }

  /** Parse one header or payload. False: more bytes, a slot or a record must come first. */
  #parseOne(connection: Connection): boolean {
    const available = connection.writtenTo - connection.readAt;
    if (connection.partUnderWay) return false;
    if (connection.receiving !== null) return this.#takePayload(connection, connection.receiving, available);
    return available >= REQUEST_BYTES && this.#parseHeader(connection);
  }

  #parseHeader(connection: Connection): boolean {
    const fields = this.#fields;
    const target = connection.export as WorkerExport;
    decodeRequest(this.#view, connection.inbox + connection.readAt, fields);
    const verdict = judgeRequest(fields, target.sizeBytes, target.readOnly);
    if (verdict === Verdict.Goodbye || verdict === Verdict.Disconnect) {
      connection.saidGoodbye = verdict === Verdict.Goodbye;
      this.end(connection);
      return false;
    }
    const request = this.#newRequest(connection, target, verdict);
    if (request === null) {
      this.#line.add(connection, this.#wanted);
      return false;
    }
    connection.readAt += REQUEST_BYTES;
    connection.requests += 1;
    // Also of a write that is refused: it is answered behind its payload, for a client may not read before it has sent all of that.
    connection.payload = request.slot === -1 ? payloadBytes(fields) : request.end - request.offset;
    connection.received = 0;
    if (payloadBytes(fields) > 0) connection.receiving = request;
    else this.#events.request(request);
    return true;
  }

  /** A record for the decoded header, with a slot if it needs one; null: there is none now. */
  #newRequest(connection: Connection, target: WorkerExport, verdict: number): Request | null {
    const fields = this.#fields;
    const { requests, slots } = this.#context;
    this.#wanted = -1;
    if (connection.requests >= MAX_REQUESTS_PER_CONNECTION) return null;
    const request = requests.take();
    if (request === null) return this.#waitsForOthers(connection);
    const execute = verdict === Verdict.Execute;
    const operation = execute ? operationOf(fields.type) : Operation.Nothing;
    const unalignedZero =
      operation === Operation.Zero && (fields.offset % PAGE_BYTES !== 0 || fields.length % PAGE_BYTES !== 0);
    const part = partBytes(fields.offset, fields.length);
    const slotBytes =
      operation === Operation.Read || operation === Operation.Write
        ? slotBytesFor(fields.length)
        : unalignedZero
          ? PAGE_BYTES
          : 0;
    request.slot = slotBytes > 0 ? this.#takeSlot(connection, slotBytes) : -1;
    if (slotBytes > 0 && request.slot === -1) {
      requests.give(request);
      return null;
    }
    request.memory = request.slot === -1 ? -1 : slots.address(request.slot) + (fields.offset % PAGE_BYTES);
    if (request.slot !== -1) connection.heldBytes += slotBytes;
    request.slotBytes = slotBytes;
    if (unalignedZero) this.#context.ring.zero(slots.address(request.slot), 3 * PAGE_BYTES);
    request.connection = connection;
    request.handler = target.handler;
    request.operation = operation;
    request.durable = (fields.flags & CommandFlag.Fua) !== 0;
    request.noHole = (fields.flags & CommandFlag.NoHole) !== 0;
    request.cookieLow = fields.cookieLow;
    request.cookieHigh = fields.cookieHigh;
    request.offset = fields.offset;
    request.cursor = fields.offset;
    request.first = fields.offset;
    request.last = fields.offset + fields.length;
    request.end = operation === Operation.Read || operation === Operation.Write ? fields.offset + part : request.last;
    request.pieces = 0;
    request.error = execute ? 0 : verdict;
    request.finishing = false;
    request.startedAt = this.#context.now;
    return request;
  }

  /** A slot, or -1: there is none, the connection has as much as it may, or somebody who has none waits for one. */
  #takeSlot(connection: Connection, bytes: number): number {
    const { slots } = this.#context;
    const { heldBytes } = connection;
    const first = heldBytes === 0;
    if (!first && heldBytes + bytes > MAX_HELD_BYTES_PER_CONNECTION) return -1;
    if (!first && this.#line.length > 0 && this.#line.isFor(connection, slots.sizeClass(bytes))) return -1;
    // The next larger ones are for those who have nothing.
    const slot = slots.take(bytes, first);
    if (slot !== -1) return slot;
    this.#wanted = slots.sizeClass(bytes);
    this.#waitsForOthers(connection);
    return -1;
  }

  /** What the connection needs is held by others, or lies in replies that nobody reads. */
  #waitsForOthers(connection: Connection): null {
    connection.waitsForOthers = true;
    if (this.#waitingTold) return null;
    this.#waitingTold = true;
    this.#context.outbox.send(Message.Waiting, 0);
    return null;
  }

  /** Into the request's slot; that of a refused write, which has none, is thrown away. */
  #takePayload(connection: Connection, request: Request, available: number): boolean {
    const rest = connection.payload - connection.received;
    const count = Math.min(rest, available);
    if (count > 0) {
      const target = request.memory + connection.received;
      if (request.slot !== -1) this.#context.ring.copy(target, connection.inbox + connection.readAt, count);
      connection.readAt += count;
      connection.received += count;
    }
    if (count < rest) return false;
    if (hasMoreParts(request)) connection.partUnderWay = true;
    else connection.receiving = null;
    this.#events.request(request);
    return true;
  }
}

/** Of a command that judgeRequest executes. CACHE asks for nothing that a reply does not give. */
function operationOf(command: number): Operation {
  switch (command) {
    case Command.Read:
      return Operation.Read;
    case Command.Write:
      return Operation.Write;
    case Command.WriteZeroes:
      return Operation.Zero;
    case Command.Trim:
      return Operation.Trim;
    case Command.Flush:
      return Operation.Flush;
    case Command.Cache:
      return Operation.Nothing;
    default:
      throw new Error(`command ${command} is judged, but nobody does it`);
  }
}
