/**
 * A set of chunk numbers that only grows: finds duplicates among ten million exceptions in a fraction of a second (S-38).
 *
 * Where the largest possible number is known and modest, a flat bitmap (fresh memory costs nothing until it is touched);
 * else open addressing in one Float64Array, at most half full. Both are plain typed arrays: no object per number.
 */
import { assert } from "../base/assert.ts";
import type { Chunk } from "../base/units.ts";

/** Bits of the largest bitmap: 128 MiB of address space. */
const BITMAP_LIMIT = 2 ** 30;
const FIRST_SLOTS = 1024;

export class ChunkSet {
  readonly #bits: Uint32Array | undefined;
  /** Values plus 1, so that 0 is an empty slot. */
  #slots: Float64Array = new Float64Array(0);
  #count = 0;

  /** `limit`: every value is below it (Infinity where unknown). */
  constructor(limit: number) {
    if (limit <= BITMAP_LIMIT) this.#bits = new Uint32Array(Math.ceil(limit / 32));
    else this.#slots = new Float64Array(FIRST_SLOTS);
  }

  /** False if the value was there already. */
  add(value: Chunk): boolean {
    const bits = this.#bits;
    if (bits === undefined) return this.#addHashed(value);
    const word = Math.floor(value / 32);
    assert(word < bits.length, "value below the limit");
    const mask = 1 << (value & 31);
    if ((bits[word]! & mask) !== 0) return false;
    bits[word]! |= mask;
    return true;
  }

  #addHashed(value: Chunk): boolean {
    if (this.#count * 2 >= this.#slots.length) this.#grow();
    const at = findSlot(this.#slots, value);
    if (this.#slots[at] !== 0) return false;
    this.#slots[at] = value + 1;
    this.#count += 1;
    return true;
  }

  #grow(): void {
    const larger = new Float64Array(this.#slots.length * 2);
    for (const stored of this.#slots) {
      if (stored !== 0) larger[findSlot(larger, stored - 1)] = stored;
    }
    this.#slots = larger;
  }
}

/** The slot that holds the value, or the empty one where it belongs. */
function findSlot(slots: Float64Array, value: number): number {
  const mask = slots.length - 1;
  const low = value % 0x1_0000_0000;
  const high = Math.floor(value / 0x1_0000_0000);
  let hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 15;
  let at = Math.imul(hash, 0xc2b2ae35) >>> 0 & mask;
  while (slots[at] !== 0 && slots[at] !== value + 1) at = (at + 1) & mask;
  return at;
}
