/**
 * Chunks of a COW device that a worker may fill before main knows of the exception: one hop less for a first write.
 *
 *   worker                                              main
 *   NeedReserve ───────────────────────────────────────▶ allocate some
 *   ◀────────────────────────────── Reserved (runs) ─────
 *   first write: enter the write gate, epoch the same?
 *   fill a reserved chunk, leave the gate, Claim ───────▶ nobody else made the exception: visible, Released 0
 *                                                         somebody did: Released EAGAIN, the chunk stays in reserve
 *
 * Nothing is promised before the claim: until then main knows no exception, an origin write makes its own, and the claim is
 * refused. Reserves of an older epoch are void: a merge may have handed the chunks out again; the epoch changes only while the write
 * gate is closed and drained. What is never claimed stays an unused hole in the store (S-6). The order of new chunks then
 * differs from the order of first writes, so replays that compare images switch it off.
 */
import { assert, VERIFY } from "../../src/base/assert.ts";

/** A worker that writes little holds little: the reserve doubles each time that it has been used up. */
const RESERVE_MIN = 4;
const RESERVE_MAX = 32;
/** First writes without an answer, before a worker that got nothing asks again. */
const PATIENCE = 64;

export class ChunkReserve {
  readonly #chunks: number[] = [];
  #epoch = -1;
  #patience = 0;
  #size = RESERVE_MIN;

  /** A chunk to fill, or -1. */
  take(epoch: number): number {
    if (epoch !== this.#epoch) this.#chunks.length = 0;
    return this.#chunks.pop() ?? -1;
  }

  /** The claim was refused: the chunk may serve another one. */
  giveBack(chunk: number, epoch: number): void {
    if (epoch !== this.#epoch) return;
    if (VERIFY) assert(!this.#chunks.includes(chunk), "a chunk came back into its reserve twice");
    this.#chunks.push(chunk);
  }

  /** How many main is to be asked for; 0: none, or an answer is still to come. */
  wanted(): number {
    if (this.#chunks.length > this.#size / 3) return 0;
    if (this.#patience > 0) {
      this.#patience -= 1;
      return 0;
    }
    this.#patience = PATIENCE;
    const wanted = this.#size;
    this.#size = Math.min(RESERVE_MAX, 2 * this.#size);
    return wanted;
  }

  /** Main has reserved a run. */
  add(first: number, count: number, epoch: number): void {
    assert(first >= 0 && count > 0, "a run of no chunks was reserved");
    if (epoch !== this.#epoch) this.#chunks.length = 0;
    this.#epoch = epoch;
    this.#patience = 0;
    // Taken from the end, so in ascending order: neighbours in time are neighbours on the device.
    for (let i = 0; i < count; i++) this.#chunks.push(first + i);
    this.#chunks.sort((a, b) => b - a);
  }
}
