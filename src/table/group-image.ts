/**
 * One group of the table, chunk by chunk, outside of the shared memory: what a leaf is taken apart into and built from.
 *
 * A leaf changes in place only in the few ways that readers can bear. Everything else goes through this image: take the
 * leaf apart, change a chunk, fold what is settled and consecutive into runs again, and write a new leaf. The image
 * is scratch memory of the writer, reused for every group.
 */
import { assert } from "../base/assert.ts";
import { EntryState } from "../base/states.ts";
import { lowWord } from "../base/u64.ts";
import {
  capacityOf,
  GROUP_CHUNKS,
  isDirect,
  isLive,
  LIST_CAPACITIES,
  LIST_CAPACITY_MAX,
  newChunkFrom,
  offsetOf,
  packEntry,
  packHeader,
  restOf,
  stateBits,
  usedOf,
} from "./table-layout.ts";

/** The smallest capacity that holds `entries`; 0 where a direct leaf is needed. */
function listCapacity(entries: number): number {
  if (entries > LIST_CAPACITY_MAX) return 0;
  for (const capacity of LIST_CAPACITIES) if (capacity >= entries) return capacity;
  return 0;
}

export class GroupImage {
  /** By offset: an EntryState. */
  readonly state = new Uint8Array(GROUP_CHUNKS);
  /** By offset, where the state is not None. */
  readonly newChunk = new Float64Array(GROUP_CHUNKS);
  /** The folded runs: first offset and length, `runs` of them. */
  readonly runOffset = new Int32Array(GROUP_CHUNKS);
  readonly runLength = new Int32Array(GROUP_CHUNKS);
  runs = 0;

  clear(): void {
    this.state.fill(EntryState.None);
  }

  /** Take a leaf apart; 0 is an empty group. */
  take(words: Int32Array, leaf: number): void {
    this.clear();
    if (leaf === 0) return;
    const header = words[leaf];
    const places = isDirect(header) ? GROUP_CHUNKS : usedOf(header);
    for (let i = 0; i < places; i++) {
      const b = words[leaf + 2 + 2 * i];
      if (!isLive(b)) continue;
      const first = newChunkFrom(words[leaf + 1 + 2 * i], b);
      const offset = offsetOf(b);
      const rest = restOf(b);
      assert(offset + rest < GROUP_CHUNKS, "a run stays in its group");
      for (let n = 0; n <= rest; n++) {
        this.state[offset + n] = stateBits(b);
        this.newChunk[offset + n] = first + n;
      }
    }
  }

  /** Fold: consecutive chunks with consecutive new chunks are one run where all are settled; others stand alone. */
  fold(): void {
    let runs = 0;
    for (let offset = 0; offset < GROUP_CHUNKS; offset++) {
      const state = this.state[offset];
      if (state === EntryState.None) continue;
      const continues =
        offset > 0 &&
        state === EntryState.Settled &&
        this.state[offset - 1] === EntryState.Settled &&
        this.newChunk[offset] === this.newChunk[offset - 1] + 1;
      if (continues) {
        this.runLength[runs - 1]++;
      } else {
        this.runOffset[runs] = offset;
        this.runLength[runs++] = 1;
      }
    }
    this.runs = runs;
  }

  /** Add a settled chunk to an image that is being folded as it is made, by ascending offset; `reset` comes first. */
  append(offset: number, newChunk: number): void {
    const last = this.runs - 1;
    assert(
      last < 0 || this.runOffset[last] + this.runLength[last] <= offset,
      "chunks are appended by ascending offset",
    );
    const continues =
      last >= 0 && this.runOffset[last] + this.runLength[last] === offset && this.newChunk[offset - 1] === newChunk - 1;
    if (continues) {
      this.runLength[last]++;
    } else {
      this.runOffset[this.runs] = offset;
      this.runLength[this.runs++] = 1;
    }
    this.state[offset] = EntryState.Settled;
    this.newChunk[offset] = newChunk;
  }

  /** Forget what the folded runs cover. */
  reset(): void {
    for (let i = 0; i < this.runs; i++) {
      const end = this.runOffset[i] + this.runLength[i];
      for (let offset = this.runOffset[i]; offset < end; offset++) this.state[offset] = EntryState.None;
    }
    this.runs = 0;
  }

  /** Words of the leaf that holds the folded image; 0: none is needed. */
  leafWords(): number {
    if (this.runs === 0) return 0;
    const capacity = listCapacity(this.runs);
    return 1 + 2 * (capacity === 0 ? GROUP_CHUNKS : capacity);
  }

  /** Write the folded image into a leaf that no reader has been told of. */
  put(words: Int32Array, leaf: number): void {
    const capacity = listCapacity(this.runs);
    if (capacity === 0) {
      this.#putDirect(words, leaf);
      return;
    }
    assert(this.runs <= capacity, "the leaf has room for the image");
    for (let i = 0; i < this.runs; i++) {
      const offset = this.runOffset[i];
      const newChunk = this.newChunk[offset];
      Atomics.store(words, leaf + 1 + 2 * i, lowWord(newChunk));
      Atomics.store(words, leaf + 2 + 2 * i, packEntry(this.state[offset], offset, this.runLength[i], newChunk));
    }
    Atomics.store(words, leaf, packHeader(false, this.runs, this.runs, capacity));
  }

  /** The same before there is any reader of the table: plain stores, which the caller's store of the directory word publishes. */
  putFirst(words: Int32Array, leaf: number): void {
    const capacity = listCapacity(this.runs);
    if (capacity === 0) {
      this.#putDirect(words, leaf);
      return;
    }
    const { newChunk, runOffset, runLength } = this;
    for (let i = 0; i < this.runs; i++) {
      const offset = runOffset[i];
      words[leaf + 1 + 2 * i] = lowWord(newChunk[offset]);
      words[leaf + 2 + 2 * i] = packEntry(this.state[offset], offset, runLength[i], newChunk[offset]);
    }
    words[leaf] = packHeader(false, this.runs, this.runs, capacity);
  }

  #putDirect(words: Int32Array, leaf: number): void {
    for (let offset = 0; offset < GROUP_CHUNKS; offset++) {
      const state = this.state[offset];
      const newChunk = state === EntryState.None ? 0 : this.newChunk[offset];
      Atomics.store(words, leaf + 1 + 2 * offset, lowWord(newChunk));
      Atomics.store(
        words,
        leaf + 2 + 2 * offset,
        state === EntryState.None ? 0 : packEntry(state, offset, 1, newChunk),
      );
    }
    Atomics.store(words, leaf, packHeader(true, 0, 0, 0));
  }
}

/** Whether a list leaf has room for one more entry. */
export function hasRoom(header: number): boolean {
  return !isDirect(header) && usedOf(header) < capacityOf(header);
}

/** No live entry is left. */
export function isEmpty(words: Int32Array, leaf: number): boolean {
  const header = words[leaf];
  const places = isDirect(header) ? GROUP_CHUNKS : usedOf(header);
  for (let i = 0; i < places; i++) if (isLive(words[leaf + 2 + 2 * i])) return false;
  return true;
}

/** An entry waits for its settling, so that folding would gain little yet. */
export function hasVisible(words: Int32Array, leaf: number): boolean {
  const header = words[leaf];
  const places = isDirect(header) ? GROUP_CHUNKS : usedOf(header);
  for (let i = 0; i < places; i++) if (stateBits(words[leaf + 2 + 2 * i]) === EntryState.Visible) return true;
  return false;
}
