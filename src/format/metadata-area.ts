/**
 * One metadata area, or the beginning or a piece of it: an array of exceptions, which fills one chunk.
 *
 *   slot 0                     slot 1                            slot EPA-1
 *   ┌───────────┬────────────┬───────────┬────────────┬── … ──┬───────────┬────────────┐
 *   │ u64 old   │ u64 new    │ u64 old   │ u64 new    │       │ u64 old   │ u64 new    │   little-endian
 *   └───────────┴────────────┴───────────┴────────────┴── … ──┴───────────┴────────────┘
 *
 * A new chunk of 0 ends the list: chunk 0 is the header, so it is no valid target (S-3). What stands behind that end
 * marker may be stale (S-7). A view over somebody's bytes, without a copy of them; it judges no value.
 */
import { assert } from "../base/assert.ts";
import { readU64LE, u64Text, writeU64LE } from "../base/u64.ts";
import { divExact, type Chunk } from "../base/units.ts";
import { EXCEPTION_BYTES } from "./cow-geometry.ts";

export class MetadataArea {
  readonly bytes: Uint8Array;
  readonly slots: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.slots = divExact(bytes.length, EXCEPTION_BYTES);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Infinity where it is above 2^53 - 1. */
  oldChunk(slot: number): Chunk {
    return readU64LE(this.#view, slot * EXCEPTION_BYTES);
  }

  /** 0 ends the list (S-3); Infinity where it is above 2^53 - 1. */
  newChunk(slot: number): Chunk {
    return readU64LE(this.#view, slot * EXCEPTION_BYTES + 8);
  }

  /** The exact value, for a message that names a corrupt one. */
  oldChunkText(slot: number): string {
    return this.#text(slot * EXCEPTION_BYTES);
  }

  newChunkText(slot: number): string {
    return this.#text(slot * EXCEPTION_BYTES + 8);
  }

  set(slot: number, oldChunk: Chunk, newChunk: Chunk): void {
    assert(slot >= 0 && slot < this.slots, "slot inside the area");
    assert(newChunk !== 0, "a new chunk of 0 would end the list");
    writeU64LE(this.#view, slot * EXCEPTION_BYTES, oldChunk);
    writeU64LE(this.#view, slot * EXCEPTION_BYTES + 8, newChunk);
  }

  /** Zero every slot from this one on; true if any byte was not zero. */
  clearFrom(slot: number): boolean {
    const stale = !this.isClearFrom(slot);
    if (stale) this.bytes.fill(0, slot * EXCEPTION_BYTES);
    return stale;
  }

  /** Every byte from this slot on is zero. */
  isClearFrom(slot: number): boolean {
    const view = this.#view;
    // By words: an area may have a gibibyte.
    for (let at = slot * EXCEPTION_BYTES; at < this.bytes.length; at += EXCEPTION_BYTES) {
      const low = view.getInt32(at, true) | view.getInt32(at + 4, true);
      if ((low | view.getInt32(at + 8, true) | view.getInt32(at + 12, true)) !== 0) return false;
    }
    return true;
  }

  #text(at: number): string {
    return u64Text(this.#view.getInt32(at, true), this.#view.getInt32(at + 4, true));
  }
}
