/**
 * Main's side of an exception table: the only writer, and main's own way to look exceptions up.
 *
 * Four changes are made in place, each by one last store that readers can meet at any time: an entry is added at the end of
 * a list (the header counts it), or in an unused place of a direct leaf; visible → settled; the last chunk of a run goes
 * (its length shrinks); an entry goes (C-37). Everything else builds a new leaf beside the old one and stores the
 * directory word (C-26): when a list is full, when a run loses a chunk in its middle, when a leaf has become worth folding.
 *
 * Main reads its own words plainly; nobody else stores into them. It does not track, wait or wake: that is `tracking.ts`
 * and the core. Programmer errors (publish twice, settle what is not there) are asserted.
 */
import { assert, VERIFY } from "../base/assert.ts";
import { TABLE_NEW_CHUNKS_MAX } from "../base/constants.ts";
import { EntryState } from "../base/states.ts";
import { lowWord } from "../base/u64.ts";
import type { Chunk } from "../base/units.ts";
import { bulkLoad, type ExceptionColumns, type ExceptionPairs } from "./bulk-load.ts";
import { GroupImage, hasRoom, hasVisible, isEmpty } from "./group-image.ts";
import { LeafHeap } from "./leaf-heap.ts";
import { findEntry } from "./leaf-search.ts";
import {
  capacityOf,
  DIRECTORY_WORD,
  GROUP_CHUNKS,
  GROUPS_WORD,
  isDirect,
  isLive,
  LEAF_REACH,
  MAGIC_WORD,
  newChunkFrom,
  offsetOf,
  packEntry,
  packHeader,
  REMOVED,
  restOf,
  sortedOf,
  stateBits,
  TABLE_MAGIC,
  usedOf,
} from "./table-layout.ts";

/** Entries that a leaf must have before it is looked at for folding, and how many times fewer runs make it worth it. */
const FOLD_ENTRIES = 8;
const FOLD_GAIN = 4;

/** A table that was loaded is walked whole, with VERIFY, where it has no more than these. */
const VERIFY_EXCEPTIONS_MAX = 4096;

/** So seldom is a leaf that was built read back, with VERIFY: it takes a hundred times longer than to build it. */
const LEAVES_PER_VERIFY = 64;

/** Groups per bit of the map that spares `runs` the untouched parts of a large directory. */
const REGION_GROUPS = 4096;

/** Consecutive exceptions. */
export interface TableRun {
  readonly oldChunk: Chunk;
  readonly newChunk: Chunk;
  readonly count: number;
  readonly settled: boolean;
}

/** What a writer knows of its table beside the table's own words. Plain values: another thread's writer goes on from them. */
export interface TableState {
  readonly exceptions: number;
  readonly topWord: number;
  /** A byte for each region of the directory that has been touched. */
  readonly regions: Uint8Array;
}

export class TableWriter {
  readonly #heap: LeafHeap;
  readonly #groups: number;
  readonly #image = new GroupImage();
  readonly #regions: Uint8Array;
  #count = 0;
  /** Leaves since one was looked at (VERIFY). */
  #built = 0;

