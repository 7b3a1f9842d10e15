/**
 * A client's request, from its header to its reply.
 *
 * Requests are pooled records: taken when a header has been parsed, given back when the reply has left. A request
 * becomes one or more pieces (piece.ts); it ends when its cursor is at its end and no piece is under way.
 *
 *   offset          cursor                end
 *   ├── pieces under way or done ──┼── not begun ──┤
 *
 * It names its connection by number, and is named by number by its pieces.
 */
import { assert } from "../../src/base/assert.ts";
import type { ExportHandler } from "./handler.ts";
import type { ServedVolume } from "./served-volume.ts";

/** What a request does, once the NBD command and its flags are understood. */
export const Operation = {
  Read: 0,
  Write: 1,
  Zero: 2,
  Trim: 3,
  Flush: 4,
  /** CACHE, and requests of no length: nothing to do but to reply. */
  Nothing: 5,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

const NOBODY = -1;

/** What the header says, besides the operation. */
interface RequestHeader {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
  readonly offset: number;
  readonly length: number;
}

export class Request {
  readonly index: number;
  /** Number of its connection, or of the heir of one (departed.ts). */
  connection = NOBODY;
  handler: ExportHandler | null = null;
  operation: Operation = Operation.Nothing;
  /** FUA: durable, its exceptions included, before the reply. */
  durable = false;
  /** NO_HOLE on write zeroes. */
  noHole = false;
  /** It asks for data: its reply says so, also where there is none. */
  isRead = false;
  /** Each part of its data has a header of its own, behind which an error still has a place. */
  hasChunks = false;
  /** Of its reply, where that has no data. */
  replyBytes = 0;
  cookieLow = 0;
  cookieHigh = 0;
  offsetLow = 0;
  offsetHigh = 0;
  /** Volume bytes; of a payload that comes or goes part by part (parts.ts), those of the part. */
  offset = 0;
  end = 0;
  /** Volume bytes of all of it: where its first part begins and its last one ends. */
  first = 0;
  last = 0;
  cursor = 0;
  /** Arena address of the byte at `offset`; -1 where the request carries no data. */
  memory = -1;
  slot = -1;
  /** Payload bytes that the slot was taken for. */
  slotBytes = 0;
  pieces = 0;
  /** It found no piece, and stands in the context's list of those. */
  starved = false;
  /** Zeroes or a trim: it waits for its turn, and stands in its connection's list (long-requests.ts). */
  deferred = false;
  /** 0, or the first error (positive). */
  error = 0;
  /** The data is done and the last step, making it durable, has begun. */
  finishing = false;
  startedAt = 0;
  /** In the connection's list of replies. */
  next: Request | null = null;

  constructor(index: number) {
    this.index = index;
  }

  /** The volume of its export. */
  get volume(): ServedVolume {
    assert(this.handler !== null, "a request of no export");
    return this.handler.volume;
  }

  /** Carries its bytes in a slot, to the client or from it. */
  get hasPayload(): boolean {
    return this.operation === Operation.Read || this.operation === Operation.Write;
  }

  /** `error`: what it is answered with, where it is not to be executed. */
  begin(connection: number, handler: ExportHandler, operation: Operation, header: RequestHeader, error: number): void {
    assert(this.connection === NOBODY, "a request record has two clients");
    this.connection = connection;
    this.handler = handler;
    this.operation = operation;
    this.durable = false;
    this.noHole = false;
    this.isRead = false;
    this.hasChunks = false;
    this.cookieLow = header.cookieLow;
    this.cookieHigh = header.cookieHigh;
    this.offsetLow = header.offsetLow;
    this.offsetHigh = header.offsetHigh;
    this.offset = header.offset;
    this.cursor = header.offset;
    this.first = header.offset;
    this.last = header.offset + header.length;
    this.end = this.last;
    this.memory = -1;
    this.slot = -1;
    this.slotBytes = 0;
    this.pieces = 0;
    this.error = error;
    this.finishing = false;
    this.next = null;
  }

  /** The part of the slot that holds the byte at `offset` is at `memory`. */
  hold(slot: number, bytes: number, memory: number): void {
    assert(this.slot === -1, "a request has a slot already");
    this.slot = slot;
    this.slotBytes = bytes;
    this.memory = memory;
  }

  /** Back to the pool. */
  over(): void {
    assert(this.connection !== NOBODY, "a request ended twice");
    assert(this.pieces === 0, "a request ended before its pieces");
    assert(this.slot === -1, "a request ended with a slot");
    assert(!this.starved && !this.deferred, "a request ended and stands in a list of those who wait");
    this.connection = NOBODY;
    this.handler = null;
    this.next = null;
  }
}
