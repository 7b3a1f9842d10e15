/**
 * Opening a persistent store: which ranges of the COW device to read, and what they mean (S-30…S-39, S-42, S-7).
 *
 * Pure and incremental. `wanted` is the range that the loader waits for, `ahead(n)` the n-th one behind it, so that a caller
 * may have many reads under way (S-36); the bytes are fed in order. Opening writes nothing.
 *
 *   loader = new StoreLoader(options, sink)
 *   while ((range = loader.wanted) !== undefined) loader.feed(bytes of range)      // or loader.fail(errno)
 *   loader.result()
 *
 * A store that the rules refuse throws a SnapringError (ENXIO, EINVAL, EIO) out of `feed`; what the sink has got by then is
 * void. Duplicates are found by two sets of chunk numbers that live only while the store is being opened; a caller that orders
 * the exceptions by old chunk anyway may look for those of old chunks itself.
 */
import { assert } from "../base/assert.ts";
import { SnapringError, errnoName, type ErrnoName } from "../base/errno.ts";
import { exactSize } from "../base/size-text.ts";
import { divCeil, divFloor, SECTOR_BYTES, type Area, type Chunk, type Sector } from "../base/units.ts";
import { chunkSizeFault, resolveChunkSize, type BlockSizes } from "../format/chunk-size.ts";
import { CowGeometry, FIRST_DATA_CHUNK } from "../format/cow-geometry.ts";
import {
  decodeHeader,
  HEADER_BYTES,
  SNAP_MAGIC,
  SNAPSHOT_DISK_VERSION,
  type DiskHeader,
} from "../format/disk-header.ts";
import { MetadataArea } from "../format/metadata-area.ts";
import { ChunkSet } from "./chunk-set.ts";
import type { LoadedStore } from "./loaded-store.ts";

export interface StoreLoadOptions {
  /** Size of the COW device; a tail that is no whole sector is not used (S-18). */
  readonly cowBytes: number;
  /** Supplied chunk size in sectors, 0 for none (S-16). */
  readonly chunkSectors: Sector;
  /** Logical block sizes in bytes. */
  readonly blocks: BlockSizes;
  /** Undefined where the origin is not known: then old chunks are not compared with its end (S-38). */
  readonly originSectors?: number | undefined;
  /** The sink finds old chunks that are there twice (S-38): the loader does not look for them. */
  readonly sinkFindsDuplicates?: boolean | undefined;
}

/** Gets every exception, in order. */
export type ExceptionSink = (oldChunk: Chunk, newChunk: Chunk) => void;

export interface ReadRange {
  /** -1 for the header. */
  readonly area: Area | -1;
  /** In bytes on the COW device. */
  readonly position: number;
  readonly length: number;
}

/** The header is 16 bytes, but a device is read by blocks: this much of chunk 0 at most. */
const HEADER_READ_BYTES = 4096;

export class StoreLoader {
  readonly #options: StoreLoadOptions;
  readonly #sink: ExceptionSink;
  readonly #cowSectors: Sector;
  readonly #warnings: string[] = [];
  readonly #highWater: Chunk[] = [];
  #geometry: CowGeometry;
  #olds: ChunkSet | undefined;
  #news: ChunkSet | undefined;
  #oldLimit = Number.POSITIVE_INFINITY;
  #newLimit = 0;
  #area: Area | -1 = -1;
  #exceptions = 0;
  #largestNew: Chunk = 0;
  #result: LoadedStore | undefined;

  /** Throws EINVAL for a supplied chunk size that the rules refuse, EIO for a device shorter than one chunk (S-30). */
  constructor(options: StoreLoadOptions, sink: ExceptionSink) {
    this.#options = options;
    this.#sink = sink;
    this.#cowSectors = divFloor(options.cowBytes, SECTOR_BYTES);
    this.#geometry = new CowGeometry(resolveChunkSize(options.chunkSectors, options.blocks));
    if (this.#cowSectors < this.#geometry.chunkSectors) {
      throw refuse(
        "EIO",
        `cow device of ${sizeOf(this.#cowSectors)} is shorter than one chunk of ${sizeOf(this.#geometry.chunkSectors)}`,
      );
    }
  }

