/**
 * The exceptions of one snapshot that are allocated and not durable, in allocation order (S-41, C-20).
 *
 *   head                ready end              tail
 *   ┌─ ready, ready, ready ─┬─ copying, ready, copying ─┐
 *   └───────────────────────┴───────────────────────────┘
 *
 * Copies end in any order; a group takes from the ready prefix only. One that finds no room is taken out (overflow.ts). A linked list through the pending records.
 */
import { assert } from "../base/assert.ts";
import { isAfter } from "./sequence.ts";

/** What the queue needs of an exception: it is linked through the records themselves. */
export interface Queued<Self> {
  readonly sequence: number;
  readonly ready: boolean;
  nextInQueue: Self | null;
}

export class CommitQueue<Exception extends Queued<Exception>> {
  #head: Exception | null = null;
  #tail: Exception | null = null;
  /** First that is not ready. */
  #firstUnready: Exception | null = null;
  #length = 0;
  #ready = 0;

  get length(): number {
    return this.#length;
  }

  /** How many from the head on are ready. */
  get ready(): number {
    return this.#ready;
  }

  get head(): Exception | null {
    return this.#head;
  }

  push(pending: Exception): void {
    assert(!pending.ready, "what comes into being has no data yet");
    assert(
      this.#tail === null || isAfter(pending.sequence, this.#tail.sequence),
      "the queue is in the order of allocation",
    );
    pending.nextInQueue = null;
    if (this.#tail === null) this.#head = pending;
    else this.#tail.nextInQueue = pending;
    this.#tail = pending;
    this.#firstUnready ??= pending;
    this.#length += 1;
  }

  /** Some exception has become ready: the prefix may have grown. */
  advance(): void {
    while (this.#firstUnready?.ready === true) {
      this.#ready += 1;
      this.#firstUnready = this.#firstUnready.nextInQueue;
    }
  }

  /** Take the head, which is ready. */
  shift(): Exception {
    const pending = this.#head;
    assert(pending !== null && this.#ready > 0, "there is a ready prefix");
    assert(pending.ready, "what is taken is ready");
    this.#head = pending.nextInQueue;
    if (this.#head === null) this.#tail = null;
    pending.nextInQueue = null;
    this.#length -= 1;
    this.#ready -= 1;
    return pending;
  }

  /** The exception, whose data did not come to the COW device, is left out: those behind it move up by a slot. */
  remove(pending: Exception): void {
    assert(!pending.ready, "what is ready may be on its way to the disk");
    let before: Exception | null = null;
    for (let at = this.#head; at !== pending; at = at.nextInQueue) {
      assert(at !== null, "the exception is in the queue");
      before = at;
    }
    if (before === null) this.#head = pending.nextInQueue;
    else before.nextInQueue = pending.nextInQueue;
    if (this.#tail === pending) this.#tail = before;
    if (this.#firstUnready === pending) this.#firstUnready = pending.nextInQueue;
    pending.nextInQueue = null;
    this.#length -= 1;
    this.advance();
  }

  /** Walk it all: in the order of allocation, and the prefix is ready up to the first that is not (VERIFY). */
  verify(): void {
    let length = 0;
    let before: Exception | null = null;
    for (let at = this.#head; at !== null; at = at.nextInQueue) {
      assert(before === null || isAfter(at.sequence, before.sequence), "the queue is in the order of allocation");
      assert(
        length < this.#ready === at.ready || length > this.#ready,
        "the ready prefix ends at the first that is not",
      );
      if (length === this.#ready) assert(at === this.#firstUnready, "the first that is not ready is remembered");
      length += 1;
      before = at;
    }
    assert(length === this.#length && before === this.#tail, "the queue is as long as it says");
    assert(this.#ready <= length, "the prefix is part of the queue");
    if (this.#ready === length) assert(this.#firstUnready === null, "nothing is unready in a queue that is ready");
  }

  /** The store is invalid: nothing is committed any more. */
  clear(): void {
    this.#head = null;
    this.#tail = null;
    this.#firstUnready = null;
    this.#length = 0;
    this.#ready = 0;
  }
}
