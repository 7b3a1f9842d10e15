/**
 * Durable exceptions that wait for tracked reads to end, by bucket: the state of the drains of C-24.
 *
 * Per bucket two lists: those that the drain under way is for, and those that came after it began, which take the next one.
 */
import type { PendingException } from "./pending-exception.ts";

export const DrainPhase = {
  Idle: 0,
  /** Waits for the counter that new readers do not use, before the flip. */
  BeforeFlip: 1,
  /** Waits for the counter that new readers used until the flip. */
  AfterFlip: 2,
} as const;
export type DrainPhase = (typeof DrainPhase)[keyof typeof DrainPhase];

export class SettleBuckets {
  readonly phase: Uint8Array;
  readonly #current: (PendingException | null)[];
  readonly #next: (PendingException | null)[];
  #waiting = 0;

  constructor(count: number) {
    this.phase = new Uint8Array(count);
    this.#current = new Array<PendingException | null>(count).fill(null);
    this.#next = new Array<PendingException | null>(count).fill(null);
  }

  /** Exceptions in any list. */
  get waiting(): number {
    return this.#waiting;
  }

  add(bucket: number, pending: PendingException): void {
    pending.nextInBucket = this.#next[bucket]!;
    this.#next[bucket] = pending;
    this.#waiting += 1;
  }

  /** A drain begins, for all that are there; false if there are none. */
  begin(bucket: number): boolean {
    const first = this.#next[bucket]!;
    if (first === null) return false;
    this.#current[bucket] = first;
    this.#next[bucket] = null;
    return true;
  }

  /** Take one of those that the drain was for; null when all are taken. */
  take(bucket: number): PendingException | null {
    const pending = this.#current[bucket]!;
    if (pending === null) return null;
    this.#current[bucket] = pending.nextInBucket;
    pending.nextInBucket = null;
    this.#waiting -= 1;
    return pending;
  }

  clear(): void {
    this.phase.fill(DrainPhase.Idle);
    this.#current.fill(null);
    this.#next.fill(null);
    this.#waiting = 0;
  }
}
