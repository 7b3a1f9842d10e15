/**
 * Hands out chunks of a COW device (S-40, S-42, S-43).
 *
 * Chunks are taken in ascending order. They come back where a merge is left (S-64), and where the file system had no room for
 * their data (E-8). The slot that the
 * exception will take is counted apart, because there may be holes between new chunks and slots (S-6): the last slot of an
 * area is refused where the next area does not lie wholly on the device, so that the kernel can always open what we wrote.
 * A transient store has neither areas nor a header (S-13).
 */
import { assert } from "../base/assert.ts";
import { divFloor, type Chunk, type Sector } from "../base/units.ts";
import { FIRST_DATA_CHUNK, type CowGeometry } from "../format/cow-geometry.ts";

export class Allocator {
  readonly #geometry: CowGeometry;
  readonly #persistent: boolean;
  #cowSectors: Sector;
  #nextFree: Chunk;
  /** Exceptions that have or will get a slot, from the first of area 0 on. */
  #slots: number;
  /** Reserved and not claimed. */
  readonly #reserved = new Set<Chunk>();
  /** Below `nextFree`, and taken back from the workers or given back: these are handed out first. */
  #free: Chunk[] = [];

  constructor(geometry: CowGeometry, persistent: boolean, cowSectors: Sector, nextFree: Chunk, slots: number) {
    this.#geometry = geometry;
    this.#persistent = persistent;
    this.#cowSectors = cowSectors;
    this.#nextFree = nextFree;
    this.#slots = slots;
  }

  get nextFree(): Chunk {
    return this.#nextFree;
  }

  get cowSectors(): Sector {
    return this.#cowSectors;
  }

  /** Sectors from the start of the device that are in use: it cannot shrink below (E-45). */
  get usedSectors(): Sector {
    const geometry = this.#geometry;
    const behind = this.#nextFree - 1;
    const last = this.#persistent && geometry.isMetadataChunk(behind) ? behind - 1 : behind;
    const area = this.#persistent ? geometry.areaChunk(divFloor(this.#slots, geometry.exceptionsPerArea)) : -1;
    return (Math.max(last, area) + 1) * geometry.chunkSectors;
  }

  /**
   * Chunks up to the end of what is used, as if those that hold nothing had not been taken: what the status line counts (S-44, S-71). An area that only they
   * lie behind is not reached yet.
   */
  get used(): number {
    return this.#persistent
      ? this.#geometry.dataChunkBefore(this.#nextFree, this.unused)
      : this.#nextFree - this.unused;
  }

  hasSpace(): boolean {
    const geometry = this.#geometry;
    const room = this.#cowSectors >= (this.#nextFree + 1) * geometry.chunkSectors;
    return (room || this.#free.length > 0) && (!this.#persistent || this.#hasSlot());
  }

  /** The last slot of an area is none where the next area does not fit the device (S-42). */
  #hasSlot(): boolean {
    const geometry = this.#geometry;
    const next = this.#slots + 1;
    if (next % geometry.exceptionsPerArea !== 0) return true;
    return geometry.areaFits(divFloor(next, geometry.exceptionsPerArea), this.#cowSectors);
  }

  /** The new chunk, or -1 for no space: then nothing has changed. */
  allocate(): Chunk | -1 {
    if (!this.hasSpace()) return -1;
    this.#slots += 1;
    return this.#checked(this.#free.shift() ?? this.#takeNext());
  }

  /**
   * A chunk that a worker may fill before main knows of the exception, or -1: only where `margin` more chunks are free, so that
   * reserves never make a store full (S-44). Its slot is taken by `claim`; a reserve that is never claimed stays a hole (S-6).
   */
  reserve(margin: number): Chunk | -1 {
    const geometry = this.#geometry;
    if (this.#cowSectors < (this.#nextFree + margin) * geometry.chunkSectors) return -1;
    const chunk = this.#checked(this.#takeNext());
    this.#reserved.add(chunk);
    return chunk;
  }

  /** The slot of a reserved chunk; false: there is none (S-42), nothing has changed. */
  claim(chunk: Chunk): boolean {
    if (this.#persistent && !this.#hasSlot()) return false;
    assert(this.#reserved.delete(chunk), "the chunk is in reserve");
    this.#slots += 1;
    return true;
  }

  /** The data of the exception that took this chunk never came there, and the exception is left out: chunk and slot are free again. */
  giveBack(chunk: Chunk): void {
    assert(chunk < this.#nextFree && !this.#reserved.has(chunk), "the chunk was handed out");
    this.#slots -= 1;
    assert(this.#slots >= 0, "no more slots come back than were taken");
    this.#free.push(chunk);
    this.#free.sort((a, b) => a - b);
  }

  /** Nobody fills a reserved chunk any more: they are free again. */
  reclaim(): void {
    this.#free = [...this.#free, ...this.#reserved].sort((a, b) => a - b);
    this.#reserved.clear();
  }

  /** Chunks that are reserved and not claimed. */
  get reserved(): number {
    return this.#reserved.size;
  }

  /** Chunks below `nextFree` that hold nothing, because they are reserved or came back: the status does not count them. */
  get unused(): number {
    return this.#reserved.size + this.#free.length;
  }

  /** The device has another size: allocation goes on to its new end (S-43). */
  resize(cowSectors: Sector): void {
    assert(cowSectors >= this.#cowSectors || cowSectors >= this.usedSectors, "what is used stays on the device (E-45)");
    this.#cowSectors = cowSectors;
  }

  /** After a merge has been left: from the exceptions that remain (S-64). */
  restart(nextFree: Chunk, slots: number): void {
    assert(!this.#geometry.isMetadataChunk(nextFree), "a metadata chunk is never handed out");
    assert(nextFree >= FIRST_DATA_CHUNK && nextFree <= this.#nextFree, "a merge takes chunks away, and gives none out");
    assert(slots >= 0 && slots <= this.#slots, "a merge takes exceptions away");
    this.#nextFree = nextFree;
    this.#slots = slots;
    this.#reserved.clear();
    this.#free = [];
  }

  /** What is handed out: data only, and inside the device (S-4, S-40). */
  #checked(chunk: Chunk): Chunk {
    const geometry = this.#geometry;
    if (this.#persistent)
      assert(chunk >= FIRST_DATA_CHUNK && !geometry.isMetadataChunk(chunk), "a new chunk holds data");
    assert((chunk + 1) * geometry.chunkSectors <= this.#cowSectors, "a new chunk lies on the device");
    assert(!this.#reserved.has(chunk), "a chunk has one owner");
    return chunk;
  }

  /** Walk what is free and reserved: below `nextFree`, data, each once (VERIFY). */
  verify(): void {
    let before = -1;
    for (const chunk of this.#free) {
      assert(chunk > before, "free chunks ascend, each once");
      assert(!this.#reserved.has(chunk), "a chunk is free or in reserve");
      this.#verifyBelow(chunk);
      before = chunk;
    }
    for (const chunk of this.#reserved) this.#verifyBelow(chunk);
    if (this.#persistent) assert(!this.#geometry.isMetadataChunk(this.#nextFree), "the next chunk holds data");
  }

  #verifyBelow(chunk: Chunk): void {
    assert(chunk < this.#nextFree, "what came back had been handed out");
    if (this.#persistent) assert(!this.#geometry.isMetadataChunk(chunk), "a metadata chunk is never handed out");
  }

  #takeNext(): Chunk {
    const chunk = this.#nextFree;
    this.#nextFree = this.#persistent ? this.#geometry.nextDataChunk(chunk) : chunk + 1;
    return chunk;
  }
}
