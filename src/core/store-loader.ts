/**
 * Opening a persistent store: which ranges of the COW device to read, and what they mean (S-30…S-39, S-42, S-7).
 *
 * Pure and incremental. `wanted` is the range that the loader waits for, `ahead(n)` the n-th one behind it, so that a caller
 * may have many reads under way (S-36); the bytes are fed in order. Areas come in pieces of a MiB at most, and what is kept of them is
 * what they list: a header that claims chunks of a gibibyte costs no more memory than another. Opening writes nothing.
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
import { errnoWhy } from "../base/errno-words.ts";
import { exactSize } from "../base/size-text.ts";
import { divCeil, divFloor, SECTOR_BYTES, type Area, type Chunk, type Sector } from "../base/units.ts";
import { chunkSizeFault, resolveChunkSize, type BlockSizes } from "../format/chunk-size.ts";
import { CowGeometry, EXCEPTION_BYTES, FIRST_DATA_CHUNK } from "../format/cow-geometry.ts";
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
  /** Of this area, in bytes. */
  #fed = 0;
  /** Of this area: its pieces so far, as far as they list exceptions, and how many those are. */
  #listed: Uint8Array[] = [];
  #committed = 0;
  /** The list has ended in this area: what is left of it is looked at for stale bytes only. */
  #ended = false;
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

  /** As far as it is known: before the header has been fed, it is a guess. */
  get chunkBytes(): number {
    return this.#geometry.chunkBytes;
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
    const { chunkBytes, areaPieceBytes } = this.#geometry;
    const at = this.#fed + count * areaPieceBytes;
    const area = this.#area + divFloor(at, chunkBytes);
    if (this.#ended && area > this.#area) return undefined;
    if (!this.#geometry.areaFits(area, this.#cowSectors)) return undefined;
    return { area, position: this.#geometry.areaPosition(area) + (at % chunkBytes), length: areaPieceBytes };
  }

  /** The bytes of the wanted range. Throws what S-32…S-39 refuse. */
  feed(bytes: Uint8Array): void {
    const range = this.wanted;
    assert(range !== undefined, "the loader wants something");
    if (range.area === -1) {
      assert(bytes.length >= HEADER_BYTES, "the header is whole");
      this.#feedHeader(decodeHeader(bytes));
    } else {
      assert(bytes.length === range.length, "a piece of an area is whole");
      this.#feedPiece(range.area, new MetadataArea(bytes));
    }
  }

  /** The wanted range could not be read: opening fails with that error (S-37). */
  fail(errorNumber: number): never {
    const what = this.#area === -1 ? "the header" : `area ${this.#area}`;
    throw refuse(
      errnoName(errorNumber) as ErrnoName,
      `cannot read ${what} of the cow device: ${errnoWhy(errorNumber)}`,
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
    if (header.valid === 0) return this.#finish("invalid", false, false);
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

  /** A part of an area: its exceptions, up to the end of the list (S-36). */
  #feedPiece(area: Area, piece: MetadataArea): void {
    this.#fed += piece.bytes.length;
    const isLast = this.#fed === this.#geometry.chunkBytes;
    const slots = this.#ended ? 0 : this.#feedExceptions(area, piece);
    if (slots === piece.slots && isLast) return this.#nextArea(area);
    if (slots > 0) this.#listed.push(piece.bytes.slice(0, slots * EXCEPTION_BYTES));
    if (slots === piece.slots) return;
    this.#ended = true;
    // What is behind the end of the list and not zero would come back to life (S-7).
    const isStale = !piece.isClearFrom(slots);
    if (isStale || isLast) this.#finish("active", isStale, false);
  }

  /** How many the piece has, up to the end of the list. */
  #feedExceptions(area: Area, piece: MetadataArea): number {
    let slot = 0;
    for (; slot < piece.slots; slot++) {
      const newChunk = piece.newChunk(slot);
      if (newChunk === 0) break;
      this.#addException(area, piece, slot, piece.oldChunk(slot), newChunk);
    }
    this.#exceptions += slot;
    this.#committed += slot;
    return slot;
  }

  /** This one is full. */
  #nextArea(area: Area): void {
    this.#highWater.push(this.#largestNew);
    this.#area = area + 1;
    this.#fed = 0;
    this.#listed = [];
    this.#committed = 0;
    if (!this.#geometry.areaFits(this.#area, this.#cowSectors)) this.#finish("active", false, true);
  }

  /** One exception, unless it cannot be true: then the store is refused, with its place (S-38, S-39). */
  #addException(area: Area, piece: MetadataArea, slot: number, oldChunk: Chunk, newChunk: Chunk): void {
    if (!(newChunk < this.#newLimit)) {
      const end = `the end of the cow device (${this.#newLimit} chunks)`;
      throw this.#corrupt(area, slot, `new chunk ${piece.newChunkText(slot)} is beyond ${end}`);
    }
    if (this.#geometry.isMetadataChunk(newChunk))
      throw this.#corrupt(area, slot, `new chunk ${newChunk} is a metadata chunk`);
    if (oldChunk === Number.POSITIVE_INFINITY || !(oldChunk < this.#oldLimit)) {
      const end =
        this.#oldLimit === Number.POSITIVE_INFINITY
          ? "what a chunk number may be"
          : `the end of the origin (${this.#oldLimit} chunks)`;
      throw this.#corrupt(area, slot, `old chunk ${piece.oldChunkText(slot)} is beyond ${end}`);
    }
    if (this.#olds !== undefined && !this.#olds.add(oldChunk))
      throw this.#corrupt(area, slot, `old chunk ${oldChunk} appears twice`);
    if (!this.#news!.add(newChunk)) throw this.#corrupt(area, slot, `new chunk ${newChunk} appears twice`);
    if (newChunk > this.#largestNew) this.#largestNew = newChunk;
    this.#sink(oldChunk, newChunk);
  }

  /** `slot`: of the piece that is being fed, of which nothing has been counted yet. */
  #corrupt(area: Area, slot: number, fact: string): SnapringError {
    return refuse("EIO", `corrupt snapshot: exception ${this.#committed + slot} of area ${area}: ${fact}`);
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
    this.#finish("new", false, false);
  }

  #finish(state: LoadedStore["state"], staleTail: boolean, areaMissing: boolean): void {
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
      committed: this.#committed,
      area: joined(this.#listed),
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

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function sizeOf(sectors: Sector): string {
  return exactSize(sectors * SECTOR_BYTES);
}
