/**
 * The heap of a table: blocks for leaves, given out and taken back by main alone.
 *
 * A block starts with a tag of main's own, the leaf's header follows. Free neighbours are joined at once (boundary
 * tags), because leaves grow through all sizes: with one free list per size and no joining, the sizes that nobody
 * needs any more would hold three times the memory of those in use.
 *
 *   used block   tag: size │ 1 used │ 2 the block before is used         leaf …
 *   free block   tag: size │ 2 the block before is used   next   prev   …   size (in its last word)
 *
 * Sizes are multiples of 4 words. Between the blocks and the end of the memory lies the wilderness, from `top` on; a
 * free block never touches it.
 *
 * A retired leaf goes to the quarantine first, unchanged: readers may be inside. Before its words are touched, `tgen`
 * steps (C-3), once for the whole quarantine. All stores are atomic, so that none of them can be seen before that step.
 */
import { assert } from "../base/assert.ts";
import { TABLE_BYTES_MAX, TABLE_QUARANTINE_LEAVES } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { growSharedMemory } from "../base/shared-memory.ts";
import { HEAP_WORD, LEAF_REACH, TGEN_WORD, viewOf } from "./table-layout.ts";

const USED = 1;
const BEFORE_USED = 2;
const SIZE = ~3;
const UNIT = 4;

/** Free blocks by size / UNIT; the last bin holds everything that is larger than any leaf. */
const LARGE_BIN = 130;
const LARGEST_LEAF_BLOCK = 516;
const BITMAP_WORDS = 5;

const GROW_MIN_BYTES = 256 * 1024;
const GROW_MAX_BYTES = 64 * 1024 * 1024;

assert(LARGEST_LEAF_BLOCK / UNIT < LARGE_BIN && LARGE_BIN < BITMAP_WORDS * 32);

export class LeafHeap {
  /** All words of the table; another view after growth. */
  words: Int32Array;
  readonly #memory: SharedArrayBuffer;
  readonly #base: number;
  readonly #bins = new Int32Array(LARGE_BIN + 1);
  readonly #bitmap = new Int32Array(BITMAP_WORDS);
  readonly #quarantine = new Int32Array(TABLE_QUARANTINE_LEAVES);
  #quarantined = 0;
  #top: number;

