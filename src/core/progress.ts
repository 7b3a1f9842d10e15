/**
 * How far the exceptions of one snapshot have come: those that are not settled yet, and the numbers that say up to where everything is done.
 *
 *   allocated ≥ visible ≥ durable      the last sequence that was given out, published, committed (compared by difference)
 *   demanded                           the last one that somebody waits for (S-57)
 *
 *   pending table   every exception from its allocation until it settles, by old chunk
 *   queue           those that are not durable, in the order of allocation (S-41)
 *   buckets         those that are durable, until tracked reads have drained (C-24)
 *
 * `Owner` is the snapshot: an exception names it, and this file need not know more of it.
 */
import { assert } from "../base/assert.ts";
import type { Area, Chunk } from "../base/units.ts";
import { CommitQueue } from "./commit-queue.ts";
import { type PendingException, PendingTable } from "./pending-exception.ts";
import { isAfter, nextSequence } from "./sequence.ts";
import { SettleBuckets } from "./settle-buckets.ts";

export class Progress<Owner> {
  readonly pending: PendingTable<Owner> = new PendingTable<Owner>();
  readonly queue: CommitQueue<PendingException<Owner>> = new CommitQueue<PendingException<Owner>>();
  readonly buckets: SettleBuckets<PendingException<Owner>>;
  allocated = 0;
  visible = 0;
  durable = 0;
  /** Highest sequence that somebody waits for (S-57). */
  demanded = 0;
  /** Chunk copies under way (E-25). */
  copies = 0;
  /** Copies and granted writes under way: the COW device is in use. */
  outstanding = 0;
  /** Exceptions in the group that is being written, and the area that it is written to. */
  groupInFlight = 0;
  groupArea: Area = 0;
  /** Published before they are committed: the status counts them as if they were (S-57). */
  visibleUncommitted = 0;
  timerArmed = false;
  timerFired = false;

  constructor(bucketCount: number) {
    this.buckets = new SettleBuckets(bucketCount);
  }

  /** An exception comes into being: it has the next sequence number, and with it its place in the order of commits (S-41). */
  begin(owner: Owner, oldChunk: Chunk, newChunk: Chunk, isQueued: boolean): PendingException<Owner> {
    this.allocated = nextSequence(this.allocated);
    const pending = this.pending.take(owner, oldChunk, newChunk, this.allocated);
    if (isQueued) this.queue.push(pending);
    return pending;
  }

  /** Somebody waits for this sequence to become durable. */
  demand(sequence: number): void {
    assert(!isAfter(sequence, this.allocated), "nobody waits for a sequence that was not given out");
    if (isAfter(sequence, this.demanded)) this.demanded = sequence;
  }

  /** All that is allocated is wanted; false: it was already. */
  demandAll(): boolean {
    if (this.demanded === this.allocated) return false;
    this.demanded = this.allocated;
    return true;
  }

  get hasDemand(): boolean {
    return isAfter(this.demanded, this.durable);
  }

  /** Nothing is pending, nothing waits for its commit. */
  get isSettled(): boolean {
    return this.pending.count === 0 && this.queue.length === 0;
  }

  /** Walk it all: lists, counts and numbers agree (VERIFY). `isPersistent`: what is not durable is in the queue. */
  verify(isPersistent: boolean): void {
    this.queue.verify();
    this.buckets.verify();
    let unready = 0;
    let visible = 0;
    for (const pending of this.pending.values()) {
      assert(!isAfter(pending.sequence, this.allocated), "a sequence was given out");
      assert(!pending.durable || pending.visible, "what is durable is visible");
      assert(
        !pending.visible || (pending.ready && pending.grant === null),
        "what is visible has its data, and is acknowledged",
      );
      if (!pending.ready) unready += 1;
      if (pending.visible && !pending.durable) visible += 1;
    }
    const waiting = isPersistent ? this.queue.length : unready;
    assert(
      this.pending.count === waiting + this.buckets.waiting,
      "what is pending waits for its data, its commit or its readers",
    );
    assert(unready === this.outstanding, "what has no data yet is under way");
    assert(this.copies <= this.outstanding, "a copy is under way for an exception");
    assert(visible === this.visibleUncommitted, "what is visible and not durable is counted");
    assert(this.groupInFlight <= this.queue.ready, "what is being written stands at the head of the queue");
    assert(
      !isAfter(this.visible, this.allocated) && !isAfter(this.durable, this.visible),
      "durable ≤ visible ≤ allocated",
    );
  }

  /** The snapshot is Invalid: nothing is committed or settled any more. What is pending is ended one by one. */
  stop(): void {
    this.queue.clear();
    this.buckets.clear();
    this.visibleUncommitted = 0;
    this.groupInFlight = 0;
  }
}
