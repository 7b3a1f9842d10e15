/**
 * Gathers a store's exceptions while it is read, as columns that the table loads in one go: 12 bytes for each, no objects.
 */
import { highWord, lowWord } from "../base/u64.ts";
import type { Chunk } from "../base/units.ts";
import type { ExceptionColumns } from "../table/bulk-load.ts";

const FIRST_CAPACITY = 4096;

export class ExceptionCollector {
  #count = 0;
  #oldLow = new Uint32Array(FIRST_CAPACITY);
  #newLow = new Uint32Array(FIRST_CAPACITY);
  #oldHigh = new Uint16Array(FIRST_CAPACITY);
  #newHigh = new Uint16Array(FIRST_CAPACITY);

  add(oldChunk: Chunk, newChunk: Chunk): void {
    if (this.#count === this.#oldLow.length) this.#grow();
    const i = this.#count++;
    this.#oldLow[i] = lowWord(oldChunk);
    this.#newLow[i] = lowWord(newChunk);
    this.#oldHigh[i] = highWord(oldChunk);
    this.#newHigh[i] = highWord(newChunk);
  }

  columns(): ExceptionColumns {
    const end = this.#count;
    return {
      count: end,
      oldLow: this.#oldLow.subarray(0, end),
      newLow: this.#newLow.subarray(0, end),
      oldHigh: this.#oldHigh.subarray(0, end),
      newHigh: this.#newHigh.subarray(0, end),
    };
  }

  #grow(): void {
    const capacity = 2 * this.#oldLow.length;
    this.#oldLow = enlarged(this.#oldLow, new Uint32Array(capacity));
    this.#newLow = enlarged(this.#newLow, new Uint32Array(capacity));
    this.#oldHigh = enlarged(this.#oldHigh, new Uint16Array(capacity));
    this.#newHigh = enlarged(this.#newHigh, new Uint16Array(capacity));
  }
}

function enlarged<T extends Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
