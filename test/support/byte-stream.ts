/**
 * A socket as a stream of bytes that can be asked for an exact number of them.
 *
 * However the connection ends (a close, a reset, a broken pipe), it has ended: what was asked for and cannot come any more is
 * refused with `StreamEnded`.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";

export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

export class StreamEnded extends Error {
  override readonly name = "StreamEnded";
}

interface Wanted {
  readonly count: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class ByteStream {
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #over = false;
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted: Wanted | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    // A reset is an end like any other; the "close" that follows tells it.
    socket.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#over = true;
        this.#wanted?.reject(new StreamEnded(`peer has closed, ${this.#length} bytes were left`));
        this.#wanted = undefined;
        resolve();
      };
      socket.once("end", end);
      socket.once("close", end);
    });
  }

  /** Of a socket that is connected. */
  static of(socket: Socket): ByteStream {
    return new ByteStream(socket);
  }

  static connect(address: Address): Promise<ByteStream> {
    return new Promise((resolve, reject) => {
      const socket = connect("path" in address ? { path: address.path } : { host: address.host, port: address.port });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.removeListener("error", reject);
        socket.setNoDelay(true);
        resolve(new ByteStream(socket));
      });
    });
  }

  /** Hand bytes to the kernel or to the socket's queue. */
  send(...parts: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** Send bytes, and wait until the kernel has them: the next ones leave in a piece of their own. */
  sendNow(part: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.#socket.write(part, (error) => (error ? reject(error) : resolve())));
  }

  /** Exactly `count` bytes. One call at a time. */
  receive(count: number): Promise<Buffer> {
    if (this.#wanted !== undefined) throw new Error("a receive is under way");
    return new Promise((resolve, reject) => {
      if (this.#length < count && this.#over) {
        reject(new StreamEnded(`peer has closed, ${this.#length} bytes were left`));
        return;
      }
      this.#wanted = { count, resolve, reject };
      this.#satisfy();
    });
  }

  /** The connection has ended. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Resolves when the connection has ended, from whichever side; bytes that came before can still be received. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** Read nothing more from the kernel: the peer's sends fill up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** No more bytes from this side; the other may go on. */
  finish(): void {
    this.#socket.end();
  }

  /** Vanish: close at once, without reading what is under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    this.#satisfy();
  }

  #satisfy(): void {
    const wanted = this.#wanted;
    if (wanted === undefined || this.#length < wanted.count) return;
    this.#wanted = undefined;
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const rest = all.subarray(wanted.count);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    wanted.resolve(all.subarray(0, wanted.count));
  }
}
