/**
 * The shared words of one snapshot besides its table: state, sequence numbers, the range being merged, tracking.
 *
 *   word 0   state   word 1  visSeq   word 2  durSeq   word 3  epoch of reserved chunks   words 4-15  0
 *   word 16  version │ 17 sectors low │ 18 high │ 19 first sector low │ 20 high     the merge range
 *   word 32  tracking.ts
 *
 * Main writes all but the reader counts. The merge range is five words and a reader must never act on a
 * half of it: `version` is odd while it changes, and a reader that sees it odd or changed says "overlaps". That
 * only sends the write to main, which lets it look again (C-11). Main waits for every write that was announced before
 * the range was stored (C-34), and clears the range after the entries have gone (C-37).
 */
import { assert } from "../base/assert.ts";
import { newSharedMemory } from "../base/shared-memory.ts";
import { SnapshotState } from "../base/states.ts";
import { fromWords, highWord, lowWord } from "../base/u64.ts";
import type { Sector } from "../base/units.ts";
import { TRACKING_WORDS, Tracking, TrackingReader } from "./tracking.ts";

const STATE = 0;
const VISIBLE = 1;
const DURABLE = 2;
const RESERVE_EPOCH = 3;
const VERSION = 16;
const SECTORS = 17;
const FIRST = 19;
const TRACKING = 32;

const SNAPSHOT_WORDS: number = TRACKING + TRACKING_WORDS;

/** Shared memory for the words of one snapshot; its state is Absent. Throws a SnapringError ENOMEM. */
export function createSnapshotWords(): SharedArrayBuffer {
  return newSharedMemory(SNAPSHOT_WORDS * 4, SNAPSHOT_WORDS * 4, "the words of a snapshot");
}

/** Main's side. */
export class SnapshotWords {
  readonly tracking: Tracking;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
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

  /** The range being merged; 0 sectors clear it. */
  setMergeRange(firstSector: Sector, sectors: Sector): void {
    assert(firstSector >= 0 && sectors >= 0 && Number.isSafeInteger(firstSector + sectors), "a range of the origin");
    const words = this.#words;
    const version = Atomics.add(words, VERSION, 1);
    assert((version & 1) === 0, "the range has one writer");
    Atomics.store(words, SECTORS, lowWord(sectors));
    Atomics.store(words, SECTORS + 1, highWord(sectors));
    Atomics.store(words, FIRST, lowWord(firstSector));
    Atomics.store(words, FIRST + 1, highWord(firstSector));
    Atomics.add(words, VERSION, 1);
  }
}

/** A worker's side. */
export class SnapshotWordsReader {
  readonly tracking: TrackingReader;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
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

  /** The write may touch the range being merged: ask main, then look again (C-39). */
  overlapsMergeRange(firstSector: Sector, sectors: Sector): boolean {
    const words = this.#words;
    const version = Atomics.load(words, VERSION);
    const count = fromWords(Atomics.load(words, SECTORS), Atomics.load(words, SECTORS + 1));
    const first = fromWords(Atomics.load(words, FIRST), Atomics.load(words, FIRST + 1));
    if ((version & 1) === 1 || Atomics.load(words, VERSION) !== version) return true;
    return count > 0 && firstSector < first + count && first < firstSector + sectors;
  }
}
