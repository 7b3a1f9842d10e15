/**
 * A client's end of a socket, scripted: the bytes that it sends and the ones that it has been sent, on one thread.
 *
 *   test ── push ──▶ incoming ── receive ──▶ loop
 *   test ◀── sent ──────────────── send ──── loop
 */
import { errno } from "../../src/base/errno.ts";

export class FakeSocket {
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
  /** What the test has pushed and the loop has not received, part by part, and what the loop has sent, in the front of a larger buffer. */
  readonly #incoming: Uint8Array[] = [];
  #out: Buffer = Buffer.alloc(0);
  #outLength = 0;

  /** What the loop has sent, in order. */
  get sent(): Buffer {
    return this.#out.subarray(0, this.#outLength);
  }

  push(...parts: readonly Uint8Array[]): void {
    for (const part of parts) if (part.length > 0) this.#incoming.push(Buffer.from(part));
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
    for (const part of into) count += this.#fill(part);
    return count;
  }

  /** A send, whole or not at all; one of nothing waits for nobody. */
  send(parts: readonly Uint8Array[]): number | undefined {
    if (this.gone || this.closed) return -errno.EPIPE;
    if (parts.every((part) => part.length === 0)) return 0;
    if (this.blocked) return undefined;
    const before = this.#outLength;
    for (const part of parts) this.#append(part);
    this.sends.push(this.#outLength - before);
    return this.#outLength - before;
  }

  #fill(into: Uint8Array): number {
    let done = 0;
    while (done < into.length) {
      const first = this.#incoming[0];
      if (first === undefined) break;
      const taken = first.subarray(0, into.length - done);
      into.set(taken, done);
      done += taken.length;
      if (taken.length === first.length) this.#incoming.shift();
      else this.#incoming[0] = first.subarray(taken.length);
    }
    return done;
  }

  #append(part: Uint8Array): void {
    const length = this.#outLength + part.length;
    if (length > this.#out.length) this.#out = Buffer.concat([this.sent], 2 * length);
    this.#out.set(part, this.#outLength);
    this.#outLength = length;
  }
}