  /** `topWord`: of a heap that another thread has filled and handed over; left out: it is empty. */
  constructor(memory: SharedArrayBuffer, topWord?: number) {
    this.#memory = memory;
    this.words = viewOf(memory);
    this.#base = this.words[HEAP_WORD];
    this.#top = topWord ?? this.#base;
    assert(this.#top >= this.#base && this.#top <= this.words.length, "a heap lies inside of its memory");
  }

  /** Nothing has been freed or taken back: everything between base and top is in use. */
  get isDense(): boolean {
    return this.#quarantined === 0 && this.#bitmap.every((bits) => bits === 0);
  }

  /** Words of a leaf that holds `leafWords` words; returns its word index. Throws ENOMEM where the table is full. */
  allocate(leafWords: number): number {
    const size = (leafWords + 1 + UNIT - 1) & SIZE;
    assert(size >= UNIT && size <= LARGEST_LEAF_BLOCK);
    let block = this.#takeFree(size);
    if (block === 0) {
      if (!this.#reserve(size)) {
        this.releaseQuarantine();
        block = this.#takeFree(size);
        if (block === 0 && !this.#reserve(size))
          throw new SnapringError("ENOMEM", "exception table is full", { hint: "use a larger chunk size" });
      }
      if (block === 0) {
        block = this.#top;
        this.#top += size;
        Atomics.store(this.words, block, size | USED | BEFORE_USED);
      }
    }
    assert(block >= this.#base && block + size <= this.#top, "a block of this heap");
    assert((this.#top + LEAF_REACH) * 4 <= this.words.length * 4, "a lost reader stays inside the memory (C-3)");
    return block + 1;
  }

  /** Take a leaf back that is no longer in the directory. */
  retire(leaf: number): void {
    if (this.#quarantined === this.#quarantine.length) this.releaseQuarantine();
    assert(leaf > this.#base && leaf < this.#top, "a leaf of this heap");
    assert((this.words[leaf - 1] & USED) !== 0, "a leaf is retired once");
    this.#quarantine[this.#quarantined++] = leaf - 1;
  }

  /** Step `tgen`, then free everything in quarantine. */
  releaseQuarantine(): void {
    if (this.#quarantined === 0) return;
    // The step comes before the first store into memory that a reader may hold (C-3).
    Atomics.add(this.words, TGEN_WORD, 1);
    for (let i = 0; i < this.#quarantined; i++) this.#free(this.#quarantine[i]);
    this.#quarantined = 0;
  }

  /** Words below the wilderness: header, directory, used, free and quarantined blocks. */
  get topWord(): number {
    return this.#top;
  }

  /** Words that can still be added before the table is full. */
  get spareWords(): number {
    return this.#memory.maxByteLength / 4 - LEAF_REACH - this.#top;
  }

  #takeFree(size: number): number {
    const bin = this.#findBin(size / UNIT);
    if (bin < 0) return 0;
    const block = this.#bins[bin];
    const found = this.words[block] & SIZE;
    this.#unlink(block, found);
    const rest = found - size;
    if (rest > 0) this.#putFree(block + size, rest, BEFORE_USED);
    else Atomics.store(this.words, block + size, this.words[block + size] | BEFORE_USED);
    Atomics.store(this.words, block, size | USED | (this.words[block] & BEFORE_USED));
    return block;
  }

  /** The first bin from `first` on that has a block; -1 where there is none. */
  #findBin(first: number): number {
    let word = first >>> 5;
    let bits = this.#bitmap[word] & (-1 << (first & 31));
    while (bits === 0) {
      if (++word === BITMAP_WORDS) return -1;
      bits = this.#bitmap[word];
    }
    return word * 32 + 31 - Math.clz32(bits & -bits);
  }

  #free(start: number): void {
    const words = this.words;
    let block = start;
    assert((words[block] & USED) !== 0, "leaf is freed twice");
    let size = words[block] & SIZE;
    const next = block + size;
    if (next !== this.#top && (words[next] & USED) === 0) {
      const more = words[next] & SIZE;
      this.#unlink(next, more);
      size += more;
    }
    if ((words[block] & BEFORE_USED) === 0) {
      const more = words[block - 1];
      block -= more;
      this.#unlink(block, more);
      size += more;
    }
    if (block + size === this.#top) {
      this.#top = block;
      return;
    }
    this.#putFree(block, size, words[block] & BEFORE_USED);
    Atomics.store(words, block + size, words[block + size] & ~BEFORE_USED);
  }

  #putFree(block: number, size: number, before: number): void {
    const bin = Math.min(size / UNIT, LARGE_BIN);
    const next = this.#bins[bin];
    Atomics.store(this.words, block, size | before);
    Atomics.store(this.words, block + 1, next);
    Atomics.store(this.words, block + 2, 0);
    Atomics.store(this.words, block + size - 1, size);
    if (next !== 0) Atomics.store(this.words, next + 2, block);
    this.#bins[bin] = block;
    this.#bitmap[bin >>> 5] |= 1 << (bin & 31);
  }

  #unlink(block: number, size: number): void {
    const bin = Math.min(size / UNIT, LARGE_BIN);
    const next = this.words[block + 1];
    const prev = this.words[block + 2];
    if (prev !== 0) Atomics.store(this.words, prev + 1, next);
    else this.#bins[bin] = next;
    if (next !== 0) Atomics.store(this.words, next + 2, prev);
    if (this.#bins[bin] === 0) this.#bitmap[bin >>> 5] &= ~(1 << (bin & 31));
  }

  /** It could not have been made for more: it may be full before every chunk has its exception. */
  get isLargest(): boolean {
    return this.#memory.maxByteLength === TABLE_BYTES_MAX;
  }

  /** Memory for so many words, or as many as may still be added, is there from now on. False: the machine has none. */
  reserve(words: number): boolean {
    return this.#reserve(Math.min(words, this.spareWords));
  }

  /** Make sure that `size` words from `top` on, and the reach of a lost reader, exist. */
  #reserve(size: number): boolean {
    const needed = (this.#top + size + LEAF_REACH) * 4;
    if (needed <= this.words.length * 4) return true;
    const max = this.#memory.maxByteLength;
    if (needed > max) return false;
    const step = Math.min(GROW_MAX_BYTES, Math.max(GROW_MIN_BYTES, Math.floor(this.#memory.byteLength / 32) * 4));
    if (!growSharedMemory(this.#memory, Math.min(max, Math.max(needed, this.#memory.byteLength + step)))) return false;
    this.words = viewOf(this.#memory);
    return true;
  }

  /** Walk all blocks: tags, neighbours and bins agree. */
  verify(): void {
    const words = this.words;
    let free = 0;
    let beforeUsed = true;
    let block = this.#base;
    while (block < this.#top) {
      const size = words[block] & SIZE;
      const used = (words[block] & USED) !== 0;
      assert(size >= UNIT && block + size <= this.#top, "block has no size");
      assert(((words[block] & BEFORE_USED) !== 0) === beforeUsed, "tag disagrees with the block before");
      assert(used || beforeUsed, "free neighbours were not joined");
      if (!used) {
        assert(words[block + size - 1] === size, "free block ends in another size");
        free++;
      }
      beforeUsed = used;
      block += size;
    }
    assert(block === this.#top && beforeUsed, "a free block touches the wilderness");
    for (let bin = 0; bin <= LARGE_BIN; bin++) {
      assert(
        (this.#bins[bin] !== 0) === ((this.#bitmap[bin >>> 5] & (1 << (bin & 31))) !== 0),
        "bitmap disagrees with the bins",
      );
      for (let at = this.#bins[bin]; at !== 0; at = words[at + 1]) free--;
    }
    assert(free === 0, "bins disagree with the free blocks");
  }
}
