/**
 * The shared words of one snapshot besides its table: state, sequence numbers, the chunks being merged, tracking.
 *
 *   word 0   state   word 1  visSeq   word 2  durSeq   word 3  epoch of reserved chunks   words 4-15  0
 *   word 16  number of stretches being merged   words 17-31  0
 *   word 32  tracking.ts
 *   behind   first chunk of each stretch, ascending (float64)   end of each stretch (float64)
 *
 * Main writes all but the reader counts. The merging range is a set of stretches of chunks. It is looked at inside the gate that
 * writes of the merging volume are announced in, and stored while that is closed and empty (C-34): first the stretches, then their number,
 * which publishes them. It is cleared by the number alone, after the entries have gone (C-37), with writes about; the stretches stay as
 * they are until the gate has been empty once more, so whoever has loaded the number may search them. No sequence word guards them: the gate does,
 * and docs/spec/models/range.pml refutes the orders without it.
 */
import { assert } from "../base/assert.ts";
import { MERGE_STRETCHES_MAX } from "../base/constants.ts";
import { newSharedMemory } from "../base/shared-memory.ts";
import { SnapshotState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import { TRACKING_WORDS, Tracking, TrackingReader } from "./tracking.ts";

const STATE = 0;
const VISIBLE = 1;
const DURABLE = 2;
const RESERVE_EPOCH = 3;
const STRETCHES = 16;
const TRACKING = 32;

const FIRSTS_OFFSET: number = (TRACKING + TRACKING_WORDS) * 4;
const ENDS_OFFSET: number = FIRSTS_OFFSET + MERGE_STRETCHES_MAX * 8;
const SNAPSHOT_BYTES: number = ENDS_OFFSET + MERGE_STRETCHES_MAX * 8;

assert(FIRSTS_OFFSET % 8 === 0);

/** Shared memory for the words of one snapshot; its state is Absent. Throws a SnapringError ENOMEM. */
export function createSnapshotWords(): SharedArrayBuffer {
  return newSharedMemory(SNAPSHOT_BYTES, SNAPSHOT_BYTES, "the words of a snapshot");
}

/** Chunks of the origin that lie side by side. */
interface Stretch {
  readonly first: Chunk;
  readonly count: number;
}

/** Main's side. */
export class SnapshotWords {
  readonly tracking: Tracking;
  readonly #words: Int32Array;
  readonly #firsts: Float64Array;
  readonly #ends: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#firsts = new Float64Array(memory, FIRSTS_OFFSET, MERGE_STRETCHES_MAX);
    this.#ends = new Float64Array(memory, ENDS_OFFSET, MERGE_STRETCHES_MAX);
    this.tracking = new Tracking(this.#words, TRACKING);
  }

  setState(state: SnapshotState): void {
    assert(state >= SnapshotState.Absent && state <= SnapshotState.Merging, "a state of a snapshot");
    Atomics.store(this.#words, STATE, state);
  }

  /** Highest visible sequence number (int32, compared by difference). */
  setVisible(sequence: number): void {
    assert(((sequence - Atomics.load(this.#words, VISIBLE)) | 0) > 0, "what is visible stays so (C-22)");
    Atomics.store(this.#words, VISIBLE, sequence);
  }

  /** Everything up to this sequence number is durable. */
  setDurable(sequence: number): void {
    assert(((sequence - Atomics.load(this.#words, DURABLE)) | 0) >= 0, "what is durable stays so (C-23)");
    assert(((Atomics.load(this.#words, VISIBLE) - sequence) | 0) >= 0, "what is durable is visible");
    Atomics.store(this.#words, DURABLE, sequence);
  }

  /** Reserved chunks of an older epoch are void. */
  setReserveEpoch(epoch: number): void {
    Atomics.store(this.#words, RESERVE_EPOCH, epoch);
  }

  /** What is merged next: stretches in ascending order that do not touch. The gates of writes are closed and empty (C-34). */
  setMergeRange(stretches: readonly Stretch[]): void {
    assert(Atomics.load(this.#words, STRETCHES) === 0, "one range at a time");
    assert(stretches.length > 0 && stretches.length <= MERGE_STRETCHES_MAX, "the range has room");
    let end = -1;
    for (let i = 0; i < stretches.length; i++) {
      const { first, count } = stretches[i]!;
      assert(first > end && count > 0, "stretches ascend, and do not touch");
      end = first + count;
      this.#firsts[i] = first;
      this.#ends[i] = end;
    }
    // Publishes the stretches: a worker loads the number before it looks at them.
    Atomics.store(this.#words, STRETCHES, stretches.length);
  }

  /** The entries of what was merged have gone (C-37). */
  clearMergeRange(): void {
    Atomics.store(this.#words, STRETCHES, 0);
  }
}

/** A worker's side. */
export class SnapshotWordsReader {
  readonly tracking: TrackingReader;
  readonly #words: Int32Array;
  readonly #firsts: Float64Array;
  readonly #ends: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#firsts = new Float64Array(memory, FIRSTS_OFFSET, MERGE_STRETCHES_MAX);
    this.#ends = new Float64Array(memory, ENDS_OFFSET, MERGE_STRETCHES_MAX);
    this.tracking = new TrackingReader(this.#words, TRACKING);
  }

  state(): SnapshotState {
    return Atomics.load(this.#words, STATE) as SnapshotState;
  }

  /** Loaded inside the snapshot's write gate: it changes only while that is closed and drained. */
  reserveEpoch(): number {
    return Atomics.load(this.#words, RESERVE_EPOCH);
  }

  /** A flush loads this first, then asks `isDurable` (C-13). */
  visible(): number {
    return Atomics.load(this.#words, VISIBLE);
  }

  /** Everything up to this sequence number is durable. */
  isDurable(sequence: number): boolean {
    return ((Atomics.load(this.#words, DURABLE) - sequence) | 0) >= 0;
  }

  /**
   * C-39: chunks first … first+count-1 meet what is being merged; ask main, then look again. Called inside the gate of the merging
   * volume's writes, which keeps the stretches as they are.
   */
  meetsMergeRange(first: Chunk, count: number): boolean {
    const end = first + count;
    // The last stretch that begins before the end is `low - 1`.
    let low = 0;
    let high = Atomics.load(this.#words, STRETCHES);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firsts[middle]! < end) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.#ends[low - 1]! > first;
  }
}