  /** The writer of a table that was just created, or that its first writer has handed over; there are never two at a time. */
  constructor(memory: SharedArrayBuffer, state?: TableState) {
    this.#heap = new LeafHeap(memory, state?.topWord);
    assert(this.#heap.words[MAGIC_WORD] === TABLE_MAGIC, "shared memory is not an exception table");
    this.#groups = this.#heap.words[GROUPS_WORD];
    this.#regions = state?.regions ?? new Uint8Array(Math.ceil(this.#groups / REGION_GROUPS));
    assert(
      this.#regions.length === Math.ceil(this.#groups / REGION_GROUPS),
      "the table that was handed over is another",
    );
    this.#count = state?.exceptions ?? 0;
  }

  /** After `loadSettled`, and nothing else: this writer has had its use, and the one that gets it goes on, in whichever thread. */
  handOver(): TableState {
    assert(this.#heap.isDense, "a table is handed over before it changes");
    return { exceptions: this.#count, topWord: this.#heap.topWord, regions: this.#regions };
  }

  stateOf(chunk: Chunk): EntryState {
    const at = this.#find(chunk);
    return at === 0 ? EntryState.None : (stateBits(this.#heap.words[at]) as EntryState);
  }

  /** Only where the state is not None. */
  newChunkOf(chunk: Chunk): Chunk {
    const at = this.#find(chunk);
    assert(at !== 0, "chunk has no exception");
    const words = this.#heap.words;
    return newChunkFrom(words[at - 1], words[at]) + (chunk & (GROUP_CHUNKS - 1)) - offsetOf(words[at]);
  }

  /** Add an exception (C-22). Throws ENOMEM where the table is full; nothing has changed then. */
  publish(oldChunk: Chunk, newChunk: Chunk, state: EntryState): void {
    assert(state !== EntryState.None, "publish without a state");
    assert(newChunk >= 0 && newChunk < TABLE_NEW_CHUNKS_MAX, "new chunk does not fit a table entry");
    assert(this.#find(oldChunk) === 0, "chunk has an exception already");
    const words = this.#heap.words;
    const group = Math.floor(oldChunk / GROUP_CHUNKS);
    const offset = oldChunk & (GROUP_CHUNKS - 1);
    const leaf = words[DIRECTORY_WORD + group];
    const header = leaf === 0 ? 0 : words[leaf];
    if (leaf !== 0 && hasRoom(header)) {
      const used = usedOf(header);
      Atomics.store(words, leaf + 1 + 2 * used, lowWord(newChunk));
      Atomics.store(words, leaf + 2 + 2 * used, packEntry(state, offset, 1, newChunk));
      // Publish after fill: a reader takes no more entries than the header counts.
      Atomics.store(words, leaf, packHeader(false, used + 1, sortedOf(header), capacityOf(header)));
    } else if (isDirect(header) && words[leaf + 2 + 2 * offset] === 0) {
      Atomics.store(words, leaf + 1 + 2 * offset, lowWord(newChunk));
      // Publish after fill: a reader takes A only after it has seen a live B.
      Atomics.store(words, leaf + 2 + 2 * offset, packEntry(state, offset, 1, newChunk));
    } else {
      this.#image.take(words, leaf);
      this.#image.state[offset] = state;
      this.#image.newChunk[offset] = newChunk;
      this.#rebuild(group, leaf);
    }
    this.#count++;
  }

  /** Visible → settled (C-24): the caller has seen it committed and drained. */
  settle(oldChunk: Chunk): void {
    const at = this.#find(oldChunk);
    assert(at !== 0, "chunk has no exception");
    const words = this.#heap.words;
    const b = words[at];
    assert(isLive(b), "only what is there settles");
    if (stateBits(b) === EntryState.Settled) return;
    Atomics.store(words, at, (b & ~3) | EntryState.Settled);
    this.#foldIfWorth(Math.floor(oldChunk / GROUP_CHUNKS));
  }

  /** The exception goes (C-37); its chunk reads as None at once. */
  remove(oldChunk: Chunk): void {
    const at = this.#find(oldChunk);
    assert(at !== 0, "chunk has no exception");
    const words = this.#heap.words;
    const group = Math.floor(oldChunk / GROUP_CHUNKS);
    const offset = oldChunk & (GROUP_CHUNKS - 1);
    const leaf = words[DIRECTORY_WORD + group];
    const b = words[at];
    const rest = restOf(b);
    assert(this.#count > 0, "the table counts what it holds");
    if (rest === 0) {
      Atomics.store(words, at, (b & ~3) | REMOVED);
      if (isEmpty(words, leaf)) this.#replace(group, leaf, 0);
    } else if (offset === offsetOf(b) + rest) {
      Atomics.store(words, at, b - (1 << 10));
    } else {
      this.#image.take(words, leaf);
      this.#image.state[offset] = EntryState.None;
      this.#rebuild(group, leaf);
    }
    this.#count--;
  }

  /** Exceptions in the table. */
  count(): number {
    return this.#count;
  }

  /** Bytes that the table occupies: directory, leaves, and free memory between them. */
  memoryBytes(): number {
    return this.#heap.topWord * 4;
  }

  /** Whether `exceptions` more can be published whatever their chunks are; else publish may throw ENOMEM. */
  hasRoomFor(exceptions: number): boolean {
    return exceptions * LEAF_REACH <= this.#heap.spareWords;
  }

  /**
   * Memory to publish so many exceptions more is there from now on; false: the machine has none, or a table of the largest size is
   * nearly full. A smaller one was sized so that every chunk of the origin finds room.
   */
  makeRoomFor(exceptions: number): boolean {
    if (this.#heap.isLargest && !this.hasRoomFor(exceptions)) return false;
    return this.#heap.reserve(exceptions * LEAF_REACH);
  }

  /**
   * Fill the empty table, before any reader has it, with exceptions in any order, all settled. Returns -1, or an old chunk that
   * is there twice (S-38); the table stays empty then.
   */
  loadSettled(exceptions: ExceptionColumns | ExceptionPairs): Chunk | -1 {
    assert(this.#count === 0, "table is not empty");
    const duplicate = bulkLoad(this.#heap, this.#groups, this.#image, exceptions, (group) => this.#touch(group));
    if (duplicate === -1) this.#count = exceptions.count;
    if (VERIFY && this.#count <= VERIFY_EXCEPTIONS_MAX) this.verify();
    return duplicate;
  }

  /** All exceptions by ascending old chunk, runs folded. The table must not change between two steps. */
  *runs(): Generator<TableRun, void, undefined> {
    let pending: TableRun | undefined;
    for (const run of this.#groupRuns()) {
      const joins =
        pending !== undefined &&
        pending.settled === run.settled &&
        run.oldChunk === pending.oldChunk + pending.count &&
        run.newChunk === pending.newChunk + pending.count;
      if (pending !== undefined && joins) {
        pending = { ...pending, count: pending.count + run.count };
      } else {
        if (pending !== undefined) yield pending;
        pending = run;
      }
    }
    if (pending !== undefined) yield pending;
  }

  /** Walk the whole table and the heap: for tests and VERIFY. */
  verify(): void {
    this.#heap.verify();
    let count = 0;
    for (const run of this.#groupRuns()) count += run.count;
    assert(count === this.#count, "count disagrees with the leaves");
  }

  *#groupRuns(): Generator<TableRun, void, undefined> {
    const image = this.#image;
    for (let group = 0; group < this.#groups; group++) {
      if (group % REGION_GROUPS === 0) {
        while (group < this.#groups && this.#regions[group / REGION_GROUPS] === 0) group += REGION_GROUPS;
        if (group >= this.#groups) return;
      }
      const leaf = this.#heap.words[DIRECTORY_WORD + group];
      if (leaf === 0) continue;
      image.take(this.#heap.words, leaf);
      image.fold();
      for (let i = 0; i < image.runs; i++) {
        const offset = image.runOffset[i];
        yield {
          oldChunk: group * GROUP_CHUNKS + offset,
          newChunk: image.newChunk[offset],
          count: image.runLength[i],
          settled: image.state[offset] === EntryState.Settled,
        };
      }
    }
  }

  /** The word index of the B of the chunk's entry; 0 where there is none. */
  #find(chunk: Chunk): number {
    assert(chunk >= 0 && chunk < this.#groups * GROUP_CHUNKS, "chunk outside of the origin");
    const leaf = this.#heap.words[DIRECTORY_WORD + Math.floor(chunk / GROUP_CHUNKS)];
    return leaf === 0 ? 0 : findEntry(this.#heap.words, leaf, chunk & (GROUP_CHUNKS - 1));
  }

  #foldIfWorth(group: number): void {
    const words = this.#heap.words;
    const leaf = words[DIRECTORY_WORD + group];
    const header = words[leaf];
    const entries = isDirect(header) ? GROUP_CHUNKS : usedOf(header);
    if (entries < FOLD_ENTRIES || hasVisible(words, leaf) || !this.makeRoomFor(1)) return;
    this.#image.take(words, leaf);
    this.#image.fold();
    if (this.#image.runs * FOLD_GAIN <= entries) this.#rebuild(group, leaf);
  }

  /** Build the leaf of the image, and publish it in place of `old`. */
  #rebuild(group: number, old: number): void {
    this.#image.fold();
    assert(this.#image.runs > 0, "a leaf has an exception");
    const leaf = this.#heap.allocate(this.#image.leafWords());
    this.#image.put(this.#heap.words, leaf);
    this.#replace(group, old, leaf);
    if (VERIFY && (this.#built = (this.#built + 1) % LEAVES_PER_VERIFY) === 0) this.#verifyLeaf(group, leaf);
  }

  /** What was built reads as it should, chunk by chunk. */
  #verifyLeaf(group: number, leaf: number): void {
    const { state, newChunk } = this.#image;
    for (let offset = 0; offset < GROUP_CHUNKS; offset++) {
      const at = findEntry(this.#heap.words, leaf, offset);
      const isThere = state[offset] !== EntryState.None;
      assert((at !== 0) === isThere, "a leaf has the chunks of its image");
      if (isThere) assert(this.newChunkOf(group * GROUP_CHUNKS + offset) === newChunk[offset], "and where they are");
    }
  }

  #replace(group: number, old: number, leaf: number): void {
    assert(this.#heap.words[DIRECTORY_WORD + group] === old, "main alone writes the directory");
    this.#touch(group);
    // Publish after fill: all words of the leaf were stored before its index.
    Atomics.store(this.#heap.words, DIRECTORY_WORD + group, leaf);
    if (old !== 0) this.#heap.retire(old);
  }

  #touch(group: number): void {
    this.#regions[Math.floor(group / REGION_GROUPS)] = 1;
  }
}
