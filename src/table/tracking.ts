/**
 * Tracked snapshot reads: who is on the way to the origin, so that main can wait for them before it lets the origin change.
 *
 *   bucket b   word 4b  readers with parity 0   4b+1  readers with parity 1   4b+2  parity for new readers   4b+3  waiting
 *
 *   reader (worker)                        main
 *   p = par; trk[p] += 1        (C-1)      store the entry: visible
 *   look up: none → read the origin        see trk[1 - par] = 0; flip par; see the other = 0   (C-24)
 *   trk[p] -= 1                            else waiting = 1, look again, go on with other work
 *   fell to 0: waiting? → DRAINED (C-5)    DRAINED: look again
 *
 * TRACK_CHUNKS_PER_BUCKET neighbouring chunks share a bucket, and so do chunks that are TRACK_BUCKETS × that apart: sharing
 * makes main wait for a read that it need not wait for, never the reverse. Each side stores its own word before it loads
 * the other's, so that no wake-up is lost.
 */
import { assert } from "../base/assert.ts";
import { TRACK_BUCKETS, TRACK_BUCKETS_PER_PIECE, TRACK_CHUNKS_PER_BUCKET } from "../base/constants.ts";
import type { Chunk } from "../base/units.ts";

const STRIDE = 4;
const PARITY = 2;
const WAITING = 3;
const CHUNK_SHIFT = Math.log2(TRACK_CHUNKS_PER_BUCKET);

/** Words that tracking takes. */
export const TRACKING_WORDS: number = TRACK_BUCKETS * STRIDE;

assert(Number.isInteger(CHUNK_SHIFT));
// `bucketOf` looks at the low 32 bits of a chunk only.
assert(TRACK_BUCKETS * TRACK_CHUNKS_PER_BUCKET <= 2 ** 32);

/** The bucket that a chunk's readers count in. */
export function bucketOf(chunk: Chunk): number {
  return (chunk >>> CHUNK_SHIFT) & (TRACK_BUCKETS - 1);
}

/** Main's side. */
export class Tracking {
  readonly bucketCount: number = TRACK_BUCKETS;
  readonly #words: Int32Array;
  readonly #at: number;

  /** The tracking words start at index `at`. */
  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  bucketOf(chunk: Chunk): number {
    return bucketOf(chunk);
  }

  parity(bucket: number): number {
    assert(bucket >= 0 && bucket < TRACK_BUCKETS, "a bucket of tracked reads");
    return Atomics.load(this.#words, this.#at + bucket * STRIDE + PARITY);
  }

  /** New readers count with the other parity from now on. */
  flip(bucket: number): void {
    Atomics.store(this.#words, this.#at + bucket * STRIDE + PARITY, 1 - this.parity(bucket));
  }

  readers(bucket: number, parity: number): number {
    const readers = Atomics.load(this.#words, this.#at + bucket * STRIDE + parity);
    assert(readers >= 0, "no read has ended twice");
    return readers;
  }

  /** Ask for one DRAINED; then look at the counters once more (C-5). */
  awaitDrain(bucket: number): void {
    assert(bucket >= 0 && bucket < TRACK_BUCKETS, "a bucket of tracked reads");
    Atomics.store(this.#words, this.#at + bucket * STRIDE + WAITING, 1);
  }

  /** Main has seen what it waited for by itself. A DRAINED may still be on its way. */
  clearWaiting(bucket: number): void {
    Atomics.store(this.#words, this.#at + bucket * STRIDE + WAITING, 0);
  }
}

/** A worker's side. */
export class TrackingReader {
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** Count one read in the bucket, before anything else is looked at (C-1). Returns its parity, for `end`. */
  begin(bucket: number): number {
    const at = this.#at + bucket * STRIDE;
    const parity = Atomics.load(this.#words, at + PARITY);
    Atomics.add(this.#words, at + parity, 1);
    return parity;
  }

  /** The read has ended. True: its counter fell to 0 and main waits: send DRAINED (C-5), one for each time main asked. */
  end(bucket: number, parity: number): boolean {
    const at = this.#at + bucket * STRIDE;
    const before = Atomics.sub(this.#words, at + parity, 1);
    assert(before > 0, "tracked read ended twice");
    return (
      before === 1 &&
      Atomics.load(this.#words, at + WAITING) === 1 &&
      Atomics.exchange(this.#words, at + WAITING, 0) === 1
    );
  }

  /** `begin` for every bucket of `count` chunks, at most TRACK_BUCKETS_PER_PIECE; bit i of the result is the parity in the i-th. */
  beginRange(first: Chunk, count: number): number {
    const buckets = bucketsOf(first, count);
    const start = bucketOf(first);
    let parities = 0;
    for (let i = 0; i < buckets; i++) parities |= this.begin((start + i) & (TRACK_BUCKETS - 1)) << i;
    return parities;
  }

  /** `end` for what `beginRange` counted. Bit i of the result: send DRAINED for bucket `bucketAt(first, i)`. */
  endRange(first: Chunk, count: number, parities: number): number {
    const buckets = bucketsOf(first, count);
    const start = bucketOf(first);
    let drained = 0;
    for (let i = 0; i < buckets; i++) {
      if (this.end((start + i) & (TRACK_BUCKETS - 1), (parities >>> i) & 1)) drained |= 1 << i;
    }
    return drained;
  }
}

/** The i-th bucket of a range that starts at `first`. */
export function bucketAt(first: Chunk, i: number): number {
  return (bucketOf(first) + i) & (TRACK_BUCKETS - 1);
}

/** The most chunks from `first` on that one `beginRange` can take. */
export function trackableChunks(first: Chunk): number {
  return TRACK_BUCKETS_PER_PIECE * TRACK_CHUNKS_PER_BUCKET - (first & (TRACK_CHUNKS_PER_BUCKET - 1));
}

function bucketsOf(first: Chunk, count: number): number {
  assert(count >= 1 && count <= trackableChunks(first), "piece spans too many buckets");
  return (((first & (TRACK_CHUNKS_PER_BUCKET - 1)) + count - 1) >>> CHUNK_SHIFT) + 1;
}
