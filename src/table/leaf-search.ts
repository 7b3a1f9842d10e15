/**
 * Where in a leaf a chunk's entry is. Pure functions over the shared words, for the writer and for every reader.
 *
 * Every word is an atomic load (C-3). A reader may have lost its leaf: then the words are anything, and the functions
 * still end, stay within LEAF_REACH words, and the reader finds out by `tgen`. All loops are bounded by 8-bit fields.
 */
import { covers, isDirect, isLive, offsetOf, sortedOf, usedOf } from "./table-layout.ts";

/** The word index of the B of the live entry that covers `offset`; 0 where there is none. */
export function findEntry(words: Int32Array, leaf: number, offset: number): number {
  const header = Atomics.load(words, leaf);
  if (isDirect(header)) {
    const at = leaf + 2 + 2 * offset;
    return isLive(Atomics.load(words, at)) ? at : 0;
  }
  const sorted = sortedOf(header);
  const low = upperBound(words, leaf, sorted, offset);
  if (low > 0) {
    const at = leaf + 2 * low;
    if (covers(Atomics.load(words, at), offset)) return at;
  }
  const end = leaf + 2 + 2 * usedOf(header);
  for (let at = leaf + 2 + 2 * sorted; at < end; at += 2) {
    if (covers(Atomics.load(words, at), offset)) return at;
  }
  return 0;
}

/**
 * How many of the sorted entries start at or below `offset`. The search begins where the entry would be if they were spread
 * evenly, and widens in doubling steps: scattered entries are found within one or two cache lines.
 */
function upperBound(words: Int32Array, leaf: number, sorted: number, offset: number): number {
  let low = 0;
  let high = sorted;
  const guess = (offset * sorted) >>> 8;
  let step = 1;
  if (sorted > 0 && offsetOf(Atomics.load(words, leaf + 2 + 2 * guess)) <= offset) {
    low = guess + 1;
    while (low + step < high && offsetOf(Atomics.load(words, leaf + 2 + 2 * (low + step))) <= offset) {
      low += step + 1;
      step *= 2;
    }
    high = Math.min(high, low + step);
  } else {
    high = guess;
    while (high - step > 0 && offsetOf(Atomics.load(words, leaf + 2 + 2 * (high - step))) > offset) {
      high -= step;
      step *= 2;
    }
    low = Math.max(0, high - step);
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsetOf(Atomics.load(words, leaf + 2 + 2 * middle)) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first offset from `offset` on that a live entry covers, at most `end` (up to GROUP_CHUNKS). */
export function nextMapped(words: Int32Array, leaf: number, offset: number, end: number): number {
  const header = Atomics.load(words, leaf);
  if (isDirect(header)) {
    let at = offset;
    while (at < end && !isLive(Atomics.load(words, leaf + 2 + 2 * at))) at++;
    return at;
  }
  if (findEntry(words, leaf, offset) !== 0) return offset;
  let nearest = end;
  const sorted = sortedOf(header);
  for (let i = upperBound(words, leaf, sorted, offset); i < sorted; i++) {
    const b = Atomics.load(words, leaf + 2 + 2 * i);
    if (offsetOf(b) >= nearest) break;
    if (isLive(b)) nearest = offsetOf(b);
  }
  const used = usedOf(header);
  for (let i = sorted; i < used; i++) {
    const b = Atomics.load(words, leaf + 2 + 2 * i);
    const start = offsetOf(b);
    if (isLive(b) && start > offset && start < nearest) nearest = start;
  }
  return nearest;
}
