/**
 * An NBD client of the export bench, as bytes: it writes requests into its socket and reads replies out of what came back.
 */
import {
  Command,
  EXPORT_REPLY_BYTES,
  GREETING_BYTES,
  Option,
  OPTION_MAGIC,
  REQUEST_MAGIC,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
} from "../../src/nbd/wire/protocol.ts";
import type { FakeSocket } from "./fake-socket.ts";

export interface ClientReply {
  readonly cookie: number;
  readonly error: number;
  readonly data: Buffer;
}

export class ExportClient {
  /** Main's number for the connection. */
  readonly id: number;
  readonly socket: FakeSocket;
  readonly #lengths = new Map<number, number>();
  #nextCookie = 1;
  #readAt = 0;

  constructor(id: number, socket: FakeSocket) {
    this.id = id;
    this.socket = socket;
  }

  /** The client's flags, and the option EXPORT_NAME. */
  enter(name: string): void {
    const flags = Buffer.alloc(4);
    flags.writeUInt32BE(3);
    this.socket.push(flags, option(Option.ExportName, Buffer.from(name)));
  }

  skipHandshake(): void {
    this.#readAt = GREETING_BYTES + EXPORT_REPLY_BYTES;
  }

  /** Its cookie. */
  read(offset: number, length: number): number {
    return this.request(Command.Read, offset, length);
  }

  write(offset: number, payload: Uint8Array, flags = 0): number {
    return this.request(Command.Write, offset, payload.length, flags, payload);
  }

  request(type: number, offset: number, length: number, flags = 0, payload: Uint8Array = new Uint8Array(0)): number {
    const cookie = this.#nextCookie++;
    if (type === Command.Read) this.#lengths.set(cookie, length);
    this.socket.push(encodeRequest(type, offset, length, flags, cookie), payload);
    return cookie;
  }

  disconnect(): void {
    this.socket.push(encodeRequest(Command.Disconnect, 0, 0, 0, 0));
  }

  /** Replies that have come since the last call. */
  replies(): ClientReply[] {
    const { sent } = this.socket;
    const found: ClientReply[] = [];
    while (sent.length - this.#readAt >= SIMPLE_REPLY_BYTES) {
      const at = this.#readAt;
      if (sent.readUInt32BE(at) !== SIMPLE_REPLY_MAGIC) throw new Error(`no reply at ${at}`);
      const error = sent.readUInt32BE(at + 4);
      const cookie = sent.readUInt32BE(at + 12);
      const from = at + SIMPLE_REPLY_BYTES;
      const end = from + (error === 0 ? (this.#lengths.get(cookie) ?? 0) : 0);
      found.push({ cookie, error, data: sent.subarray(from, end) });
      this.#readAt = end;
    }
    return found;
  }

  /** The errors of the replies since the last call, by cookie. */
  errors(): Record<number, number> {
    return Object.fromEntries(this.replies().map(({ cookie, error }) => [cookie, error]));
  }
}

export function encodeRequest(type: number, offset: number, length: number, flags: number, cookie: number): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  header.writeUInt32BE(cookie, 12);
  header.writeUInt32BE(Math.floor(offset / 2 ** 32), 16);
  header.writeUInt32BE(offset % 2 ** 32, 20);
  header.writeUInt32BE(length, 24);
  return header;
}

export function option(number: number, data: Uint8Array): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(OPTION_MAGIC[0], 0);
  header.writeUInt32BE(OPTION_MAGIC[1], 4);
  header.writeUInt32BE(number, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}
