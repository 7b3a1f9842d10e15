/**
 * Old chunk → new chunk for a snapshot that is read as a whole: pages of new chunks, found by the old one.
 *
 *   page = old div 1024 ──▶ Float64Array(1024) of new chunk, 0 for none
 *
 * At most 8 bytes per chunk of the origin, and only for pages that hold an exception. It only grows.
 */
import type { Chunk } from "../base/units.ts";

const PAGE_CHUNKS = 1024;

export class ExceptionMap {
  readonly #pages = new Map<number, Float64Array>();

  set(oldChunk: Chunk, newChunk: Chunk): void {
    const at = Math.floor(oldChunk / PAGE_CHUNKS);
    let page = this.#pages.get(at);
    if (page === undefined) {
      page = new Float64Array(PAGE_CHUNKS);
      this.#pages.set(at, page);
    }
    page[oldChunk % PAGE_CHUNKS] = newChunk;
  }

  /** 0: there is no exception. */
  get(oldChunk: Chunk): Chunk {
    return this.#pages.get(Math.floor(oldChunk / PAGE_CHUNKS))?.[oldChunk % PAGE_CHUNKS] ?? 0;
  }
}
