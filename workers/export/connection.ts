/**
 * One client's connection, as a record: where it stands in the stream, what is under way, and which replies wait
 * (its part of the arena: ring/export-arena.ts).
 *
 * The reading side is connection-reader.ts, the sending side reply-sender.ts. At most one receive and one send are under way.
 * A connection ends in this order: no more reading, every request answered, file closed, main told. Where the client has gone (or was cut)
 * nobody waits for what is under way: it is handed over (departed.ts), and the place is free as soon as the kernel has let go of it.
 */
import { MAX_CONNECTIONS_PER_WORKER, MAX_SEND_BYTES } from "../../src/base/constants.ts";
import { type Dialect, SIMPLE } from "../../src/nbd/wire/dialect.ts";
import type { Handshake } from "../../src/nbd/wire/handshake.ts";
import { CONNECTION_BYTES, EXPORT_SLOTS, OUTPUT, RECEIVE_VECTOR, SEND_VECTOR } from "../../src/ring/export-arena.ts";
import { FIRST_CONNECTION_FILE } from "../../src/ring/file-table.ts";
import { CloseCause } from "../../src/ring/messages.ts";
import type { ExportShare } from "./export-share.ts";
import type { WorkerExport } from "./exports.ts";
import type { Request } from "./request.ts";
import type { ServedVolume } from "./served-volume.ts";
import { USER_INDEX_MASK } from "./user-words.ts";

export class Connection {
  readonly index: number;
  readonly file: number;
  readonly inbox: number;
  readonly receiveVector: number;
  readonly sendVector: number;
  readonly output: number;
  /** Main's number for it, which no other connection has had. */
  id = -1;
  /**
   * Its number in user words: the index, and above it a generation, which is new for each client. A cancel names an operation by its user word, and
   * so meets that of a client who has gone, or none; and a completion with an old tag would be seen.
   */
  tag: number;
  handshake: Handshake<WorkerExport> | null = null;
  /** How its requests and replies are spoken; chosen in the handshake. */
  dialect: Dialect = SIMPLE;
  export: WorkerExport | null = null;
  /** The volume of that export, or of the address that it came by; null: it may still enter any. */
  volume: ServedVolume | null = null;
  /** The part of the inbox that is received and not parsed. */
  readAt = 0;
  writtenTo = 0;
  /** A write whose payload is still coming, how long that is, and how much of it has come. */
  receiving: Request | null = null;
  payload = 0;
  received = 0;
  /** A part of it is being written; the next one is not received before that is done. */
  partUnderWay = false;
  receivePosted = false;
  /** Cancels that are under way. */
  cancels = 0;
  /** Bytes of the receive under way that go straight into a slot, before the inbox. */
  directBytes = 0;
  sendPosted = false;
  /** When that was. */
  sendAt = 0;
  /** Parsing waits for a slot or a request record. */
  stalled = false;
  /** … that other connections hold. */
  waitsForOthers = false;
  /** … a slot of this size class, while it has none of any; else -1. */
  waitsFor = -1;
  /** … which its export has too many of; null: there is none. */
  waitsIn: ExportShare | null = null;
  /** It has read a reply. */
  hasRead = false;
  /** What it sends has ended while parsing waited: what has come is still to be parsed. */
  atEnd = false;
  /** No more reading: the client said goodbye, has gone, or the worker stops. */
  ending = false;
  /** Nothing can be sent any more. */
  broken = false;
  /** Main answers nothing more. */
  abandoned = false;
  /** The client has said DISC: what it asked for before is done, whether it waits for that or not. */
  saidGoodbye = false;
  /** Why it ends. */
  cause: CloseCause = CloseCause.Ended;
  /** In the loop's list of connections that have something to send. */
  dirty = false;
  /** Payload bytes of its requests that hold a slot. */
  heldBytes = 0;
  /** Requests that have been parsed and whose reply has not left. */
  requests = 0;
  /** Slots that its requests and their pieces have, by size class, and pieces. */
  readonly slots = new Int32Array(EXPORT_SLOTS.length);
  pieces = 0;
  /** Requests that found no piece, each once, oldest first; and whether it stands in the list of those who have some. */
  readonly starved: Request[] = [];
  isStarving = false;
  replyFirst: Request | null = null;
  replyLast: Request | null = null;
  /** Bytes of the first of them that have left, or are leaving. */
  replyAt = 0;
  /** A read of which a part has left and another is to come: nothing goes between them. */
  streaming: Request | null = null;
  /** Replies that the send under way ends. */
  sentFirst: Request | null = null;
  sentBytes = 0;
  /** An empty send that asks whether the client still reads, and when the last one was. */
  askPosted = false;
  askedAt = 0;
  /** Zeroes and trims: bytes and pieces under way, and requests that wait for their turn, oldest first. */
  longBytes = 0;
  longPieces = 0;
  readonly longWaiting: Request[] = [];

  constructor(index: number, arenaBase: number) {
    this.index = index;
    this.file = FIRST_CONNECTION_FILE + index;
    this.inbox = arenaBase + index * CONNECTION_BYTES;
    this.receiveVector = this.inbox + RECEIVE_VECTOR;
    this.sendVector = this.inbox + SEND_VECTOR;
    this.output = this.inbox + OUTPUT;
    this.tag = index;
  }

  /** Serve a client: `id` is main's number for it. */
  begin(id: number): void {
    this.id = id;
    this.tag = (this.tag + MAX_CONNECTIONS_PER_WORKER) & USER_INDEX_MASK;
  }

  /** Operations under way that name this record: they end before it serves another client. */
  get isPosted(): boolean {
    return this.receivePosted || this.sendPosted || this.askPosted || this.cancels > 0;
  }

  /** Parsing goes on by itself later: what has been received is not all parsed yet. */
  get waits(): boolean {
    return this.stalled || this.partUnderWay;
  }

  /** Nobody waits for its requests: they begin nothing more. */
  get givesUp(): boolean {
    return this.abandoned || (this.broken && !this.saidGoodbye);
  }

  /** It holds memory, and has moved less than MAX_SEND_BYTES of data in each `limitMs`: a payload that is coming, or replies that are being sent. */
  isOverdue(now: number, limitMs: number): boolean {
    if (this.id === -1) return false;
    if (this.sendPosted && now - this.sendAt > limitMs) return true;
    const { receiving } = this;
    if (receiving === null || receiving.slot === -1 || this.partUnderWay) return false;
    const received = receiving.offset - receiving.first + this.received;
    return now - receiving.startedAt > limitMs * (1 + received / MAX_SEND_BYTES);
  }

  /** As new, for the next client. */
  reset(): void {
    this.id = -1;
    this.handshake = null;
    this.export = null;
    this.volume = null;
    this.readAt = 0;
    this.writtenTo = 0;
    this.receiving = null;
    this.payload = 0;
    this.received = 0;
    this.partUnderWay = false;
    this.stalled = false;
    this.waitsForOthers = false;
    this.waitsFor = -1;
    this.waitsIn = null;
    this.hasRead = false;
    this.replyAt = 0;
    this.streaming = null;
    this.atEnd = false;
    this.ending = false;
    this.broken = false;
    this.abandoned = false;
    this.saidGoodbye = false;
    this.askedAt = 0;
    this.cause = CloseCause.Ended;
  }
}
