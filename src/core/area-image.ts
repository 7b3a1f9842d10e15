/**
 * The current area of a persistent store, in memory, and which bytes of it have to be written (S-51, S-53…S-55, S-64, S-68).
 *
 *   ┌── committed ──┬── group in flight ──┬── zero ────────┐
 *   └───────────────┴─────────────────────┴────────────────┘
 *         ▲ metadata blocks that the group touches: only these are written
 *
 * Adding: the group's exceptions are put behind the committed ones, and counted when the write has succeeded. Erasing: the
 * image to write is made in a scratch copy, and applied when the write has succeeded, so a failure changes nothing (S-68).
 * Only the beginning of the area is in memory, as far as it lists anything, and doubled as it is filled; behind it are zeroes: an area may
 * have a gibibyte. `highWater` remembers the largest new chunk up to the end of each full area, for the allocator after a merge (S-64).
 */
import { assert } from "../base/assert.ts";
import { alignDown, alignUp, type Area, type Chunk } from "../base/units.ts";
import { EXCEPTION_BYTES, FIRST_DATA_CHUNK, type CowGeometry } from "../format/cow-geometry.ts";
import { MetadataArea } from "../format/metadata-area.ts";
import type { LoadedStore } from "./loaded-store.ts";

/** So much of an area is in memory from the beginning, or all of it. */
const KEPT_BYTES_MIN: number = 64 * 1024;

/** A range of the device and what to write there; `bytes` is a view that is valid until the image changes. */
export interface MetadataWrite {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export class AreaImage {
  readonly #geometry: CowGeometry;
  readonly #blockBytes: number;
  readonly #highWater: Chunk[];
  #image: MetadataArea;
  #area: Area;
  #committed: number;
  /** First slot behind which stale bytes stand on disk (S-7), -1 for none. */
  #staleFrom: number;
  #missing: boolean;

  constructor(geometry: CowGeometry, metadataBlockBytes: number, loaded: LoadedStore) {
    this.#geometry = geometry;
    this.#blockBytes = Math.min(metadataBlockBytes, geometry.chunkBytes);
    this.#highWater = [...loaded.highWater];
    this.#image = this.#imageOf(loaded.area);
    this.#area = loaded.currentArea;
    this.#committed = loaded.committed;
    this.#staleFrom = loaded.staleTail ? loaded.committed : -1;
    this.#missing = loaded.areaMissing;
    assert(loaded.highWater.length === loaded.currentArea, "one high-water mark per full area");
  }

  get area(): Area {
    return this.#area;
  }

  get committed(): number {
    return this.#committed;
  }

  /** Free slots of the area. */
  get room(): number {
    return this.#geometry.exceptionsPerArea - this.#committed;
  }

  /** Exceptions in the store. */
  get exceptions(): number {
    return this.#area * this.#geometry.exceptionsPerArea + this.#committed;
  }

  /** Its beginning: all exceptions, and at least the block that the last of them is in. */
  get metadata(): MetadataArea {
    return this.#image;
  }

  /** The area did not lie on the device when it was opened: it has to be zeroed once it does (S-42). */
  get missing(): boolean {
    return this.#missing;
  }

  get stale(): boolean {
    return this.#staleFrom >= 0;
  }

