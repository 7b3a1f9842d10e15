/**
 * The sending side of connections: all replies of a turn to one connection leave in one send, as far as they are not longer than
 * MAX_SEND_BYTES: what is longer leaves in several, one after the other, so that one can see whether the client reads.
 *
 *   completed requests ─▶ connection.reply list ─(end of turn)─▶ vector of (header + payload) ─▶ one Send or SendVector
 *
 * A read's header stands just before its payload, so a read reply is one range of memory; every other reply has a place in the
 * table of headers, by the request's number. How they look is the connection's dialect's. A request's slot and record come back when its reply has left.
 */
import { assert } from "../../src/base/assert.ts";
import {
  MAX_REPLIES_PER_SEND,
  MAX_SEND_BYTES,
  MAX_SEND_REST_BYTES,
  REPLY_BYTES_MAX,
  STILL_READS_MS,
} from "../../src/base/constants.ts";
import type { Dialect } from "../../src/nbd/wire/dialect.ts";
import type { Handshake } from "../../src/nbd/wire/handshake.ts";
import { OUTPUT_BYTES } from "../../src/ring/export-arena.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import type { Connection } from "./connection.ts";
import type { ExportContext } from "./context.ts";
import type { WorkerExport } from "./exports.ts";
import { beginNextPart, hasMoreParts, isLaterPart } from "./parts.ts";
import { Operation, type Request } from "./request.ts";
import { User } from "./user-words.ts";

/** What the sender hands on. */
export interface SenderEvents {
  /** Output of a handshake has left. */
  handshakeSent(connection: Connection): void;
  /** A part of a read's payload has left, and the request stands at the next one. */
  partSent(request: Request): void;
}

export class ReplySender {
  readonly #context: ExportContext;
  readonly #headers: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Uint32Array;
  readonly #events: SenderEvents;
  readonly #dirty: Connection[] = [];

  /** `headers`: arena address of REPLY_BYTES_MAX for each request record. */
  constructor(context: ExportContext, arena: SharedArrayBuffer, headers: number, events: SenderEvents) {
    this.#context = context;
    this.#headers = headers;
    this.#bytes = new Uint8Array(arena);
    this.#view = new DataView(arena);
    this.#words = new Uint32Array(arena, 0, Math.floor(arena.byteLength / 4));
    this.#events = events;
  }

  /** Queue the reply of a request that has ended. */
  reply(request: Request): void {
    const connection = this.#context.clientOf(request);
    assert(request.pieces === 0, "a reply before its request's pieces");
    if (connection.streaming === request) return this.#replyPart(connection, request);
    this.#encode(connection.dialect, request);
    request.next = null;
    if (connection.replyLast === null) connection.replyFirst = request;
    else connection.replyLast.next = request;
    connection.replyLast = request;
    this.changed(connection);
  }

