/**
 * Unsigned 64-bit integers as two 32-bit words.
 *
 * Inside, every size is a safe integer; on disk, on the wire and in shared words it is a pair (low, high).
 * This is the only file that may use bigint, and only to name a value that no number can hold.
 */
import { assert } from "./assert.ts";

const TWO_32 = 0x1_0000_0000;

export function lowWord(value: number): number {
  // What `|` does with a number is to take it modulo 2^32.
  return value | 0;
}

export function highWord(value: number): number {
  return Math.floor(value / TWO_32) | 0;
}

/** The number in (low, high); Infinity where it is above 2^53 - 1, so that every range check refuses it. */
export function fromWords(low: number, high: number): number {
  const value = (high >>> 0) * TWO_32 + (low >>> 0);
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

/** The exact value in words, for messages that name a corrupt field. */
export function u64Text(low: number, high: number): string {
  return ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString();
}

export function readU64LE(view: DataView, at: number): number {
  const high = view.getInt32(at + 4, true);
  // Nearly always; opening a large store reads tens of millions of them.
  if (high === 0) return view.getUint32(at, true);
  return fromWords(view.getInt32(at, true), high);
}

export function writeU64LE(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "not a u64 that a number can hold");
  view.setInt32(at, lowWord(value), true);
  view.setInt32(at + 4, highWord(value), true);
}

export function readU64BE(view: DataView, at: number): number {
  return fromWords(view.getInt32(at + 4, false), view.getInt32(at, false));
}

export function writeU64BE(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "not a u64 that a number can hold");
  view.setInt32(at, highWord(value), false);
  view.setInt32(at + 4, lowWord(value), false);
}
