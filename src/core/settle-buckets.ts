/**
 * Durable exceptions that wait for tracked reads to end, by bucket: the state of the drains of C-24.
 *
 * Per bucket two lists: those that the drain under way is for, and those that came after it began, which take the next one.
 */
import { assert } from "../base/assert.ts";

export const DrainPhase = {
  Idle: 0,
  /** Waits for the counter that new readers do not use, before the flip. */
  BeforeFlip: 1,
  /** Waits for the counter that new readers used until the flip. */
  AfterFlip: 2,
} as const;
export type DrainPhase = (typeof DrainPhase)[keyof typeof DrainPhase];

/** What the buckets need of an exception: it is linked through the records themselves. */
export interface Bucketed<Self> {
  readonly durable: boolean;
  nextInBucket: Self | null;
}

export class SettleBuckets<Exception extends Bucketed<Exception>> {
  readonly phase: Uint8Array;
  readonly #current: (Exception | null)[];
  readonly #next: (Exception | null)[];
  #waiting = 0;

  constructor(count: number) {
    this.phase = new Uint8Array(count);
    this.#current = new Array<Exception | null>(count).fill(null);
    this.#next = new Array<Exception | null>(count).fill(null);
  }

  /** Exceptions in any list. */
  get waiting(): number {
    return this.#waiting;
  }

  add(bucket: number, pending: Exception): void {
    assert(pending.durable, "only what is durable may settle (C-24)");
    assert(bucket >= 0 && bucket < this.phase.length, "the bucket is there");
    pending.nextInBucket = this.#next[bucket]!;
    this.#next[bucket] = pending;
    this.#waiting += 1;
  }

  /** A drain begins, for all that are there; false if there are none. */
  begin(bucket: number): boolean {
    assert(this.#current[bucket] === null, "a bucket has one drain at a time");
    const first = this.#next[bucket]!;
    if (first === null) return false;
    this.#current[bucket] = first;
    this.#next[bucket] = null;
    return true;
  }

  /** Take one of those that the drain was for; null when all are taken. */
  take(bucket: number): Exception | null {
    assert(this.phase[bucket] === DrainPhase.AfterFlip, "both counters have been seen empty");
    const pending = this.#current[bucket]!;
    if (pending === null) return null;
    this.#current[bucket] = pending.nextInBucket;
    pending.nextInBucket = null;
    this.#waiting -= 1;
    return pending;
  }

  /** Walk all lists: every exception is durable, a drain under way is for something, and they are as many as are counted (VERIFY). */
  verify(): void {
    let waiting = 0;
    for (let bucket = 0; bucket < this.phase.length; bucket++) {
      const isIdle = this.phase[bucket] === DrainPhase.Idle;
      assert(isIdle === (this.#current[bucket] === null), "a drain is under way for what waits for it");
      assert(!isIdle || this.#next[bucket] === null, "what waits has its drain");
      for (const first of [this.#current[bucket]!, this.#next[bucket]!]) {
        for (let at: Exception | null = first; at !== null; at = at.nextInBucket) {
          assert(at.durable, "only what is durable may settle (C-24)");
          waiting += 1;
        }
      }
    }
    assert(waiting === this.#waiting, "the buckets hold as many as they say");
  }

  clear(): void {
    this.phase.fill(DrainPhase.Idle);
    this.#current.fill(null);
    this.#next.fill(null);
    this.#waiting = 0;
  }
}