  /** Put an exception `ahead` slots behind the committed ones. */
  put(ahead: number, oldChunk: Chunk, newChunk: Chunk): void {
    const slot = this.#committed + ahead;
    assert(slot < this.#geometry.exceptionsPerArea, "a group stays in its area");
    assert(
      newChunk >= FIRST_DATA_CHUNK && !this.#geometry.isMetadataChunk(newChunk),
      "an exception leads to data (S-4)",
    );
    if (slot >= this.#image.slots) this.#image = this.#imageOf(this.#image.bytes, 2 * this.#image.bytes.length);
    this.#image.set(slot, oldChunk, newChunk);
  }

  /** Whether the exception stands so many slots behind the committed ones. */
  has(ahead: number, oldChunk: Chunk, newChunk: Chunk): boolean {
    const slot = this.#committed + ahead;
    return this.#image.oldChunk(slot) === oldChunk && this.#image.newChunk(slot) === newChunk;
  }

  /** The blocks that `count` exceptions behind the committed ones touch (S-55). */
  writeOf(count: number): MetadataWrite {
    assert(count > 0 && count <= this.room, "a group is not empty, and fits the area");
    return this.#blocks(this.#image.bytes, this.#area, this.#committed, this.#committed + count);
  }

  /** The write of `count` exceptions has succeeded; true if it filled the area, and the next one is current (S-53c). */
  added(count: number): boolean {
    assert(count <= this.room, "the group fits the area");
    this.#committed += count;
    if (this.room > 0) return false;
    this.#highWater.push(this.#largestNew(this.#committed));
    this.#area += 1;
    this.#committed = 0;
    this.#image = this.#imageOf(new Uint8Array(0));
    return true;
  }

  /** Zeroes over what is stale behind the end marker, `limitBytes` at most (S-7). */
  staleWrite(limitBytes: number): MetadataWrite {
    assert(this.stale && this.#staleFrom >= this.#committed, "what is stale stands behind what is committed");
    const slots = Math.max(1, Math.floor(limitBytes / EXCEPTION_BYTES));
    const last = Math.min(this.#geometry.exceptionsPerArea, this.#staleFrom + slots);
    const [start, end] = this.#range(this.#staleFrom, last);
    const bytes = new Uint8Array(end - start);
    bytes.set(this.#image.bytes.subarray(start, end));
    return { position: this.#geometry.areaPosition(this.#area) + start, bytes };
  }

  staleWritten(write: MetadataWrite): void {
    const end = (write.position + write.bytes.length - this.#geometry.areaPosition(this.#area)) / EXCEPTION_BYTES;
    this.#staleFrom = end >= this.#geometry.exceptionsPerArea ? -1 : end;
  }

  /** A block of zeroes at the start of the missing area; it comes behind the zeroing of the whole. */
  firstBlock(): MetadataWrite {
    return this.#blocks(this.#image.bytes, this.#area, 0, 1);
  }

  found(): void {
    assert(this.#committed === 0, "an area that was missing holds nothing");
    this.#missing = false;
  }

  /** What to write so that an area ends at a slot; `scratch` holds its content and is changed (S-64). */
  eraseOf(area: Area, scratch: Uint8Array, from: number, to: number): MetadataWrite {
    new MetadataArea(scratch.subarray(0, to * EXCEPTION_BYTES)).clearFrom(from);
    return this.#blocks(scratch, area, from, to);
  }

  /** The erasing write has succeeded: this area is current, with this content and this many exceptions. */
  shrunk(area: Area, image: MetadataArea, committed: number): void {
    assert(area < this.#area || (area === this.#area && committed <= this.#committed), "a merge goes backwards");
    image.clearFrom(committed);
    this.#area = area;
    this.#image = image;
    this.#committed = committed;
    this.#missing = false;
    this.#highWater.length = area;
  }

  /** S-36, from the exceptions that are there. */
  nextFree(): Chunk {
    return this.#geometry.skipMetadata(Math.max(FIRST_DATA_CHUNK, this.#largestNew(this.#committed) + 1));
  }

  #largestNew(committed: number): Chunk {
    let largest = this.#area > 0 ? this.#highWater[this.#area - 1]! : 0;
    for (let slot = 0; slot < committed; slot++) largest = Math.max(largest, this.#image.newChunk(slot));
    return largest;
  }

  #blocks(bytes: Uint8Array, area: Area, from: number, to: number): MetadataWrite {
    const [start, end] = this.#range(from, to);
    assert(end <= bytes.length, "the image covers what is written");
    assert(from < to && start % this.#blockBytes === 0, "whole blocks are written (S-55)");
    return { position: this.#geometry.areaPosition(area) + start, bytes: bytes.subarray(start, end) };
  }

  /** In bytes: the blocks of these slots. */
  #range(from: number, to: number): readonly [start: number, end: number] {
    return [alignDown(from * EXCEPTION_BYTES, this.#blockBytes), alignUp(to * EXCEPTION_BYTES, this.#blockBytes)];
  }

  /** Of an area that begins with these bytes: whole blocks, of `bytesMin` at least where the area has as many. */
  #imageOf(listed: Uint8Array, bytesMin = Math.max(KEPT_BYTES_MIN, this.#blockBytes)): MetadataArea {
    const { chunkBytes } = this.#geometry;
    assert(listed.length <= chunkBytes, "an area fits its chunk");
    let length = Math.min(chunkBytes, bytesMin);
    while (length < listed.length) length *= 2;
    const bytes = new Uint8Array(length);
    bytes.set(listed);
    return new MetadataArea(bytes);
  }
}
