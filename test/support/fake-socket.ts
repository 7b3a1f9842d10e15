/**
 * A client's end of a socket, scripted: the bytes that it sends and the ones that it has been sent, on one thread.
 *
 *   test ── push ──▶ incoming ── receive ──▶ loop
 *   test ◀── sent ──────────────── send ──── loop
 */
import { errno } from "../../src/base/errno.ts";

export class FakeSocket {
  /** What the loop has sent, in order. */
  sent: Buffer = Buffer.alloc(0);
  /** How many bytes each send had. */
  readonly sends: number[] = [];
  /** The client does not read: sends stay under way. */
  blocked = false;
  /** The client has gone without a word: everything fails. */
  gone = false;
  /** The client sends nothing more; it still reads. */
  ended = false;
  /** The client has closed: nothing more comes, and nothing can be sent. */
  closed = false;
  #incoming: Buffer = Buffer.alloc(0);

  push(...parts: readonly Uint8Array[]): void {
    this.#incoming = Buffer.concat([this.#incoming, ...parts]);
  }

  /** A receive would end at once. */
  get readable(): boolean {
    return this.gone || this.ended || this.closed || this.#incoming.length > 0;
  }

  /** A receive: bytes, 0 at the end, -errno, or undefined: nothing yet. */
  receive(into: readonly Uint8Array[]): number | undefined {
    if (this.gone) return -errno.ECONNRESET;
    if (this.#incoming.length === 0) return this.ended || this.closed ? 0 : undefined;
    let count = 0;
    for (const part of into) {
      const taken = this.#incoming.subarray(0, part.length);
      part.set(taken);
      this.#incoming = this.#incoming.subarray(taken.length);
      count += taken.length;
    }
    return count;
  }

  /** A send, whole or not at all; one of nothing waits for nobody. */
  send(parts: readonly Uint8Array[]): number | undefined {
    if (this.gone || this.closed) return -errno.EPIPE;
    if (parts.every((part) => part.length === 0)) return 0;
    if (this.blocked) return undefined;
    const before = this.sent.length;
    this.sent = Buffer.concat([this.sent, ...parts]);
    this.sends.push(this.sent.length - before);
    return this.sent.length - before;
  }
}
