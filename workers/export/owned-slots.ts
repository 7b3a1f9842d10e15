/**
 * A worker's slots (ring/slots.ts), each with the one record that has it: a request for its bytes, or a piece for the chunk that it puts together.
 *
 *   take(bytes, owner) ──▶ address … the owner's operations … ──▶ give(slot, owner)
 *
 * Two records with one slot would mix the bytes of two clients, so both ends are checked, and so is every range that goes to the kernel.
 */
import { assert } from "../../src/base/assert.ts";
import { MAX_REQUESTS_PER_WORKER } from "../../src/base/constants.ts";
import { ALL_CLASSES, PAGE_BYTES, type SlotClass, type SlotFit, Slots } from "../../src/ring/slots.ts";

const NOBODY = 0;

/** Who has a slot: requests from 1 on, pieces behind them. */
export function requestOwner(request: number): number {
  return 1 + request;
}

export function pieceOwner(piece: number): number {
  return 1 + MAX_REQUESTS_PER_WORKER + piece;
}

export class OwnedSlots {
  readonly #slots: Slots;
  readonly #owner: Int32Array;
  /** Arena addresses: the payload room, the scratch pages, and all of it from the page before to the end. */
  readonly #address: Int32Array;
  readonly #scratch: Int32Array;
  readonly #end: Int32Array;

  constructor(classes: readonly SlotClass[], base: number) {
    const count = classes.reduce((sum, c) => sum + c.count, 0);
    const slots = new Slots(classes, base);
    this.#slots = slots;
    this.#owner = new Int32Array(count);
    // Whole numbers of 32 bits stay so, whatever is computed from them: out of an array of doubles each of them would be one.
    assert(slots.scratch(count - 1) + 2 * PAGE_BYTES < 2 ** 31, "an arena whose addresses are no small numbers");
    this.#address = Int32Array.from({ length: count }, (_, slot) => slots.address(slot));
    this.#scratch = Int32Array.from({ length: count }, (_, slot) => slots.scratch(slot));
    this.#end = this.#scratch.map((scratch) => scratch + 2 * PAGE_BYTES);
  }

  get sizeClasses(): number {
    return this.#slots.sizeClasses;
  }

  sizeClass(bytes: number): number {
    return this.#slots.sizeClass(bytes);
  }

  used(): number {
    return this.#slots.used();
  }

  free(sizeClass: number): number {
    return this.#slots.free(sizeClass);
  }

  classOf(slot: number): number {
    return this.#slots.classOf(slot);
  }

  /** A slot for so many bytes, of these size classes, or -1: none is free now. */
  take(bytes: number, owner: number, fit: SlotFit, classes: number = ALL_CLASSES): number {
    assert(bytes > 0, "a slot for nothing");
    const slot = this.#slots.take(bytes, fit, classes);
    if (slot === -1) return -1;
    assert(this.#owner[slot] === NOBODY, "a free slot has an owner");
    assert(bytes <= this.#scratch[slot] - this.#address[slot] - PAGE_BYTES, "a slot is too small");
    this.#owner[slot] = owner;
    return slot;
  }

  give(slot: number, owner: number): void {
    assert(this.#owner[slot] === owner, "a slot was given back by one who does not have it");
    this.#owner[slot] = NOBODY;
    this.#slots.give(slot);
  }

  /** Arena address of the slot's payload room (page-aligned). */
  address(slot: number): number {
    assert(this.#owner[slot] !== NOBODY, "nobody has the slot");
    return this.#address[slot];
  }

  /** Arena address of the two scratch pages. */
  scratch(slot: number): number {
    assert(this.#owner[slot] !== NOBODY, "nobody has the slot");
    return this.#scratch[slot];
  }

  /** Bytes that are about to be read, written, received or sent lie in a slot of the one who moves them. */
  assertHolds(slot: number, owner: number, address: number, length: number): void {
    assert(this.#owner[slot] === owner, "bytes move in a slot that is another's");
    assert(length > 0, "an operation of no bytes");
    assert(address >= this.#address[slot] - PAGE_BYTES, "bytes move before their slot");
    assert(address + length <= this.#end[slot], "bytes move behind their slot");
  }
}
