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
  // An allocation of its own begins at a word.
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, sectors * SECTOR_WORDS);
  const base = mix(seed);
  for (let sector = 0; sector < sectors; sector++) {
    const at = sector * SECTOR_WORDS;
    for (let j = 0; j < BLOCK_WORDS; j++) {
      words[at + j] = mix((base + Math.imul(BLOCK_WORDS * sector + j, GOLDEN)) >>> 0);
    }
    for (let done = BLOCK_WORDS; done < SECTOR_WORDS; done *= 2) words.copyWithin(at + done, at, at + done);
    const last = at + SECTOR_WORDS - 1;
    words[last] = ~words[last];
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
