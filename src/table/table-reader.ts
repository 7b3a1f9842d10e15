/**
 * A thread's way to look old chunks up in the table of a snapshot, without a lock and without allocation.
 *
 *   reader                                     main
 *   load tgen                                  build a leaf beside, store its directory word
 *   load directory word, leaf, entry …         old leaf → quarantine
 *   load tgen again: changed → from the top    tgen += 1, then the old leaf's words are used again
 *
 * This is the inner half of C-3. The caller does the outer one: for a read of a snapshot it tracks before the lookup (C-1)
 * and stays tracked while the lookup repeats itself, which only makes a drain wait a little longer; it loads the
 * snapshot's state, too. Nothing here is tied to a thread; each thread makes its own reader.
 */
import { assert } from "../base/assert.ts";
import { EntryState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import { findEntry, nextMapped } from "./leaf-search.ts";
import {
  covers,
  DIRECTORY_WORD,
  GROUP_CHUNKS,
  GROUPS_WORD,
  LEAF_REACH,
  MAGIC_WORD,
  newChunkFrom,
  offsetOf,
  restOf,
  stateBits,
  TABLE_MAGIC,
  TGEN_WORD,
  viewOf,
} from "./table-layout.ts";

/** The entry went away between two loads: look again. */
const LOST = -1;

export class TableReader {
  /** After a lookup that found an exception: where the chunk's data is on the COW device. */
  newChunk: Chunk = 0;
  /** After a lookup: chunks from this one on, this one included, that are mapped to consecutive new chunks, or all have no exception. */
  runLength = 0;
  readonly #memory: SharedArrayBuffer;
  readonly #groups: number;
  #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.#words = viewOf(memory);
    assert(Atomics.load(this.#words, MAGIC_WORD) === TABLE_MAGIC, "shared memory is not an exception table");
    this.#groups = Atomics.load(this.#words, GROUPS_WORD);
  }

  /**
   * The state of one chunk. Fills `newChunk` (where it is not None) and `runLength`, of 1 up to `limit` chunks; chunks after the
   * first count as mapped whether visible or settled.
   */
  lookup(chunk: Chunk, limit = 1): EntryState {
    assert(chunk >= 0 && limit >= 1 && chunk + limit <= this.#groups * GROUP_CHUNKS, "lookup outside of the origin");
    for (;;) {
      const generation = Atomics.load(this.#words, TGEN_WORD);
      const state = this.#lookupOnce(chunk, limit);
      if (state !== LOST && Atomics.load(this.#words, TGEN_WORD) === generation) return state as EntryState;
    }
  }

  /** Every one of `count` chunks is settled: the origin may be written there (C-10). */
  allSettled(first: Chunk, count: number): boolean {
    return this.settledRun(first, count) === count;
  }

  /** Of `count` chunks those that are settled from the first one on, until the first that is not. */
  settledRun(first: Chunk, count: number): number {
    assert(first >= 0 && count >= 1 && first + count <= this.#groups * GROUP_CHUNKS, "lookup outside of the origin");
    for (;;) {
      const generation = Atomics.load(this.#words, TGEN_WORD);
      const settled = this.#settledRunOnce(first, count);
      if (Atomics.load(this.#words, TGEN_WORD) === generation) return settled;
    }
  }

  #lookupOnce(chunk: Chunk, limit: number): number {
    const group = Math.floor(chunk / GROUP_CHUNKS);
    const leaf = this.#leafOf(group);
    const offset = chunk & (GROUP_CHUNKS - 1);
    const at = leaf === 0 ? 0 : findEntry(this.#words, leaf, offset);
    if (at === 0) {
      this.runLength = limit === 1 ? 1 : this.#unmappedRun(chunk, limit);
      return this.runLength === 0 ? LOST : EntryState.None;
    }
    const b = Atomics.load(this.#words, at);
    if (!covers(b, offset)) return LOST;
    // A was stored before B and never changes while the leaf is this leaf.
    this.newChunk = newChunkFrom(Atomics.load(this.#words, at - 1), b) + offset - offsetOf(b);
    const length = offsetOf(b) + restOf(b) - offset + 1;
    this.runLength = length >= limit ? limit : this.#mappedRun(chunk, length, limit);
    return stateBits(b);
  }

  #mappedRun(chunk: Chunk, known: number, limit: number): number {
    let length = known;
    while (length < limit) {
      const next = chunk + length;
      const leaf = this.#leafOf(Math.floor(next / GROUP_CHUNKS));
      const offset = next & (GROUP_CHUNKS - 1);
      const at = leaf === 0 ? 0 : findEntry(this.#words, leaf, offset);
      if (at === 0) return length;
      const b = Atomics.load(this.#words, at);
      if (!covers(b, offset)) return length;
      if (newChunkFrom(Atomics.load(this.#words, at - 1), b) + offset - offsetOf(b) !== this.newChunk + length)
        return length;
      length += offsetOf(b) + restOf(b) - offset + 1;
    }
    return limit;
  }

  /** 0 where the first chunk turns out to be mapped by now. */
  #unmappedRun(chunk: Chunk, limit: number): number {
    let length = 0;
    while (length < limit) {
      const next = chunk + length;
      const leaf = this.#leafOf(Math.floor(next / GROUP_CHUNKS));
      const offset = next & (GROUP_CHUNKS - 1);
      const end = Math.min(GROUP_CHUNKS, offset + limit - length);
      const stop = leaf === 0 ? end : nextMapped(this.#words, leaf, offset, end);
      length += stop - offset;
      if (stop < end) return length;
    }
    return limit;
  }

  #settledRunOnce(first: Chunk, count: number): number {
    let done = 0;
    while (done < count) {
      const chunk = first + done;
      const leaf = this.#leafOf(Math.floor(chunk / GROUP_CHUNKS));
      if (leaf === 0) return done;
      const offset = chunk & (GROUP_CHUNKS - 1);
      const at = findEntry(this.#words, leaf, offset);
      if (at === 0) return done;
      const b = Atomics.load(this.#words, at);
      if (stateBits(b) !== EntryState.Settled || !covers(b, offset)) return done;
      done += offsetOf(b) + restOf(b) - offset + 1;
    }
    return count;
  }

  #leafOf(group: number): number {
    const leaf = Atomics.load(this.#words, DIRECTORY_WORD + group);
    // The buffer grew before this index was stored: a new view reaches it.
    if (leaf + LEAF_REACH > this.#words.length) this.#words = viewOf(this.#memory);
    return leaf;
  }
}
