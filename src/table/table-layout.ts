/**
 * The exception table of one snapshot in shared memory: where its words are and what they hold.
 *
 * Main is the only writer (table-writer.ts); any thread reads without a lock (table-reader.ts). Old chunks are taken in
 * groups of 256. A directory has one word per group: 0, or the word index of the group's *leaf*. A leaf is a list of
 * entries, or, from 128 entries on, a direct array with a place for each chunk of the group.
 *
 *   word 0   magic    word 1  tgen    word 2  groups    word 3  first word of the heap    words 4-15  0
 *   word 16  directory, one word per group
 *   heap     leaves (leaf-heap.ts), then at least LEAF_REACH words that no leaf occupies
 *
 *   leaf     word 0       header   bit 0 direct │ 1-8 used │ 9-16 sorted │ 17-24 capacity
 *            word 1 + 2i  A        new chunk, low 32 bits
 *            word 2 + 2i  B        bits 0-1 state │ 2-9 offset in the group │ 10-17 run length - 1 │ 18-31 new chunk, high 14 bits
 *
 * In a list, the first `sorted` entries ascend by offset, as the leaf was built; the others follow in the order of their
 * arrival. An entry covers `run length` consecutive old chunks, mapped to as many consecutive new chunks. No chunk is
 * covered twice. State 3 is an entry that was removed; its place is never filled again in the same leaf.
 *
 * **One memory instead of generations of memory.** C-2 and C-26 speak of new memory that is posted to every worker. Here
 * the table is one growable SharedArrayBuffer: it grows in place, its words never move, and pages that nobody touched
 * cost nothing. So there is nothing to post: a reader that meets an index beyond its view makes a new view of the same
 * buffer. That is safe because main grows the buffer before it stores an index into the new part, and `byteLength` of
 * a growable shared buffer is a sequentially consistent load. What is left of C-26 is its second half: published words
 * change in place only none → visible → settled, or to none (C-37); everything else is built beside and published by
 * one store of the directory word. And of C-2/C-3: `tgen` steps before memory that a reader may still hold is used
 * again, and a reader that sees two different values of `tgen` around its lookup looks again.
 */
import { assert } from "../base/assert.ts";
import { TABLE_BYTES_MAX, TABLE_CHUNKS_MAX } from "../base/constants.ts";
import { newSharedMemory } from "../base/shared-memory.ts";
import { SnapringError } from "../base/errno.ts";
import { divCeil } from "../base/units.ts";

export const TABLE_MAGIC = 0x5e7ab1e1;

export const MAGIC_WORD = 0;
export const TGEN_WORD = 1;
export const GROUPS_WORD = 2;
export const HEAP_WORD = 3;
export const DIRECTORY_WORD = 16;

export const GROUP_CHUNKS = 256;

/** Entries of a list leaf, by size class: 2 × capacity + 2 words are a multiple of 4. */
export const LIST_CAPACITIES = [1, 3, 5, 7, 11, 15, 23, 31, 47, 63, 95, 127] as const;
export const LIST_CAPACITY_MAX = 127;
export const DIRECT_LEAF_WORDS: number = 1 + 2 * GROUP_CHUNKS;

/** A reader that has lost its leaf to somebody else reads at most so many words from the leaf's index on. */
export const LEAF_REACH = 520;

/** State bits of a word B that are not an EntryState: the entry was removed. */
export const REMOVED = 3;

export function packHeader(direct: boolean, used: number, sorted: number, capacity: number): number {
  return (direct ? 1 : 0) | (used << 1) | (sorted << 9) | (capacity << 17);
}

export function isDirect(header: number): boolean {
  return (header & 1) === 1;
}

export function usedOf(header: number): number {
  return (header >>> 1) & 0xff;
}

export function sortedOf(header: number): number {
  return (header >>> 9) & 0xff;
}

export function capacityOf(header: number): number {
  return (header >>> 17) & 0xff;
}

export function packEntry(state: number, offset: number, length: number, newChunk: number): number {
  return state | (offset << 2) | ((length - 1) << 10) | (Math.floor(newChunk / 0x1_0000_0000) << 18);
}

/** 0 none, 1 visible, 2 settled, 3 removed. */
export function stateBits(b: number): number {
  return b & 3;
}

export function isLive(b: number): boolean {
  return ((b + 1) & 3) > 1;
}

export function offsetOf(b: number): number {
  return (b >>> 2) & 0xff;
}

/** Run length - 1. */
export function restOf(b: number): number {
  return (b >>> 10) & 0xff;
}

/** The new chunk of the entry's first old chunk. */
export function newChunkFrom(a: number, b: number): number {
  return (b >>> 18) * 0x1_0000_0000 + (a >>> 0);
}

/** A live entry that covers this offset. */
export function covers(b: number, offset: number): boolean {
  const past = offset - offsetOf(b);
  return isLive(b) && past >= 0 && past <= restOf(b);
}

export interface TableOptions {
  /** Chunks of the origin, the last one perhaps partial. */
  readonly originChunks: number;
}

/** Shared memory for the table of one snapshot, empty. Throws EFBIG for an origin of more than TABLE_CHUNKS_MAX chunks, ENOMEM. */
export function createTable(options: TableOptions): SharedArrayBuffer {
  const { originChunks } = options;
  assert(Number.isSafeInteger(originChunks) && originChunks >= 0, "number of chunks is not a size");
  if (originChunks > TABLE_CHUNKS_MAX) {
    throw new SnapringError(
      "EFBIG",
      `origin has ${originChunks} chunks, more than an exception table can index (${TABLE_CHUNKS_MAX})`,
      {
        hint: "use a larger chunk size",
      },
    );
  }
  const groups = Math.max(1, divCeil(originChunks, GROUP_CHUNKS));
  const heap = divCeil(DIRECTORY_WORD + groups, 16) * 16;
  const leafWordsMax = groups * 3 * LEAF_REACH + 2 ** 20;
  const bytesMax = Math.min(TABLE_BYTES_MAX, (heap + leafWordsMax) * 4);
  const memory = newSharedMemory((heap + LEAF_REACH) * 4, bytesMax, "the exception table");
  const words = new Int32Array(memory, 0, DIRECTORY_WORD);
  Atomics.store(words, GROUPS_WORD, groups);
  Atomics.store(words, HEAP_WORD, heap);
  Atomics.store(words, MAGIC_WORD, TABLE_MAGIC);
  return memory;
}

/** A view of all words that the buffer has now; of fixed length, which the compiler handles best. */
export function viewOf(memory: SharedArrayBuffer): Int32Array {
  return new Int32Array(memory, 0, memory.byteLength >>> 2);
}
