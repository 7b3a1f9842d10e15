/**
 * A small NBD client for the tests: every request is a promise, any number of them may be under way.
 *
 * It checks what it receives (magic, cookie, length) and nothing of what it is told to send, so that a test can send requests
 * that no good client sends. `request` resolves with the error field; the named commands throw `NbdFailure` instead.
 */
import type { Socket } from "node:net";
import type { Address } from "./byte-stream.ts";
import { ByteStream, StreamEnded } from "./byte-stream.ts";
import type { Entered } from "./nbd-negotiation.ts";
import { Negotiation, u16, u32 } from "./nbd-negotiation.ts";
import { type DialectName, receivePiece, type ReplyPiece } from "./nbd-reply.ts";

export const Cmd = { Read: 0, Write: 1, Disc: 2, Flush: 3, Trim: 4, Cache: 5, WriteZeroes: 6, BlockStatus: 7 } as const;

export const CmdFlag = { Fua: 1, NoHole: 2, DontFragment: 4, RequestOne: 8, FastZero: 16, PayloadLength: 32 } as const;

export const Transmission = {
  HasFlags: 1,
  ReadOnly: 2,
  SendFlush: 4,
  SendFua: 8,
  SendTrim: 32,
  SendWriteZeroes: 64,
  SendDf: 128,
  CanMultiConn: 256,
  SendCache: 1024,
} as const;

const REQUEST_MAGIC = 0x25609513;
const EXTENDED_REQUEST_MAGIC = 0x21e41c71;

export interface Request {
  readonly type: number;
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly length?: number | bigint;
  /** By default none; its length need not be `length`. */
  readonly payload?: Uint8Array;
  /** By default correct. */
  readonly magic?: number;
}

export interface Reply {
  /** The error field: 0, or one of NBD's error values. */
  readonly error: number;
  /** Of a successful read; else empty. */
  readonly data: Buffer;
  /** What the server has said of the error, where its dialect has a place for it. */
  readonly text: string;
  /** Pieces that the reply came in. */
  readonly pieces: number;
}

export class NbdFailure extends Error {
  override readonly name = "NbdFailure";
  readonly error: number;

  constructor(command: string, error: number) {
    super(`${command} failed with NBD error ${error}`);
    this.error = error;
  }
}

interface Pending {
  /** Bytes that a successful reply has, and where they are read from. */
  readonly length: number;
  readonly offset: bigint;
  readonly isRead: boolean;
  data: Buffer;
  received: number;
  pieces: number;
  error: number;
  text: string;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

export class NbdClient {
  readonly stream: ByteStream;
  readonly sizeBytes: number;
  readonly flags: number;
  readonly #dialect: DialectName;
  readonly #pending = new Map<bigint, Pending>();
  #cookie = 0xc00c_1e00_0000_0000n;
  #failure: unknown;

  constructor(stream: ByteStream, entered: Entered, dialect: DialectName = "simple") {
    this.stream = stream;
    this.#dialect = dialect;
    this.sizeBytes = entered.sizeBytes;
    this.flags = entered.flags;
    void this.#receiveReplies();
  }

  /** Connect and enter an export by GO. */
  static async open(address: Address, name = "", dialect: DialectName = "simple"): Promise<NbdClient> {
    const negotiation = await Negotiation.open(address);
    negotiation.sendFlags();
    await negotiation.speak(dialect);
    return new NbdClient(negotiation.stream, await negotiation.go(name), dialect);
  }

  /** The same over a socket that is connected. */
  static async over(socket: Socket, name: string): Promise<NbdClient> {
    const negotiation = await Negotiation.over(ByteStream.of(socket));
    negotiation.sendFlags();
    return new NbdClient(negotiation.stream, await negotiation.go(name));
  }

  /** Requests that have no reply yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Send a request as it is; resolves with its reply, rejects with StreamEnded where the connection ends before it. */
  request(request: Request): Promise<Reply> {
    const cookie = this.#cookie++;
    const header = encodeRequest(request, cookie, this.#dialect);
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const isRead = request.type === Cmd.Read;
      const length = isRead ? Number(request.length ?? 0) : 0;
      const offset = BigInt(request.offset ?? 0);
      const state = { received: 0, pieces: 0, error: 0, text: "", data: NO_DATA };
      this.#pending.set(cookie, { length, offset, isRead, ...state, resolve, reject });
      if (request.payload === undefined) this.stream.send(header);
      else this.stream.send(header, request.payload);
    });
  }

