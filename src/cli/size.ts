/**
 * Sizes as people write them: plain bytes, `16K` `10G` (powers of 1024), `32s` (sectors of 512 bytes).
 *
 * Strict on purpose: a size that is read wrongly makes a store of the wrong shape. No fractions, no spaces, no `KiB`, no
 * sign; lower-case letters are taken for K, M, G, T, P, while only a small `s` means sectors.
 */
import { SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { chunkBytesFault } from "../engine/option-schema.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  s: SECTOR_BYTES,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: 2 ** 50,
};

/** Bytes of `text`; throws a SnapringError (EUSAGE) that says what a size looks like. */
export function parseSize(text: string): number {
  const match = /^([0-9]+)(s|[KMGTPkmgtp]?)$/.exec(text);
  if (match === null) {
    throw new SnapringError("EUSAGE", `'${text}' is not a size`, {
      hint: "write bytes (65536), 64K, 10G or sectors (32s)",
    });
  }
  const [, digits, unit] = match;
  const bytes = Number(digits) * UNITS[unit === "s" ? unit : unit.toUpperCase()];
  if (!Number.isSafeInteger(bytes)) throw new SnapringError("EUSAGE", `size '${text}' is too large`);
  return bytes;
}

/** Like parseSize, in whole sectors. */
export function parseSectors(text: string): number {
  const bytes = parseSize(text);
  if (bytes % SECTOR_BYTES !== 0) {
    throw new SnapringError("EUSAGE", `size '${text}' is not a multiple of ${SECTOR_BYTES} bytes`);
  }
  return bytes / SECTOR_BYTES;
}

/** Like parseSectors, of a chunk. */
export function parseChunkSectors(text: string): number {
  const bytes = parseSize(text);
  if (chunkBytesFault(bytes) === undefined) return bytes / SECTOR_BYTES;
  throw new SnapringError("EUSAGE", `'${text}' is no chunk size`, {
    hint: "a chunk is a power of two from 512 bytes to 1G: 4K, 16K, 64K",
  });
}
