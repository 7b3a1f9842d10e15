/**
 * Gathers a store's exceptions while it is read, as words that the table loads in one go: 8 bytes for each, no objects; 12 where a
 * chunk number needs more than 32 bits.
 *
 * `expected` is how many there may be at most, as far as that is known: room for them costs address space only until it is used.
 */
import { HUGE_PAGES_EXCEPTIONS } from "../base/constants.ts";
import { highWord, lowWord } from "../base/u64.ts";
import { useHugePages } from "../device/huge-pages.ts";
import type { Chunk } from "../base/units.ts";
import type { ExceptionPairs } from "../table/bulk-load.ts";

const CAPACITY_MIN = 4096;
/** More are made room for when they come. */
const CAPACITY_FIRST_MAX = 2 ** 24;
const LOW_MAX = 0xffff_ffff;

export class ExceptionCollector {
  #count = 0;
  #capacity: number;
  /** Low words, old and new chunk by turns. */
  #pairs: Uint32Array;
  /** From the first chunk number on that needs them; what came before has zeroes there. */
  #oldHigh: Uint16Array | undefined;
  #newHigh: Uint16Array | undefined;

  constructor(expected = 0) {
    this.#capacity = Math.min(CAPACITY_FIRST_MAX, Math.max(CAPACITY_MIN, expected));
    this.#pairs = newPairs(this.#capacity);
  }

  add(oldChunk: Chunk, newChunk: Chunk): void {
    if (this.#count === this.#capacity) this.#grow();
    const i = this.#count++;
    this.#pairs[2 * i] = lowWord(oldChunk);
    this.#pairs[2 * i + 1] = lowWord(newChunk);
    if (oldChunk > LOW_MAX || newChunk > LOW_MAX) this.#addHigh(i, oldChunk, newChunk);
  }

  /** All of them. The words are the taker's: the collector has had its use. */
  take(): ExceptionPairs {
    const end = this.#count;
    return {
      count: end,
      pairs: this.#pairs.subarray(0, 2 * end),
      scratch: newPairs(end),
      oldHigh: this.#oldHigh?.subarray(0, end),
      newHigh: this.#newHigh?.subarray(0, end),
    };
  }

  #addHigh(i: number, oldChunk: Chunk, newChunk: Chunk): void {
    this.#oldHigh ??= new Uint16Array(this.#capacity);
    this.#newHigh ??= new Uint16Array(this.#capacity);
    this.#oldHigh[i] = highWord(oldChunk);
    this.#newHigh[i] = highWord(newChunk);
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#pairs = enlarged(this.#pairs, newPairs(this.#capacity));
    if (this.#oldHigh !== undefined) this.#oldHigh = enlarged(this.#oldHigh, new Uint16Array(this.#capacity));
    if (this.#newHigh !== undefined) this.#newHigh = enlarged(this.#newHigh, new Uint16Array(this.#capacity));
  }
}

/** Costs nothing until it is used. */
function newPairs(exceptions: number): Uint32Array {
  const pairs = new Uint32Array(2 * exceptions);
  if (exceptions >= HUGE_PAGES_EXCEPTIONS) useHugePages(pairs.buffer);
  return pairs;
}

function enlarged<T extends Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
