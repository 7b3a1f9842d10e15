/**
 * Recognisable data: the byte pattern that the kernel oracle's operation lists are written in.
 *
 * Sector by sector, the position counted from the start of the piece (not of the device). Seed 0 is all zeroes. Otherwise,
 * in unsigned 32-bit arithmetic, words little-endian:
 *
 *   base = mix(seed)
 *   sector s, word j (0 … 127):   w[j] = mix(base + (4 s + j mod 4) * 0x9e3779b9);   then w[127] = ~w[127]
 *
 * So a sector is one 16-byte block 32 times, its last word inverted, and no two sectors of any seeds are alike.
 */

const SECTOR_BYTES = 512;
const SECTOR_WORDS = 128;
const BLOCK_WORDS = 4;
const GOLDEN = 0x9e3779b9;

/** `length` bytes of the pattern; the last sector may be cut short. */
export function dataPattern(length: number, seed: number): Buffer {
  const sectors = Math.ceil(length / SECTOR_BYTES);
  const bytes = Buffer.alloc(sectors * SECTOR_BYTES);
  if (seed === 0) return bytes.subarray(0, length);
  const base = mix(seed);
  const block = Buffer.alloc(4 * BLOCK_WORDS);
  for (let sector = 0; sector < sectors; sector++) {
    for (let j = 0; j < BLOCK_WORDS; j++) {
      block.writeUInt32LE(mix((base + Math.imul(BLOCK_WORDS * sector + j, GOLDEN)) >>> 0), 4 * j);
    }
    const at = sector * SECTOR_BYTES;
    bytes.fill(block, at, at + SECTOR_BYTES);
    const last = at + 4 * (SECTOR_WORDS - 1);
    bytes.writeUInt32LE(~bytes.readUInt32LE(last) >>> 0, last);
  }
  return bytes.subarray(0, length);
}

function mix(value: number): number {
  let h = value >>> 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}
