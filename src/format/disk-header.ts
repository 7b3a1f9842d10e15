/**
 * The header in chunk 0 of a COW device: bytes ↔ values (S-1).
 *
 *   byte 0            4            8             12
 *   ┌───────────────┬────────────┬─────────────┬──────────────────────┬─────────────────
 *   │ magic "SnAp"  │ valid 0/1  │ version 1   │ chunk size, sectors  │ zero to the end
 *   └───────────────┴────────────┴─────────────┴──────────────────────┴─────────────────
 *
 * All little-endian u32. `decodeHeader` judges nothing: the order of the checks (S-31…S-35) is the loader's.
 */
import { assert } from "../base/assert.ts";

/** "SnAp" in memory order. */
export const SNAP_MAGIC = 0x70416e53;
export const SNAPSHOT_DISK_VERSION = 1;
export const HEADER_BYTES = 16;

const AT_MAGIC = 0;
const AT_VALID = AT_MAGIC + 4;
const AT_VERSION = AT_VALID + 4;
const AT_CHUNK_SIZE = AT_VERSION + 4;

export interface DiskHeader {
  readonly magic: number;
  /** 0: dropped; any other value counts as valid (S-35). */
  readonly valid: number;
  readonly version: number;
  /** In sectors. */
  readonly chunkSectors: number;
}

export function decodeHeader(bytes: Uint8Array): DiskHeader {
  assert(bytes.length >= HEADER_BYTES, "header of 16 bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  return {
    magic: view.getUint32(AT_MAGIC, true),
    valid: view.getUint32(AT_VALID, true),
    version: view.getUint32(AT_VERSION, true),
    chunkSectors: view.getUint32(AT_CHUNK_SIZE, true),
  };
}

/** The header of a store of ours, zero beyond byte 16, in `length` bytes. */
export function encodeHeader(valid: boolean, chunkSectors: number, length: number = HEADER_BYTES): Uint8Array {
  assert(length >= HEADER_BYTES, "header of 16 bytes");
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(AT_MAGIC, SNAP_MAGIC, true);
  view.setUint32(AT_VALID, valid ? 1 : 0, true);
  view.setUint32(AT_VERSION, SNAPSHOT_DISK_VERSION, true);
  view.setUint32(AT_CHUNK_SIZE, chunkSectors, true);
  return bytes;
}