  /** The range that `feed` expects next; undefined when the store is open. */
  get wanted(): ReadRange | undefined {
    return this.ahead(0);
  }

  /** The n-th range behind the wanted one, worth reading ahead; undefined beyond the device, or before the header is known. */
  ahead(count: number): ReadRange | undefined {
    if (this.#result !== undefined) return undefined;
    if (this.#area === -1) {
      if (count > 0) return undefined;
      return {
        area: -1,
        position: 0,
        length: Math.min(this.#geometry.chunkBytes, Math.max(HEADER_READ_BYTES, this.#options.blocks.cow)),
      };
    }
    const area = this.#area + count;
    if (!this.#geometry.areaFits(area, this.#cowSectors)) return undefined;
    return { area, position: this.#geometry.areaPosition(area), length: this.#geometry.chunkBytes };
  }

  /** The bytes of the wanted range. Throws what S-32…S-39 refuse. */
  feed(bytes: Uint8Array): void {
    const range = this.wanted;
    assert(range !== undefined, "the loader wants something");
    if (range.area === -1) {
      assert(bytes.length >= HEADER_BYTES, "the header is whole");
      this.#feedHeader(decodeHeader(bytes));
    } else {
      assert(bytes.length === range.length, "an area is whole");
      this.#feedArea(range.area, new MetadataArea(bytes));
    }
  }

  /** The wanted range could not be read: opening fails with that error (S-37). */
  fail(errorNumber: number): never {
    const what = this.#area === -1 ? "the header" : `area ${this.#area}`;
    throw refuse(
      errnoName(errorNumber) as ErrnoName,
      `cannot read ${what} of the cow device (${errnoName(errorNumber)})`,
    );
  }

  /** Only when nothing is wanted any more. */
  result(): LoadedStore {
    assert(this.#result !== undefined, "the store is open");
    return this.#result;
  }

  #feedHeader(header: DiskHeader): void {
    if (header.magic === 0) return this.#finishNew();
    if (header.magic !== SNAP_MAGIC) throw refuse("ENXIO", "Invalid or corrupt snapshot");
    this.#adoptChunkSize(header.chunkSectors);
    if (header.version !== SNAPSHOT_DISK_VERSION) {
      throw refuse("EINVAL", `unable to handle snapshot disk version ${header.version}`);
    }
    const { chunkSectors } = this.#geometry;
    this.#newLimit = divFloor(this.#cowSectors, chunkSectors);
    if (header.valid === 0) return this.#finish("invalid", 0, new Uint8Array(this.#geometry.chunkBytes), false, false);
    if (this.#options.originSectors !== undefined) this.#oldLimit = divCeil(this.#options.originSectors, chunkSectors);
    if (this.#options.sinkFindsDuplicates !== true) this.#olds = new ChunkSet(this.#oldLimit);
    this.#news = new ChunkSet(this.#newLimit);
    this.#area = 0;
    if (!this.#geometry.areaFits(0, this.#cowSectors))
      throw refuse("EIO", "area 0 is beyond the end of the cow device");
  }

  /** S-33: the header's chunk size wins. */
  #adoptChunkSize(onDisk: Sector): void {
    const supplied = this.#options.chunkSectors;
    if (supplied !== 0 && supplied !== onDisk) {
      this.#warnings.push(`chunk size ${onDisk} in device metadata overrides table chunk size of ${supplied}.`);
    }
    const fault = chunkSizeFault(onDisk, this.#options.blocks);
    if (fault !== undefined) throw refuse("EINVAL", `invalid on-disk chunk size ${onDisk}: ${fault}.`);
    this.#geometry = new CowGeometry(onDisk);
  }

  /** S-36. */
  #feedArea(area: Area, metadata: MetadataArea): void {
    let slot = 0;
    for (; slot < metadata.slots; slot++) {
      const newChunk = metadata.newChunk(slot);
      if (newChunk === 0) break;
      this.#addException(area, metadata, slot, metadata.oldChunk(slot), newChunk);
    }
    this.#exceptions += slot;
    if (slot < metadata.slots) {
      const own = new MetadataArea(metadata.bytes.slice());
      return this.#finish("active", slot, own.bytes, own.clearFrom(slot), false);
    }
    this.#highWater.push(this.#largestNew);
    this.#area = area + 1;
    if (this.#geometry.areaFits(this.#area, this.#cowSectors)) return;
    this.#finish("active", 0, new Uint8Array(this.#geometry.chunkBytes), false, true);
  }

  /** S-38, S-39. */
  #addException(area: Area, metadata: MetadataArea, slot: number, oldChunk: Chunk, newChunk: Chunk): void {
    if (!(newChunk < this.#newLimit)) {
      const end = `the end of the cow device (${this.#newLimit} chunks)`;
      throw corrupt(area, slot, `new chunk ${metadata.newChunkText(slot)} is beyond ${end}`);
    }
    if (this.#geometry.isMetadataChunk(newChunk))
      throw corrupt(area, slot, `new chunk ${newChunk} is a metadata chunk`);
    if (oldChunk === Number.POSITIVE_INFINITY || !(oldChunk < this.#oldLimit)) {
      const end =
        this.#oldLimit === Number.POSITIVE_INFINITY
          ? "what a chunk number may be"
          : `the end of the origin (${this.#oldLimit} chunks)`;
      throw corrupt(area, slot, `old chunk ${metadata.oldChunkText(slot)} is beyond ${end}`);
    }
    if (this.#olds !== undefined && !this.#olds.add(oldChunk))
      throw corrupt(area, slot, `old chunk ${oldChunk} appears twice`);
    if (!this.#news!.add(newChunk)) throw corrupt(area, slot, `new chunk ${newChunk} appears twice`);
    if (newChunk > this.#largestNew) this.#largestNew = newChunk;
    this.#sink(oldChunk, newChunk);
  }

  /** S-31: of fewer than two chunks, EIO before anything is written. */
  #finishNew(): void {
    if (!this.#geometry.areaFits(0, this.#cowSectors)) {
      throw refuse(
        "EIO",
        `cow device of ${sizeOf(this.#cowSectors)} has no room for a header and an area of ${sizeOf(this.#geometry.chunkSectors)} each`,
      );
    }
    this.#area = 0;
    this.#finish("new", 0, new Uint8Array(this.#geometry.chunkBytes), false, false);
  }

  #finish(
    state: LoadedStore["state"],
    committed: number,
    area: Uint8Array,
    staleTail: boolean,
    areaMissing: boolean,
  ): void {
    const geometry = this.#geometry;
    this.#olds = undefined;
    this.#news = undefined;
    this.#result = {
      state,
      persistent: true,
      chunkSectors: geometry.chunkSectors,
      cowSectors: this.#cowSectors,
      exceptions: this.#exceptions,
      nextFree: geometry.skipMetadata(Math.max(FIRST_DATA_CHUNK, this.#largestNew + 1)),
      currentArea: Math.max(0, this.#area),
      committed,
      area,
      staleTail,
      areaMissing,
      highWater: this.#highWater,
      warnings: this.#warnings,
    };
  }
}

function refuse(code: ErrnoName, message: string): SnapringError {
  return new SnapringError(code, message);
}

function corrupt(area: Area, slot: number, fact: string): SnapringError {
  return refuse("EIO", `corrupt snapshot: exception ${slot} of area ${area}: ${fact}`);
}

function sizeOf(sectors: Sector): string {
  return exactSize(sectors * SECTOR_BYTES);
}
