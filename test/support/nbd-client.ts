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

export const Cmd = { Read: 0, Write: 1, Disc: 2, Flush: 3, Trim: 4, Cache: 5, WriteZeroes: 6, BlockStatus: 7 } as const;

export const CmdFlag = { Fua: 1, NoHole: 2, DontFragment: 4, RequestOne: 8, FastZero: 16 } as const;

export const Transmission = {
  HasFlags: 1,
  ReadOnly: 2,
  SendFlush: 4,
  SendFua: 8,
  SendTrim: 32,
  SendWriteZeroes: 64,
  CanMultiConn: 256,
  SendCache: 1024,
} as const;

const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;

export interface Request {
  readonly type: number;
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly length?: number;
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
  /** Bytes that follow a successful reply. */
  readonly length: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

export class NbdClient {
  readonly stream: ByteStream;
  readonly sizeBytes: number;
  readonly flags: number;
  readonly #pending = new Map<bigint, Pending>();
  #cookie = 0xc00c_1e00_0000_0000n;
  #failure: unknown;

  constructor(stream: ByteStream, entered: Entered) {
    this.stream = stream;
    this.sizeBytes = entered.sizeBytes;
    this.flags = entered.flags;
    void this.#receiveReplies();
  }

  /** Connect and enter an export by GO. */
  static async open(address: Address, name = ""): Promise<NbdClient> {
    const negotiation = await Negotiation.open(address);
    negotiation.sendFlags();
    return new NbdClient(negotiation.stream, await negotiation.go(name));
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
    const header = encodeRequest(request, cookie);
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const length = request.type === Cmd.Read ? (request.length ?? 0) : 0;
      this.#pending.set(cookie, { length, resolve, reject });
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

  async zeroes(offset: number, length: number, flags = 0): Promise<void> {
    await this.#succeed("write zeroes", { type: Cmd.WriteZeroes, flags, offset, length });
  }

  async trim(offset: number, length: number, flags = 0): Promise<void> {
    await this.#succeed("trim", { type: Cmd.Trim, flags, offset, length });
  }

  async cache(offset: number, length: number, flags = 0): Promise<void> {
    await this.#succeed("cache", { type: Cmd.Cache, flags, offset, length });
  }

  async flush(flags = 0): Promise<void> {
    await this.#succeed("flush", { type: Cmd.Flush, flags });
  }

  /** Say goodbye, and wait until the server has closed. Replies that were pending come first. */
  async disconnect(): Promise<void> {
    this.stream.send(encodeRequest({ type: Cmd.Disc }, 0n));
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
    const header = await this.stream.receive(16);
    if (header.readUInt32BE(0) !== REPLY_MAGIC) throw new Error(`not a simple reply: ${header.toString("hex")}`);
    const error = header.readUInt32BE(4);
    const cookie = header.readBigUInt64BE(8);
    const pending = this.#pending.get(cookie);
    if (pending === undefined) throw new Error(`reply to a request that is not pending: ${header.toString("hex")}`);
    const length = error === 0 ? pending.length : 0;
    const data = length === 0 ? Buffer.alloc(0) : await this.stream.receive(length);
    this.#pending.delete(cookie);
    pending.resolve({ error, data });
  }
}

/** The 28 bytes of a request's header. */
export function encodeRequest(request: Request, cookie: bigint): Buffer {
  const header = Buffer.alloc(28);
  u32(request.magic ?? REQUEST_MAGIC).copy(header, 0);
  u16(request.flags ?? 0).copy(header, 4);
  u16(request.type).copy(header, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(request.offset ?? 0), 16);
  u32(request.length ?? 0).copy(header, 24);
  return header;
}
