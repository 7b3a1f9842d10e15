/**
 * A single-producer, single-consumer ring of fixed-size messages in shared memory.
 *
 *     word 0      8           16          32          48 …
 *   ┌───────────┬───────────┬───────────┬───────────┬──────────────────────────────┐
 *   │ tail      │ spill     │ head      │ sleeping  │ capacity × MESSAGE_WORDS     │   one cache line between
 *   │ producer  │ producer  │ consumer  │ consumer  │ messages, 32 bytes each      │   tail, head and sleeping
 *   └───────────┴───────────┴───────────┴───────────┴──────────────────────────────┘
 *
 *   producer                                  consumer
 *   fill message words                        sleeping = 1
 *   tail = tail + n   (publish)               load tail: something there → sleeping = 0, go on
 *   load sleeping: 1 → wake the consumer      sleep
 *
 * The two columns are C-5's rule: each side stores its own word before it loads the other's, so that no wake is
 * lost. Indices run freely over 32 bits and are compared by difference. A full ring means "not yet".
 */
import { assert } from "../base/assert.ts";
import { MESSAGE_WORDS } from "./message-field.ts";

const TAIL = 0;
/** The producer's: room for a message that the ring has no room for (outbox.ts). */
export const SPILL = 8;
const HEAD = 16;
const SLEEPING = 32;
const MESSAGES = 48;

function ringBytes(capacity: number): number {
  return (MESSAGES + capacity * MESSAGE_WORDS) * 4;
}

/** Shared memory for one ring; capacity is a power of two. */
export function createRing(capacity: number): SharedArrayBuffer {
  assert((capacity & (capacity - 1)) === 0 && capacity > 0, "ring capacity is not a power of two");
  return new SharedArrayBuffer(ringBytes(capacity));
}

function capacityOf(memory: SharedArrayBuffer): number {
  const capacity = (memory.byteLength / 4 - MESSAGES) / MESSAGE_WORDS;
  assert((capacity & (capacity - 1)) === 0 && capacity > 0, "the memory is a ring");
  return capacity;
}

/** The producer's end. Messages become visible to the consumer at `publish`, all at once. */
export class RingProducer {
  /** All words of the ring; a reserved message starts at the index that `reserve` returned. */
  readonly words: Int32Array;
  readonly #mask: number;
  #tail: number;
  #head: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.#mask = capacityOf(memory) - 1;
    this.#tail = Atomics.load(this.words, TAIL);
    this.#head = Atomics.load(this.words, HEAD);
  }

  /** The word index of the next message, to be filled before `publish`; -1 where the ring is full. */
  reserve(): number {
    if (((this.#tail - this.#head) | 0) > this.#mask) {
      this.#head = Atomics.load(this.words, HEAD);
      assert(((this.#tail - this.#head) | 0) >= 0, "the consumer is never ahead of the producer");
      if (((this.#tail - this.#head) | 0) > this.#mask) return -1;
    }
    const at = MESSAGES + (this.#tail & this.#mask) * MESSAGE_WORDS;
    this.#tail = (this.#tail + 1) | 0;
    return at;
  }

  /** Publish after fill: the tail is stored after the words of every reserved message. True if the consumer must be woken. */
  publish(): boolean {
    if (Atomics.load(this.words, TAIL) === this.#tail) return false;
    Atomics.store(this.words, TAIL, this.#tail);
    return Atomics.load(this.words, SLEEPING) === 1 && Atomics.exchange(this.words, SLEEPING, 0) === 1;
  }
}

/** The consumer's end. */
export class RingConsumer {
  readonly words: Int32Array;
  readonly #mask: number;
  #head: number;
  #tail: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.#mask = capacityOf(memory) - 1;
    this.#head = Atomics.load(this.words, HEAD);
    this.#tail = this.#head;
  }

  /** The word index of the oldest message; -1 where there is none. It stays valid until `advance`. */
  peek(): number {
    if (this.#head === this.#tail) {
      // The index is loaded before the message words that it publishes.
      this.#tail = Atomics.load(this.words, TAIL);
      assert(((this.#tail - this.#head) | 0) >= 0, "the producer takes nothing back");
      assert(((this.#tail - this.#head) | 0) <= this.#mask + 1, "the producer overwrites nothing that is not read");
      if (this.#head === this.#tail) return -1;
    }
    return MESSAGES + (this.#head & this.#mask) * MESSAGE_WORDS;
  }

  /** Give the oldest message's place back to the producer. */
  advance(): void {
    assert(this.#head !== this.#tail, "there is a message to be taken");
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.words, HEAD, this.#head);
  }

  /** Say that this side is about to sleep. False: something came meanwhile, do not sleep. */
  prepareSleep(): boolean {
    Atomics.store(this.words, SLEEPING, 1);
    if (Atomics.load(this.words, TAIL) === this.#head) return true;
    Atomics.store(this.words, SLEEPING, 0);
    return false;
  }

  /** After a sleep, however it ended. */
  awake(): void {
    Atomics.store(this.words, SLEEPING, 0);
  }
}

assert(TAIL < SPILL && SPILL + MESSAGE_WORDS <= HEAD, "what the producer keeps aside lies beside its tail");
