/**
 * What a handshake has to say and has not sent yet: a small buffer that grows to the answer of one option.
 *
 * The handshake appends; the owner of the socket takes bytes out in pieces of any size. Since the handshake reads nothing
 * while something lies here, the buffer holds at most one answer, of at most MAX_OPTION_REPLY_BYTES.
 */
import { MAX_OPTION_REPLY_BYTES } from "../../base/constants.ts";
import { assert } from "../../base/assert.ts";
import { writeU64BE } from "../../base/u64.ts";

const START_BYTES = 512;
const utf8 = new TextEncoder();

export class ReplyBuffer {
  #bytes: Uint8Array = new Uint8Array(START_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  #taken = 0;
  #end = 0;

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#end - this.#taken;
  }

  /** Whether `count` more bytes may be appended. */
  hasRoom(count: number): boolean {
    return this.#end + count <= MAX_OPTION_REPLY_BYTES;
  }

  // Everywhere below the place is taken first, in a statement of its own: growing replaces the buffer and its view.

  appendU16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  appendU32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  appendU64(value: number): void {
    const at = this.#grow(8);
    writeU64BE(this.#view, at, value);
  }

  appendMagic(words: readonly [number, number]): void {
    this.appendU32(words[0]);
    this.appendU32(words[1]);
  }

  appendBytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  appendZeroes(count: number): void {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
  }

  /** Forget everything that was appended after `length` was read as `mark`. */
  cutTo(mark: number): void {
    assert(mark <= this.length, "mark is beyond the end");
    this.#end = this.#taken + mark;
  }

  /** Move up to `room` bytes to `into[at]`; returns how many. */
  take(into: Uint8Array, at: number, room: number): number {
    const count = Math.min(room, this.length);
    into.set(this.#bytes.subarray(this.#taken, this.#taken + count), at);
    this.#taken += count;
    if (this.#taken === this.#end) this.#taken = this.#end = 0;
    return count;
  }

  #grow(count: number): number {
    const at = this.#end;
    const end = at + count;
    assert(end <= MAX_OPTION_REPLY_BYTES, "answer to an option is too long");
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(MAX_OPTION_REPLY_BYTES, Math.max(end, 2 * this.#bytes.length)));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#end = end;
    return at;
  }
}

/** A string as the wire has it. */
export function encodeText(text: string): Uint8Array {
  return utf8.encode(text);
}