  /**
   * The next part goes in front of whatever waits. One that could not be read is an error in a chunk of its own; where there are none it ends the stream, for the
   * reply has said that all is well.
   */
  #replyPart(connection: Connection, request: Request): void {
    if (request.error !== 0 && !request.hasChunks) connection.broken = true;
    this.#encode(connection.dialect, request);
    request.next = connection.replyFirst;
    connection.replyFirst = request;
    connection.replyLast ??= request;
    this.changed(connection);
  }

  /** The connection has something to send or to drop. */
  changed(connection: Connection): void {
    if (connection.dirty) return;
    connection.dirty = true;
    this.#dirty.push(connection);
  }

  /** End of a turn: one send for every connection that has something and no send under way. Calls `settled` for each that was looked at. */
  flush(settled: (connection: Connection) => void): void {
    for (let i = 0; i < this.#dirty.length; i++) {
      const connection = this.#dirty[i];
      connection.dirty = false;
      // What is in a send under way stays where it is: the kernel may still read it.
      if (!connection.sendPosted) {
        if (connection.broken) this.#drop(connection);
        else this.#send(connection);
      }
      settled(connection);
    }
    this.#dirty.length = 0;
  }

  /** A send has completed: its requests are over. */
  sent(connection: Connection, result: number): void {
    assert(connection.sendPosted, "a send ended that was not under way");
    assert(result <= connection.sentBytes, "more was sent than there was");
    connection.sendPosted = false;
    if (result !== connection.sentBytes) connection.broken = true;
    else if (connection.handshake === null) connection.hasRead = true;
    this.#release(connection, connection.sentFirst);
    connection.sentFirst = null;
    this.changed(connection);
    if (connection.handshake !== null && !connection.broken) this.#events.handshakeSent(connection);
  }

  /**
   * Ask, now and then, whether the client is still there, by sending nothing: that fails with EPIPE where nobody can read any more. A
   * receive does not tell: it says the same of a client that has closed and of one that has only said its last request. Over TCP they
   * are told apart when the first reply is refused, or when keep-alive probes are.
   */
  ask(connection: Connection): void {
    const { now, submissions } = this.#context;
    // A receive or a send under way tells it without being asked.
    if (connection.receivePosted || connection.sendPosted || connection.askPosted || connection.broken) return;
    if (now - connection.askedAt < STILL_READS_MS) return;
    connection.askPosted = true;
    connection.askedAt = now;
    submissions.push(IoOp.Send, connection.file, User.Ask | connection.tag, connection.output, 0, 0, 0);
  }

  answered(connection: Connection, result: number): void {
    assert(connection.askPosted, "an answer to nothing");
    connection.askPosted = false;
    if (result < 0) connection.broken = true;
    this.changed(connection);
  }

  /** Send nothing more to this client, and do not wait for what it has not read. */
  cut(connection: Connection): void {
    connection.broken = true;
    this.changed(connection);
    if (!connection.sendPosted) return;
    connection.cancels += 1;
    const { submissions } = this.#context;
    submissions.push(IoOp.Cancel, 0, User.Cancel | connection.tag, 0, 0, 0, User.Send | connection.tag);
  }

  #encode(dialect: Dialect, request: Request): void {
    if (!isData(request)) {
      request.replyBytes = dialect.encodeEnd(
        this.#view,
        this.#placeOf(request),
        request,
        request.error,
        request.isRead,
      );
    } else if (hasHeader(request)) {
      const end = request.hasChunks ? request.end : request.last;
      dialect.encodeData(this.#view, request.memory - dialect.dataHeaderBytes, request, end);
    }
  }

  #placeOf(request: Request): number {
    return this.#headers + request.index * REPLY_BYTES_MAX;
  }

  #addressOf(dialect: Dialect, request: Request): number {
    if (!isData(request)) return this.#placeOf(request);
    return hasHeader(request) ? request.memory - dialect.dataHeaderBytes : request.memory;
  }

  #send(connection: Connection): void {
    const { handshake } = connection;
    if (handshake !== null && handshake.outputLength > 0) return this.#sendHandshake(connection, handshake);
    let request = connection.replyFirst;
    if (request === null || (connection.streaming !== null && connection.streaming !== request)) return;
    const { dialect } = connection;
    const vector = connection.sendVector / 4;
    let count = 0;
    let bytes = 0;
    let last: Request | null = null;
    // The vector has room for the replies of as many requests as a connection may have.
    while (request !== null && bytes < MAX_SEND_BYTES) {
      const from: number = connection.replyAt;
      const left: number = lengthOf(dialect, request) - from;
      const room: number = MAX_SEND_BYTES - bytes;
      const length: number = left <= room + MAX_SEND_REST_BYTES ? left : room;
      this.#words[vector + 2 * count] = this.#addressOf(dialect, request) + from;
      this.#words[vector + 2 * count + 1] = length;
      count += 1;
      bytes += length;
      assert(length > 0, "a reply that has left is sent again");
      connection.replyAt = length < left ? from + length : 0;
      // It stays the first until its last byte has left.
      if (length < left) break;
      last = request;
      request = request.next;
      connection.streaming = hasMoreParts(last) && isData(last) ? last : null;
      if (connection.streaming !== null) break;
    }
    connection.sentFirst = last === null ? null : connection.replyFirst;
    connection.replyFirst = request;
    if (request === null) connection.replyLast = null;
    if (last !== null) last.next = null;
    this.#post(connection, count, bytes);
  }

  #post(connection: Connection, count: number, bytes: number): void {
    const { submissions } = this.#context;
    const user = User.Send | connection.tag;
    assert(!connection.sendPosted, "two sends of one client would mix");
    assert(count > 0 && count <= MAX_REPLIES_PER_SEND, "a send of nothing, or of too much");
    assert(bytes > 0 && bytes <= MAX_SEND_BYTES + MAX_SEND_REST_BYTES, "a send without bytes, or with too many");
    connection.sendPosted = true;
    connection.sendAt = this.#context.now;
    connection.sentBytes = bytes;
    if (count === 1) {
      const address = this.#words[connection.sendVector / 4];
      submissions.push(IoOp.Send, connection.file, user, address, bytes, 0, 0);
    } else {
      submissions.push(IoOp.SendVector, connection.file, user, connection.sendVector, count, 0, 0);
    }
  }

  #sendHandshake(connection: Connection, handshake: Handshake<WorkerExport>): void {
    const count = handshake.takeOutput(this.#bytes, connection.output, OUTPUT_BYTES);
    this.#words[connection.sendVector / 4] = connection.output;
    this.#post(connection, 1, count);
  }

  /** The client has gone: its replies are dropped. */
  #drop(connection: Connection): void {
    this.#release(connection, connection.replyFirst);
    connection.replyFirst = null;
    connection.replyLast = null;
  }

  #release(connection: Connection, first: Request | null): void {
    for (let request = first; request !== null; ) {
      const { next } = request;
      if (request === connection.streaming && !connection.broken) {
        beginNextPart(this.#context, request);
        this.#events.partSent(request);
      } else {
        this.#context.giveBack(request);
        connection.requests -= 1;
        assert(connection.requests >= 0, "more replies than requests");
      }
      request = next;
    }
  }
}

function lengthOf({ dataHeaderBytes }: Dialect, request: Request): number {
  if (!isData(request)) return request.replyBytes;
  return request.end - request.offset + (hasHeader(request) ? dataHeaderBytes : 0);
}

/** In front of this part of its data. */
function hasHeader(request: Request): boolean {
  return request.hasChunks || !isLaterPart(request);
}

/** A read that succeeded: its reply carries data. */
function isData(request: Request): boolean {
  return request.operation === Operation.Read && request.error === 0;
}
