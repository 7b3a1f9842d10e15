/**
 * Filling a table at start-up: up to tens of millions of exceptions, in the order in which the store lists them.
 *
 * The exceptions come as columns of words. They are ordered by group with a radix sort over the bits that the origin has (least
 * significant digit first; two passes in practice; none where they are in order already), in each group by their place in it, then the
 * group is folded and written once, exactly as large as it must be. Runs before any reader has the table.
 *
 *   columns ──▶ by group │ 9 9 9 │ 12 12 │ 40 … ──▶ in a group by offset ──▶ folded image ──▶ leaf
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

/** The same with the low words in pairs, old chunk and new chunk: memory that the load orders in place, so that less is touched. */
export interface ExceptionPairs {
  readonly count: number;
  readonly pairs: Uint32Array;
  /** As long as `pairs`: what they are ordered with the help of. */
  readonly scratch: Uint32Array;
  readonly oldHigh?: Uint16Array | undefined;
  readonly newHigh?: Uint16Array | undefined;
}

const TWO_32 = 0x1_0000_0000;
const DIGIT_BITS_MAX = 11;
const GROUP_BITS: number = Math.log2(GROUP_CHUNKS);
const GROUPS_PER_HIGH: number = TWO_32 / GROUP_CHUNKS;
const OFFSET_MASK: number = GROUP_CHUNKS - 1;
/** So many exceptions of a group are ordered by insertion. */
const FEW = 24;

/** Exceptions by ascending group. */
interface Sorted {
  /** Low words in pairs, old chunk and new chunk: a pass that scatters them meets one place in memory for each, not two. */
  pairs: Uint32Array;
  /** Old chunk's high word | new chunk's high word << 16; absent where all are 0. */
  high: Uint32Array | undefined;
}

/** Returns -1, or an old chunk that is listed twice; then nothing is loaded. Asserts that every old chunk is inside of the origin. */
export function bulkLoad(
  heap: LeafHeap,
  groups: number,
  image: GroupImage,
  exceptions: ExceptionColumns | ExceptionPairs,
  touch: (group: number) => void,
): Chunk | -1 {
  const { count } = exceptions;
  const sorted = sort(exceptions, groups * GROUP_CHUNKS);
  const duplicate = findDuplicate(sorted, count);
  if (duplicate !== -1) return duplicate;
  const order = new GroupOrder();
  image.clear();
  image.runs = 0;
  for (let i = 0; i < count; ) {
    const group = groupOf(sorted, i);
    assert(group < groups, "old chunk outside of the origin");
    const end = endOfGroup(sorted, i, count);
    image.reset();
    order.appendTo(image, sorted, i, end);
    const leaf = heap.allocate(image.leafWords());
    image.putFirst(heap.words, leaf);
    touch(group);
    Atomics.store(heap.words, DIRECTORY_WORD + group, leaf);
    i = end;
  }
  return -1;
}

function groupOf({ pairs, high }: Sorted, i: number): number {
  return highOld(high, i) * GROUPS_PER_HIGH + (pairs[2 * i] >>> GROUP_BITS);
}

/** Behind the last exception of the group that begins at `first`. */
function endOfGroup({ pairs, high }: Sorted, first: number, count: number): number {
  const group = pairs[2 * first] >>> GROUP_BITS;
  const startHigh = highOld(high, first);
  let end = first + 1;
  while (end < count && pairs[2 * end] >>> GROUP_BITS === group && highOld(high, end) === startHigh) end++;
  return end;
}

/** An old chunk that is there twice, or -1. */
function findDuplicate(sorted: Sorted, count: number): Chunk | -1 {
  const { pairs, high } = sorted;
  const seen = new Uint32Array(GROUP_CHUNKS / 32);
  for (let i = 0; i < count; ) {
    const end = endOfGroup(sorted, i, count);
    seen.fill(0);
    for (; i < end; i++) {
      const offset = pairs[2 * i] & OFFSET_MASK;
      const bit = 1 << (offset & 31);
      if ((seen[offset >>> 5] & bit) !== 0) return pairs[2 * i] + highOld(high, i) * TWO_32;
      seen[offset >>> 5] |= bit;
    }
  }
  return -1;
}

/** The exceptions of one group, by ascending offset: a few are inserted in order, many are put in their places and picked up. */
class GroupOrder {
  readonly #newChunk = new Float64Array(GROUP_CHUNKS);
  readonly #there = new Uint8Array(GROUP_CHUNKS);
  readonly #offsets = new Uint8Array(FEW);
  readonly #news = new Float64Array(FEW);

  appendTo(image: GroupImage, sorted: Sorted, first: number, end: number): void {
    if (end - first <= FEW) this.#appendFew(image, sorted, first, end);
    else this.#appendMany(image, sorted, first, end);
  }

