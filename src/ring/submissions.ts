/**
 * The batch of descriptors that a loop fills during one turn (layout: io-descriptor.ts).
 *
 * Every record that may have an operation under way has a fixed bound of them, so the room for a turn is known when the
 * loop is made: a full batch is a programmer's error, never a reason to grow.
 */
import { assert } from "../base/assert.ts";
import { highWord, lowWord } from "../base/u64.ts";
import { FILE_COUNT } from "./file-table.ts";
import { DESCRIPTOR_WORDS, IoFlag, IoOp } from "./io-descriptor.ts";

export class Submissions {
  readonly #words: Int32Array;
  readonly #capacity: number;
  #count = 0;

  constructor(words: Int32Array) {
    this.#words = words;
    this.#capacity = Math.floor(words.length / DESCRIPTOR_WORDS);
  }

  get count(): number {
    return this.#count;
  }

  /** The number of descriptors to submit; the batch is empty afterwards. */
  take(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }

  /** One descriptor; positions and lengths in bytes, `address` in the arena. */
  push(
    op: IoOp,
    file: number,
    user: number,
    address: number,
    length: number,
    position: number,
    argument: number,
  ): void {
    assert(file >= 0 && file < FILE_COUNT, "a place of the file table");
    assert(address >= 0 && length >= 0, "bytes of the arena");
    assert(position >= 0 && Number.isSafeInteger(position), "a position of a device");
    const at = this.#next();
    const words = this.#words;
    words[at] = op;
    words[at + 1] = file;
    words[at + 2] = user;
    words[at + 3] = address;
    words[at + 4] = length;
    words[at + 5] = lowWord(position);
    words[at + 6] = highWord(position);
    words[at + 7] = argument;
    words[at + 8] = 0;
    words[at + 9] = 0;
  }

  /** fallocate: its length may exceed 32 bits. */
  pushAllocate(file: number, user: number, mode: number, position: number, length: number): void {
    assert(file >= 0 && file < FILE_COUNT, "a place of the file table");
    assert(position >= 0 && length > 0, "a range of a device");
    const at = this.#next();
    const words = this.#words;
    words[at] = IoOp.Allocate;
    words[at + 1] = file;
    words[at + 2] = user;
    words[at + 3] = 0;
    words[at + 4] = 0;
    words[at + 5] = lowWord(position);
    words[at + 6] = highWord(position);
    words[at + 7] = mode;
    words[at + 8] = lowWord(length);
    words[at + 9] = highWord(length);
  }

  /** The descriptor pushed last starts the next one only if it succeeds whole. */
  link(): void {
    assert(this.#count > 0, "a descriptor has been pushed");
    this.#words[(this.#count - 1) * DESCRIPTOR_WORDS] |= IoFlag.Link << 8;
  }

  /** The descriptor pushed last is done inside the turn, where it is one of a file. */
  atOnce(): void {
    assert(this.#count > 0, "a descriptor has been pushed");
    this.#words[(this.#count - 1) * DESCRIPTOR_WORDS] |= IoFlag.AtOnce << 8;
  }

  #next(): number {
    assert(this.#count < this.#capacity, "more descriptors than the loop was made for");
    const at = this.#count * DESCRIPTOR_WORDS;
    this.#count += 1;
    return at;
  }
}
