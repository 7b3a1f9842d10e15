/**
 * An NBD client that sends writes without waiting for their answers, as many as it is told: what fio, which has a depth, does not do.
 *
 *   client                                   server
 *   flags, EXPORT_NAME ─────────────────────▶
 *                      ◀──────────────────── size, flags
 *   write, write, write, … (no waiting) ────▶
 *                      ◀──────────────────── reply, reply, …      counted, errors noted
 *
 * What the server does not take yet waits here, in this process's memory, not in the server's.
 */
import { connect, type Socket } from "node:net";

const GREETING_BYTES = 18;
const EXPORT_BYTES = 10;
const OPTION_MAGIC = "49484156454f5054";
const OPTION_EXPORT_NAME = 1;
/** Fixed newstyle, no zeroes after the export's size. */
const CLIENT_FLAGS = 3;
const REQUEST_MAGIC = 0x25609513;
const REQUEST_HEADER_BYTES = 28;
const COMMAND_WRITE = 1;
const REPLY_MAGIC = 0x67446698;
const REPLY_BYTES = 16;

/** A write request with its payload, `bytes` of `fill`. */
export function writeRequest(offset: number, bytes: number, fill: number): Buffer {
  const request = Buffer.alloc(REQUEST_HEADER_BYTES + bytes, fill);
  request.fill(0, 0, REQUEST_HEADER_BYTES);
  request.writeUInt32BE(REQUEST_MAGIC, 0);
  request.writeUInt16BE(COMMAND_WRITE, 6);
  request.writeUInt32BE(Math.floor(offset / 2 ** 32), 16);
  request.writeUInt32BE(offset % 2 ** 32, 20);
  request.writeUInt32BE(bytes, 24);
  return request;
}

/** What a client says to get an export: its flags, and the export's name. */
export function exportRequest(name: string): Buffer {
  const text = Buffer.from(name);
  const head = Buffer.alloc(20);
  head.writeUInt32BE(CLIENT_FLAGS, 0);
  head.write(OPTION_MAGIC, 4, "hex");
  head.writeUInt32BE(OPTION_EXPORT_NAME, 12);
  head.writeUInt32BE(text.length, 16);
  return Buffer.concat([head, text]);
}

/** Counts simple replies in a stream that is cut anywhere. */
export class ReplyCounter {
  replies = 0;
  errors = 0;
  #rest: Buffer = Buffer.alloc(0);

  /** Throws an Error for what is no reply. */
  take(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (; at + REPLY_BYTES <= all.length; at += REPLY_BYTES) {
      if (all.readUInt32BE(at) !== REPLY_MAGIC) throw new Error("the server sent something that is no reply");
      if (all.readUInt32BE(at + 4) !== 0) this.errors++;
      this.replies++;
    }
    this.#rest = all.subarray(at);
  }
}

export class NbdPipeline {
  readonly #socket: Socket;
  readonly #counter = new ReplyCounter();
  #sent = 0;
  #all: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#replies(bytes));
    socket.on("error", (error) => this.#all?.reject(error));
    socket.on("close", () => this.#all?.reject(new Error("the server has closed the connection")));
  }

  static async open(path: string, exportName: string): Promise<NbdPipeline> {
    const socket = connect(path);
    await received(socket, GREETING_BYTES);
    socket.write(exportRequest(exportName));
    await received(socket, EXPORT_BYTES);
    return new NbdPipeline(socket);
  }

  send(requests: readonly Buffer[]): void {
    this.#socket.cork();
    for (const request of requests) this.#socket.write(request);
    this.#socket.uncork();
    this.#sent += requests.length;
  }

  /** Resolves when everything that was sent has been answered; rejects for an answer that was an error. */
  answered(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#all = { resolve, reject };
      this.#look();
    });
  }

  close(): void {
    this.#all = undefined;
    this.#socket.destroy();
  }

  #replies(bytes: Buffer): void {
    this.#counter.take(bytes);
    this.#look();
  }

  #look(): void {
    if (this.#counter.errors > 0) this.#all?.reject(new Error(`${this.#counter.errors} writes failed`));
    else if (this.#counter.replies === this.#sent) this.#all?.resolve();
  }
}

/** Waits for so many bytes, and takes them. */
function received(socket: Socket, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const got = socket.read(bytes) as Buffer | null;
      if (got === null) return;
      socket.off("readable", look).off("error", reject);
      resolve(got);
    };
    socket.on("readable", look).once("error", reject);
  });
}
