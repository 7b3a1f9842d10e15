/**
 * One metadata area: an array of exceptions that fills one chunk.
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
    const tail = this.bytes.subarray(slot * EXCEPTION_BYTES);
    const stale = !isZero(tail);
    if (stale) tail.fill(0);
    return stale;
  }

  #text(at: number): string {
    return u64Text(this.#view.getInt32(at, true), this.#view.getInt32(at + 4, true));
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
