/**
 * How far a piece may reach: the bounds that hold on every export, whatever its chunks are.
 *
 *   request   ├──────────┊─────────────┊──────────────────┊──────┤      ┊: MAX_PIECE_BYTES of the volume
 *   pieces    ├──────────┤├────────────┤├─────────────────┤├─────┤
 *
 * Handlers bound it further by what they find when they look (handler.ts).
 */
import { assert } from "../../src/base/assert.ts";
import { MAX_PIECE_BYTES } from "../../src/base/constants.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";

assert(MAX_PIECE_BYTES % PAGE_BYTES === 0, "pieces meet where pages do");

/**
 * Bytes that a write's piece may have. Pieces of one request meet where every device has a block's end: a piece that ends inside of
 * a block lays the rest of the block, as it is on the device, behind its bytes in memory, where the next piece has its own.
 */
export function toPieceEnd(offset: number): number {
  return MAX_PIECE_BYTES - (offset % MAX_PIECE_BYTES);
}

/** Bytes of a piece of zeroes that begins here: parts of pages are pieces of their own, for they carry data. */
export function zeroStretch(offset: number, length: number): number {
  const head = offset % PAGE_BYTES;
  if (head !== 0) return Math.min(length, PAGE_BYTES - head);
  return length > PAGE_BYTES ? length - (length % PAGE_BYTES) : length;
}
