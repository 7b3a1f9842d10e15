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
import type { PendingException } from "./pending-exception.ts";

export class CommitQueue {
  #head: PendingException | null = null;
  #tail: PendingException | null = null;
  /** First that is not ready. */
  #firstUnready: PendingException | null = null;
  #length = 0;
  #ready = 0;

  get length(): number {
    return this.#length;
  }

  /** How many from the head on are ready. */
  get ready(): number {
    return this.#ready;
  }

  get head(): PendingException | null {
    return this.#head;
  }

  push(pending: PendingException): void {
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
  shift(): PendingException {
    const pending = this.#head;
    assert(pending !== null && this.#ready > 0, "the head is ready");
    this.#head = pending.nextInQueue;
    if (this.#head === null) this.#tail = null;
    pending.nextInQueue = null;
    this.#length -= 1;
    this.#ready -= 1;
    return pending;
  }

  /** The exception, whose data did not come to the COW device, is left out: those behind it move up by a slot. */
  remove(pending: PendingException): void {
    assert(!pending.ready, "what is ready may be on its way to the disk");
    let before: PendingException | null = null;
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

  /** The store is invalid: nothing is committed any more. */
  clear(): void {
    this.#head = null;
    this.#tail = null;
    this.#firstUnready = null;
    this.#length = 0;
    this.#ready = 0;
  }
}