  #appendFew(image: GroupImage, sorted: Sorted, first: number, end: number): void {
    const offsets = this.#offsets;
    const news = this.#news;
    const count = end - first;
    for (let n = 0; n < count; n++) {
      const offset = sorted.pairs[2 * (first + n)] & OFFSET_MASK;
      let at = n;
      for (; at > 0 && offsets[at - 1] > offset; at--) {
        offsets[at] = offsets[at - 1];
        news[at] = news[at - 1];
      }
      offsets[at] = offset;
      news[at] = newChunkAt(sorted, first + n);
    }
    for (let n = 0; n < count; n++) image.append(offsets[n], news[n]);
  }

  #appendMany(image: GroupImage, sorted: Sorted, first: number, end: number): void {
    const newChunk = this.#newChunk;
    const there = this.#there;
    for (let i = first; i < end; i++) {
      const offset = sorted.pairs[2 * i] & OFFSET_MASK;
      newChunk[offset] = newChunkAt(sorted, i);
      there[offset] = 1;
    }
    for (let offset = 0; offset < GROUP_CHUNKS; offset++) {
      if (there[offset] === 0) continue;
      there[offset] = 0;
      image.append(offset, newChunk[offset]);
    }
  }
}

function newChunkAt({ pairs, high }: Sorted, i: number): number {
  if (high === undefined) return pairs[2 * i + 1];
  const newChunk = pairs[2 * i + 1] + (high[i] >>> 16) * TWO_32;
  assert(newChunk < TABLE_NEW_CHUNKS_MAX, "new chunk does not fit a table entry");
  return newChunk;
}

function highOld(high: Uint32Array | undefined, i: number): number {
  return high === undefined ? 0 : high[i] & 0xffff;
}

/** All words travel in every pass, so that none is ever read at random. */
function sort(exceptions: ExceptionColumns | ExceptionPairs, chunks: number): Sorted {
  const { count } = exceptions;
  const pairs = "pairs" in exceptions ? exceptions.pairs : pair(exceptions);
  let from: Sorted = { pairs, high: joinHighs(exceptions) };
  if (isAscending(from, count)) return from;
  let to: Sorted = {
    pairs: "scratch" in exceptions ? exceptions.scratch : new Uint32Array(2 * count),
    high: from.high === undefined ? undefined : new Uint32Array(count),
  };
  const bits = Math.ceil(Math.log2(Math.max(2, chunks)));
  const lowBits = Math.max(0, Math.min(32, bits) - GROUP_BITS);
  const passes = Math.ceil(lowBits / DIGIT_BITS_MAX);
  const digitBits = Math.ceil(lowBits / Math.max(1, passes));
  for (let pass = 0; pass < passes; pass++) {
    scatter(count, from.pairs, 2, from, to, GROUP_BITS + pass * digitBits, digitBits);
    [from, to] = [to, from];
  }
  if (bits > 32 && from.high !== undefined) {
    scatter(count, from.high, 1, from, to, 0, bits - 32);
    from = to;
  }
  return from;
}

function pair({ count, oldLow, newLow }: ExceptionColumns): Uint32Array {
  const pairs = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) {
    pairs[2 * i] = oldLow[i];
    pairs[2 * i + 1] = newLow[i];
  }
  return pairs;
}

function joinHighs(exceptions: ExceptionColumns | ExceptionPairs): Uint32Array | undefined {
  const { count, oldHigh, newHigh } = exceptions;
  if (oldHigh === undefined && newHigh === undefined) return undefined;
  const high = new Uint32Array(count);
  for (let i = 0; i < count; i++)
    high[i] = (oldHigh === undefined ? 0 : oldHigh[i]) | ((newHigh === undefined ? 0 : newHigh[i]) << 16);
  return high;
}

/** One stable pass: order everything by `bits` bits of the keys from `shift` on; the keys are `stride` words apart. */
function scatter(
  count: number,
  keys: Uint32Array,
  stride: number,
  from: Sorted,
  to: Sorted,
  shift: number,
  bits: number,
): void {
  const size = 2 ** bits;
  const mask = size - 1;
  const next = new Uint32Array(size + 1);
  for (let i = 0; i < count; i++) next[((keys[stride * i] >>> shift) & mask) + 1]++;
  for (let d = 0; d < size; d++) next[d + 1] += next[d];
  const { pairs, high } = from;
  const toPairs = to.pairs;
  const toHigh = to.high;
  for (let i = 0; i < count; i++) {
    const place = next[(keys[stride * i] >>> shift) & mask]++;
    toPairs[2 * place] = pairs[2 * i];
    toPairs[2 * place + 1] = pairs[2 * i + 1];
    if (high !== undefined && toHigh !== undefined) toHigh[place] = high[i];
  }
}

function isAscending({ pairs, high }: Sorted, count: number): boolean {
  for (let i = 1; i < count; i++) {
    const step = highOld(high, i) - highOld(high, i - 1);
    if (step < 0 || (step === 0 && pairs[2 * i] < pairs[2 * i - 2])) return false;
  }
  return true;
}
