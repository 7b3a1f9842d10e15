/**
 * A set of chunk numbers that only grows: finds duplicates among ten million exceptions in about a second (S-38).
 *
 * A bitmap in pages that are made when they are first needed: new chunks lie close together, so it stays small and fast.
 * Numbers that are spread so thin that the pages would waste memory (an unknown, huge origin) turn the set, once, into open
 * addressing in one Float64Array, at most half full. Typed arrays both: no object per number.
 */
import type { Chunk } from "../base/units.ts";

const PAGE_SHIFT = 15;
const PAGE_BITS: number = 2 ** PAGE_SHIFT;
const PAGE_WORDS: number = PAGE_BITS / 32;
/** Directories with more pages than this are a Map. */
const DIRECTORY_MAX = 2 ** 20;
/** With fewer pages than this (64 MiB) the set is not turned over. */
const PAGES_MIN = 2 ** 14;
/** A page costs as much as this many hashed numbers. */
const THIN = 256;
const SLOTS_MIN = 1024;

export class ChunkSet {
  readonly #flat: (Uint32Array | undefined)[] | undefined;
  readonly #sparse: Map<number, Uint32Array> = new Map();
  #pages = 0;
  #count = 0;
  /** Values plus 1, so that 0 is an empty slot; undefined while the set is a bitmap. */
  #slots: Float64Array | undefined;

  /** `limit`: every value is below it (Infinity where unknown). */
  constructor(limit: number) {
    const pages = Math.ceil(limit / PAGE_BITS);
    if (pages <= DIRECTORY_MAX) this.#flat = Array.from({ length: pages });
  }

  /** False if the value was there already. */
  add(value: Chunk): boolean {
    if (this.#slots !== undefined) return this.#addHashed(value);
    // Whole words where they will do: a store is ten million of these.
    const small = value | 0;
    const isSmall = small === value;
    const number = isSmall ? small >>> PAGE_SHIFT : Math.floor(value / PAGE_BITS);
    const page = this.#flat === undefined ? this.#sparse.get(number) : this.#flat[number];
    if (page === undefined) return this.#addPage(number, value);
    const bit = isSmall ? small & (PAGE_BITS - 1) : value % PAGE_BITS;
    const mask = 1 << (bit & 31);
    if ((page[bit >>> 5]! & mask) !== 0) return false;
    page[bit >>> 5]! |= mask;
    this.#count += 1;
    return true;
  }

  #addPage(number: number, value: Chunk): boolean {
    if (this.#pages >= PAGES_MIN && this.#count < this.#pages * THIN) {
      this.#turnOver();
      return this.#addHashed(value);
    }
    const page = new Uint32Array(PAGE_WORDS);
    if (this.#flat === undefined) this.#sparse.set(number, page);
    else this.#flat[number] = page;
    this.#pages += 1;
    return this.add(value);
  }

  #turnOver(): void {
    let length = SLOTS_MIN;
    while (length < this.#count * 4) length *= 2;
    const slots = new Float64Array(length);
    const take = (page: Uint32Array | undefined, number: number): void => {
      for (let word = 0; page !== undefined && word < PAGE_WORDS; word++) {
        for (let rest = page[word]!; rest !== 0; rest &= rest - 1) {
          const value = number * PAGE_BITS + word * 32 + 31 - Math.clz32(rest & -rest);
          slots[findSlot(slots, value)] = value + 1;
        }
      }
    };
    this.#flat?.forEach(take);
    this.#sparse.forEach(take);
    this.#flat?.fill(undefined);
    this.#sparse.clear();
    this.#slots = slots;
  }

  #addHashed(value: Chunk): boolean {
    let slots = this.#slots!;
    if (this.#count * 2 >= slots.length) {
      const larger = new Float64Array(slots.length * 2);
      for (const stored of slots) if (stored !== 0) larger[findSlot(larger, stored - 1)] = stored;
      this.#slots = slots = larger;
    }
    const at = findSlot(slots, value);
    if (slots[at] !== 0) return false;
    slots[at] = value + 1;
    this.#count += 1;
    return true;
  }
}

/** The slot that holds the value, or the empty one where it belongs. */
function findSlot(slots: Float64Array, value: number): number {
  const mask = slots.length - 1;
  const high = Math.floor(value / 0x1_0000_0000);
  let hash = Math.imul((value % 0x1_0000_0000) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 15;
  let at = (Math.imul(hash, 0xc2b2ae35) >>> 0) & mask;
  while (slots[at] !== 0 && slots[at] !== value + 1) at = (at + 1) & mask;
  return at;
}
