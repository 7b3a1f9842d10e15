/**
 * The rules for a chunk size (S-15…S-19), in the order in which dm-snapshot checks them.
 *
 * `chunkSizeFault` returns words instead of an error, because the same rules apply to a supplied size (the words are the
 * message) and to the one in the header (the words are a part of it, S-33).
 */
import { SnapringError } from "../base/errno.ts";
import { divFloor, isPowerOfTwo, SECTOR_BYTES, type Sector } from "../base/units.ts";

/** What a store gets that names no chunk size: 16 KiB (S-16). */
const DEFAULT_CHUNK_SECTORS: Sector = 32;

/** (2^31 - 1) / 512, rounded down (S-19). */
const CHUNK_SECTORS_MAX: Sector = 4194303;

/** Logical block sizes in bytes; a regular file counts as 512 (S-18). */
export interface BlockSizes {
  /** Undefined where the origin is not known. */
  readonly origin?: number | undefined;
  readonly cow: number;
}

/** The number of sectors that a word names (S-15); 0 is "not supplied" (S-16). */
export function parseChunkSize(text: string): Sector {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffff_ffff)) throw new SnapringError("EINVAL", "Invalid chunk size");
  return value;
}

/** What is wrong with a chunk size (S-17…S-19), without a full stop; undefined if nothing. 0 is a fault here. */
export function chunkSizeFault(chunkSectors: Sector, blocks: BlockSizes): string | undefined {
  if (!isPowerOfTwo(chunkSectors)) return "Chunk size is not a power of 2";
  const bytes = chunkSectors * SECTOR_BYTES;
  if (bytes % blocks.cow !== 0 || (blocks.origin !== undefined && bytes % blocks.origin !== 0)) {
    return "Chunk size is not a multiple of device blocksize";
  }
  if (chunkSectors > CHUNK_SECTORS_MAX) return "Chunk size is too high";
  return undefined;
}

/** The chunk size to start with: the supplied one, checked, or for 0 the default (S-16). EINVAL with the row's words. */
export function resolveChunkSize(supplied: Sector, blocks: BlockSizes): Sector {
  if (supplied === 0)
    return Math.max(
      DEFAULT_CHUNK_SECTORS,
      divFloor(blocks.cow, SECTOR_BYTES),
      divFloor(blocks.origin ?? 0, SECTOR_BYTES),
    );
  const fault = chunkSizeFault(supplied, blocks);
  if (fault !== undefined) throw new SnapringError("EINVAL", fault);
  return supplied;
}
