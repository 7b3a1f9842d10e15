/**
 * The units, as types. A plain number may become any of them; one of them never becomes another by accident.
 *
 * Sizes are safe integers (below 2^53). A bare `/` on a size hides what happens to the remainder, so division
 * goes through `divExact`, `divFloor` or `divCeil`.
 */
import { assert } from "./assert.ts";

type Unit<Name extends string> = number & { readonly __unit?: Name };

/** 512 bytes, always. */
export type Sector = Unit<"sector">;
/** The index of a chunk on a device; chunk n starts at sector n * chunkSectors. */
export type Chunk = Unit<"chunk">;
/** The index of a metadata area in a store. */
export type Area = Unit<"area">;
/** The index of a record in a pool. */
export type Slot = Unit<"slot">;
/** A byte position or length. */
export type Bytes = Unit<"bytes">;

export const SECTOR_BYTES = 512;

export function divFloor(a: number, b: number): number {
  return Math.floor(a / b);
}

export function divCeil(a: number, b: number): number {
  return Math.ceil(a / b);
}

export function divExact(a: number, b: number): number {
  const q = a / b;
  assert(Number.isSafeInteger(q), "division leaves a remainder");
  return q;
}

export function alignDown(value: number, unit: number): number {
  return value - (value % unit);
}

export function alignUp(value: number, unit: number): number {
  return alignDown(value + unit - 1, unit);
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}

/** How many bits of a word are set. */
export function bitsIn(word: number): number {
  let bits = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) bits += 1;
  return bits;
}
