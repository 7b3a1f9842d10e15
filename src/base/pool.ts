/**
 * A pool of records that are made once: taking one allocates nothing, and an empty pool says "not yet". Whoever gives a record back vouches
 * that nobody names it any more.
 */
import { assert } from "./assert.ts";

export class Pool<Record> {
  readonly all: readonly Record[];
  readonly #free: Record[];
  #freeCount: number;

  constructor(count: number, make: (index: number) => Record) {
    this.all = Array.from({ length: count }, (_, i) => make(i));
    this.#free = [...this.all].reverse();
    this.#freeCount = count;
  }

  take(): Record | null {
    if (this.#freeCount === 0) return null;
    return this.#free[--this.#freeCount];
  }

  give(record: Record): void {
    assert(this.#freeCount < this.all.length, "a record was given back twice");
    this.#free[this.#freeCount++] = record;
  }

  free(): number {
    return this.#freeCount;
  }

  used(): number {
    return this.all.length - this.#freeCount;
  }
}