  async read(offset: number, length: number, flags = 0): Promise<Buffer> {
    return (await this.#succeed("read", { type: Cmd.Read, flags, offset, length })).data;
  }

  async write(offset: number, payload: Uint8Array, flags = 0): Promise<void> {
    await this.#succeed("write", { type: Cmd.Write, flags, offset, length: payload.length, payload });
  }

  async zeroes(offset: number, length: number | bigint, flags = 0): Promise<void> {
    await this.#succeed("write zeroes", { type: Cmd.WriteZeroes, flags, offset, length });
  }

  async trim(offset: number, length: number | bigint, flags = 0): Promise<void> {
    await this.#succeed("trim", { type: Cmd.Trim, flags, offset, length });
  }

  async cache(offset: number, length: number | bigint, flags = 0): Promise<void> {
    await this.#succeed("cache", { type: Cmd.Cache, flags, offset, length });
  }

  async flush(flags = 0): Promise<void> {
    await this.#succeed("flush", { type: Cmd.Flush, flags });
  }

  /** Say goodbye, and wait until the server has closed. Replies that were pending come first. */
  async disconnect(): Promise<void> {
    this.stream.send(encodeRequest({ type: Cmd.Disc }, 0n, this.#dialect));
    await this.stream.ended();
    this.stream.destroy();
  }

  /** Vanish without a word. */
  destroy(): void {
    this.stream.destroy();
  }

  async #succeed(command: string, request: Request): Promise<Reply> {
    const reply = await this.request(request);
    if (reply.error !== 0) throw new NbdFailure(command, reply.error);
    return reply;
  }

  async #receiveReplies(): Promise<void> {
    try {
      for (;;) await this.#receiveReply();
    } catch (error) {
      this.#failure = error;
      for (const pending of this.#pending.values()) pending.reject(error);
      this.#pending.clear();
      // Anything but an end is a reply that no server may send: nothing after it can be believed.
      if (!(error instanceof StreamEnded)) this.stream.destroy();
    }
  }

  async #receiveReply(): Promise<void> {
    const piece = await receivePiece(this.stream, this.#dialect, (cookie) => {
      const { length, offset, isRead } = this.#pendingOf(cookie);
      return { length: isRead && this.#dialect !== "simple" ? -1 : length, offsets: [offset] };
    });
    const pending = this.#pendingOf(piece.cookie);
    pending.pieces += 1;
    if (piece.error !== 0 && pending.error === 0) [pending.error, pending.text] = [piece.error, piece.text];
    if (piece.data.length > 0) take(pending, piece);
    if (!piece.done) return;
    const { error, text, pieces, length, received } = pending;
    if (error === 0 && received !== length) throw new Error(`${received} bytes of ${length} have come`);
    this.#pending.delete(piece.cookie);
    pending.resolve({ error, text, pieces, data: error === 0 ? pending.data : NO_DATA });
  }

  #pendingOf(cookie: bigint): Pending {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) throw new Error(`reply to a request that is not pending: ${cookie}`);
    return pending;
  }
}

const NO_DATA = Buffer.alloc(0);

function take(pending: Pending, { at, data }: ReplyPiece): void {
  const from = at === undefined ? 0 : at - Number(pending.offset);
  if (from < 0 || from + data.length > pending.length) throw new Error("data that was not asked for");
  pending.received += data.length;
  if (data.length === pending.length) {
    pending.data = data;
    return;
  }
  if (pending.data.length === 0) pending.data = Buffer.alloc(pending.length);
  data.copy(pending.data, from);
}

/** A request's header. */
export function encodeRequest(request: Request, cookie: bigint, dialect: DialectName = "simple"): Buffer {
  const isExtended = dialect === "extended";
  const header = Buffer.alloc(isExtended ? 32 : 28);
  u32(request.magic ?? (isExtended ? EXTENDED_REQUEST_MAGIC : REQUEST_MAGIC)).copy(header, 0);
  // What a good client says of every write.
  const announced = isExtended && request.type === Cmd.Write ? CmdFlag.PayloadLength : 0;
  u16((request.flags ?? 0) | announced).copy(header, 4);
  u16(request.type).copy(header, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(request.offset ?? 0), 16);
  if (isExtended) header.writeBigUInt64BE(BigInt(request.length ?? 0), 24);
  else u32(Number(request.length ?? 0)).copy(header, 24);
  return header;
}
