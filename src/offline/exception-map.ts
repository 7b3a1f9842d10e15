/**
 * Old chunk → new chunk for a store that is handled as a whole: pages of new chunks, found by the old one.
 *
 *   page = old div 1024 ──▶ Float64Array(1024) of new chunk, 0 for none
 *
 * At most 8 bytes per chunk of the origin, and only for pages that hold, or held, an exception.
 */
import { assert } from "../base/assert.ts";
import type { Chunk } from "../base/units.ts";

const PAGE_CHUNKS = 1024;

export class ExceptionMap {
  readonly #pages = new Map<number, Float64Array>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** There is none for the old chunk yet. */
  set(oldChunk: Chunk, newChunk: Chunk): void {
    const at = Math.floor(oldChunk / PAGE_CHUNKS);
    let page = this.#pages.get(at);
    if (page === undefined) {
      page = new Float64Array(PAGE_CHUNKS);
      this.#pages.set(at, page);
    }
    assert(newChunk !== 0);
    assert(page[oldChunk % PAGE_CHUNKS] === 0, "an old chunk has one exception");
    page[oldChunk % PAGE_CHUNKS] = newChunk;
    this.#count++;
  }

  /** 0: there is no exception. */
  get(oldChunk: Chunk): Chunk {
    return this.#pages.get(Math.floor(oldChunk / PAGE_CHUNKS))?.[oldChunk % PAGE_CHUNKS] ?? 0;
  }

  remove(oldChunk: Chunk): void {
    const page = this.#pages.get(Math.floor(oldChunk / PAGE_CHUNKS));
    assert(page !== undefined && page[oldChunk % PAGE_CHUNKS] !== 0, "the exception is there");
    page[oldChunk % PAGE_CHUNKS] = 0;
    this.#count--;
  }
}
