/**
 * Where things lie on a COW device: pure arithmetic over the chunk size.
 *
 *   chunk 0    chunk 1    chunks 2 … EPA+1     chunk EPA+2   chunks EPA+3 … 2·EPA+2
 *   ┌────────┬──────────┬────────────────────┬─────────────┬────────────────────────┬──
 *   │ header │ area 0   │ data of area 0     │ area 1      │ data of area 1         │ …
 *   └────────┴──────────┴────────────────────┴─────────────┴────────────────────────┴──
 *
 * EPA (exceptions per area) is what one chunk holds of 16-byte exceptions; a stride is an area and its data chunks.
 * Nothing here knows how large the device is: the allocator and the loader compare with that.
 */
import { assert } from "../base/assert.ts";
import { divExact, divFloor, isPowerOfTwo, SECTOR_BYTES, type Area, type Chunk, type Sector } from "../base/units.ts";

/** One exception on disk: u64 old chunk, u64 new chunk. */
export const EXCEPTION_BYTES = 16;

/** An area is read in pieces of this much: a chunk, and so an area, may have a gibibyte, whatever stands in it. */
const AREA_PIECE_BYTES: number = 1024 * 1024;

/** The first chunk that may hold data of a persistent store: behind the header and area 0. */
export const FIRST_DATA_CHUNK: Chunk = 2;

export class CowGeometry {
  readonly chunkSectors: Sector;
  readonly chunkBytes: number;
  /** Exceptions per area (EPA). */
  readonly exceptionsPerArea: number;
  /** Chunks of an area and its data: EPA + 1. */
  readonly stride: number;
  /** An area consists of pieces of this size, one or more. */
  readonly areaPieceBytes: number;

  constructor(chunkSectors: Sector) {
    assert(isPowerOfTwo(chunkSectors), "chunk size is a power of two");
    this.chunkSectors = chunkSectors;
    this.chunkBytes = chunkSectors * SECTOR_BYTES;
    this.exceptionsPerArea = divExact(this.chunkBytes, EXCEPTION_BYTES);
    this.stride = this.exceptionsPerArea + 1;
    this.areaPieceBytes = Math.min(this.chunkBytes, AREA_PIECE_BYTES);
  }

  /** The chunk that holds an area (S-2). */
  areaChunk(area: Area): Chunk {
    return 1 + area * this.stride;
  }

  /** Where an area begins on the device, in bytes. */
  areaPosition(area: Area): number {
    return this.areaChunk(area) * this.chunkBytes;
  }

  /** Chunks that hold areas are never handed out for data (S-4). */
  isMetadataChunk(chunk: Chunk): boolean {
    return chunk % this.stride === 1;
  }

  /** The chunk itself, or the one behind it where it holds an area (S-4). */
  skipMetadata(chunk: Chunk): Chunk {
    return this.isMetadataChunk(chunk) ? chunk + 1 : chunk;
  }

  /** The next data chunk behind a chunk (S-40). */
  nextDataChunk(chunk: Chunk): Chunk {
    return this.skipMetadata(chunk + 1);
  }

  /** Where allocation stood so many data chunks before it came to a chunk (S-40). */
  dataChunkBefore(chunk: Chunk, count: number): Chunk {
    const behind = chunk - FIRST_DATA_CHUNK;
    const index = behind - divFloor(behind, this.stride) - count;
    return FIRST_DATA_CHUNK + index + divFloor(index, this.exceptionsPerArea);
  }

  /** True where the whole area lies on a device of this size (S-42). */
  areaFits(area: Area, cowSectors: Sector): boolean {
    return (this.areaChunk(area) + 1) * this.chunkSectors <= cowSectors;
  }
}
