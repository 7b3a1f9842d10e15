/**
 * Filling a table at start-up: up to tens of millions of exceptions, in the order in which the store lists them.
 *
 * The exceptions come as columns of words. They are ordered by old chunk with a radix sort over the bits that the origin
 * has (least significant digit first; two or three passes in practice; none where they are in order already), then each
 * group is folded and written once, exactly as large as it must be. Runs before any reader has the table.
 */
import { assert } from "../base/assert.ts";
import { TABLE_NEW_CHUNKS_MAX } from "../base/constants.ts";
import type { Chunk } from "../base/units.ts";
import type { GroupImage } from "./group-image.ts";
import type { LeafHeap } from "./leaf-heap.ts";
import { DIRECTORY_WORD, GROUP_CHUNKS } from "./table-layout.ts";

/** Exceptions as columns; the first `count` places of each. */
export interface ExceptionColumns {
  readonly count: number;
  readonly oldLow: Uint32Array;
  readonly newLow: Uint32Array;
  /** Bits 32 and up; absent where all are 0. */
  readonly oldHigh?: Uint16Array | undefined;
  readonly newHigh?: Uint16Array | undefined;
}

const TWO_32 = 0x1_0000_0000;
const DIGIT_BITS_MAX = 11;

/** Exceptions by ascending old chunk. */
interface Sorted {
  oldLow: Uint32Array;
  newLow: Uint32Array;
  /** Old chunk's high word | new chunk's high word << 16; absent where all are 0. */
  high: Uint32Array | undefined;
}

/** Returns -1, or an old chunk that is listed twice; then nothing is loaded. Asserts that every old chunk is inside of the origin. */
export function bulkLoad(
  heap: LeafHeap,
  groups: number,
  image: GroupImage,
  columns: ExceptionColumns,
  touch: (group: number) => void,
): Chunk | -1 {
  const { count } = columns;
  const { oldLow, newLow, high } = sort(columns, groups * GROUP_CHUNKS);
  for (let i = 1; i < count; i++) {
    if (oldLow[i] === oldLow[i - 1] && highOld(high, i) === highOld(high, i - 1))
      return oldLow[i] + highOld(high, i) * TWO_32;
  }
  image.clear();
  image.runs = 0;
  let i = 0;
  while (i < count) {
    // Where the group begins: the high word, and the low word of 256 aligned chunks.
    const startHigh = highOld(high, i);
    const start = (oldLow[i] & ~(GROUP_CHUNKS - 1)) >>> 0;
    const group = (startHigh * TWO_32 + start) / GROUP_CHUNKS;
    assert(group < groups, "old chunk outside of the origin");
    image.reset();
    for (; i < count; i++) {
      const offset = oldLow[i] - start;
      if (offset >= GROUP_CHUNKS || highOld(high, i) !== startHigh) break;
      const newChunk = newLow[i] + (high === undefined ? 0 : (high[i] >>> 16) * TWO_32);
      assert(newChunk < TABLE_NEW_CHUNKS_MAX, "new chunk does not fit a table entry");
      image.append(offset, newChunk);
    }
    const leaf = heap.allocate(image.leafWords());
    image.put(heap.words, leaf);
    touch(group);
    Atomics.store(heap.words, DIRECTORY_WORD + group, leaf);
  }
  return -1;
}

function highOld(high: Uint32Array | undefined, i: number): number {
  return high === undefined ? 0 : high[i] & 0xffff;
}

/** All columns travel in every pass, so that none is ever read at random. */
function sort(columns: ExceptionColumns, chunks: number): Sorted {
  const { count } = columns;
  let from: Sorted = { oldLow: columns.oldLow, newLow: columns.newLow, high: joinHighs(columns) };
  if (isAscending(columns)) return from;
  let to: Sorted = blank(count, from.high !== undefined);
  const bits = Math.ceil(Math.log2(Math.max(2, chunks)));
  const lowBits = Math.min(32, bits);
  const passes = Math.ceil(lowBits / DIGIT_BITS_MAX);
  const digitBits = Math.ceil(lowBits / passes);
  for (let pass = 0; pass < passes; pass++) {
    scatter(count, from.oldLow, from, to, pass * digitBits, digitBits);
    // The caller's columns are not written into.
    const next = pass === 0 ? blank(count, from.high !== undefined) : from;
    from = to;
    to = next;
  }
  if (bits > 32 && from.high !== undefined) {
    scatter(count, from.high, from, to, 0, bits - 32);
    from = to;
  }
  return from;
}

function blank(count: number, high: boolean): Sorted {
  return {
    oldLow: new Uint32Array(count),
    newLow: new Uint32Array(count),
    high: high ? new Uint32Array(count) : undefined,
  };
}

function joinHighs(columns: ExceptionColumns): Uint32Array | undefined {
  const { count, oldHigh, newHigh } = columns;
  if (oldHigh === undefined && newHigh === undefined) return undefined;
  const high = new Uint32Array(count);
  for (let i = 0; i < count; i++)
    high[i] = (oldHigh === undefined ? 0 : oldHigh[i]) | ((newHigh === undefined ? 0 : newHigh[i]) << 16);
  return high;
}

/** One stable pass: order everything by `bits` bits of the keys from `shift` on. */
function scatter(count: number, keys: Uint32Array, from: Sorted, to: Sorted, shift: number, bits: number): void {
  const size = 2 ** bits;
  const mask = size - 1;
  const next = new Uint32Array(size + 1);
  for (let i = 0; i < count; i++) next[((keys[i] >>> shift) & mask) + 1]++;
  for (let d = 0; d < size; d++) next[d + 1] += next[d];
  const { oldLow, newLow, high } = from;
  const toOld = to.oldLow;
  const toNew = to.newLow;
  const toHigh = to.high;
  for (let i = 0; i < count; i++) {
    const place = next[(keys[i] >>> shift) & mask]++;
    toOld[place] = oldLow[i];
    toNew[place] = newLow[i];
    if (high !== undefined && toHigh !== undefined) toHigh[place] = high[i];
  }
}

function isAscending(columns: ExceptionColumns): boolean {
  const { count, oldLow, oldHigh } = columns;
  for (let i = 1; i < count; i++) {
    const high = oldHigh === undefined ? 0 : oldHigh[i] - oldHigh[i - 1];
    if (high < 0 || (high === 0 && oldLow[i] < oldLow[i - 1])) return false;
  }
  return true;
}
