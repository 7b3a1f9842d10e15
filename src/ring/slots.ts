/**
 * The data slots of one worker's arena, in a few size classes. Each slot has one owner at a time.
 *
 *   ┌──────────────┬────────────────────────────────────────┬──────────┬──────────┐
 *   │ page before  │ payload room: class bytes + 1 page      │ scratch  │ scratch  │   all page-aligned
 *   │ …hdr 16 B ▸  │ ▴ byte `offset mod 4096` of the request │ head     │ tail     │
 *   └──────────────┴────────────────────────────────────────┴──────────┴──────────┘
 *
 * A request's bytes lie at the same place inside a page as on the device, so that O_DIRECT can read and write whole
 * blocks around them; the reply header sits in the 16 bytes before them. The scratch pages hold the device blocks that an
 * unaligned write only covers in part. Slots are used again, so who gives one back must know that nobody moves bytes of it: no operation of a device (the
 * last piece has ended), no receive (it has completed, or its cancel has), no send (likewise; a reply that has left in part keeps its slot). A worker that finds no free slot says "not yet"; nothing grows.
 */
import { assert, VERIFY } from "../base/assert.ts";

export const PAGE_BYTES = 4096;

/** Which slot a taker may have. */
export const SlotFit = {
  /** Of the smallest class that holds the bytes. */
  Smallest: 0,
  /** Or, where none of those is free, of the next one. */
  NextLarger: 1,
} as const;
export type SlotFit = (typeof SlotFit)[keyof typeof SlotFit];

/** A bit for each. */
export const ALL_CLASSES = -1;

export interface SlotClass {
  /** Largest request, in bytes. */
  readonly bytes: number;
  readonly count: number;
}

function strideOf(bytes: number): number {
  return bytes + 4 * PAGE_BYTES;
}

/** Bytes of arena for these classes. */
export function slotArenaBytes(classes: readonly SlotClass[]): number {
  return classes.reduce((sum, c) => sum + strideOf(c.bytes) * c.count, 0);
}

export class Slots {
  readonly #classes: readonly SlotClass[];
  readonly #firstSlot: number[] = [];
  readonly #firstAddress: number[] = [];
  readonly #free: Int32Array[] = [];
  readonly #freeCount: number[] = [];

  /** Classes in ascending size, laid out from the arena address `base` (page-aligned). */
  constructor(classes: readonly SlotClass[], base: number) {
    assert(base % PAGE_BYTES === 0);
    this.#classes = classes;
    let address = base;
    let slot = 0;
    for (const c of classes) {
      assert(c.bytes % PAGE_BYTES === 0);
      this.#firstSlot.push(slot);
      this.#firstAddress.push(address);
      this.#free.push(Int32Array.from({ length: c.count }, (_, i) => slot + c.count - 1 - i));
      this.#freeCount.push(c.count);
      address += strideOf(c.bytes) * c.count;
      slot += c.count;
    }
  }

  get sizeClasses(): number {
    return this.#classes.length;
  }

  /** The class of the smallest slots that hold so many bytes. */
  sizeClass(bytes: number): number {
    return this.#classes.findIndex((c) => c.bytes >= bytes);
  }

  /** Slots of a size class that are free. */
  free(sizeClass: number): number {
    return this.#freeCount[sizeClass];
  }

  /** A slot for so many bytes, of the classes whose bit is set, or -1: none of them is free now. */
  take(bytes: number, fit: SlotFit, classes: number = ALL_CLASSES): number {
    let tried = fit === SlotFit.NextLarger ? 0 : 1;
    for (let k = 0; k < this.#classes.length && tried < 2; k++) {
      if (this.#classes[k].bytes < bytes) continue;
      if (this.#freeCount[k] > 0 && (classes & (1 << k)) !== 0) return this.#free[k][--this.#freeCount[k]];
      tried += 1;
    }
    return -1;
  }

  give(slot: number): void {
    const k = this.classOf(slot);
    assert(this.#freeCount[k] < this.#classes[k].count, "a slot was given back twice");
    if (VERIFY) assert(!this.#free[k].subarray(0, this.#freeCount[k]).includes(slot), "a free slot was given back");
    this.#free[k][this.#freeCount[k]++] = slot;
  }

  /** Arena address of the slot's payload room (page-aligned). */
  address(slot: number): number {
    const k = this.classOf(slot);
    return this.#firstAddress[k] + (slot - this.#firstSlot[k]) * strideOf(this.#classes[k].bytes) + PAGE_BYTES;
  }

  /** Arena address of the two scratch pages. */
  scratch(slot: number): number {
    return this.address(slot) + this.#classes[this.classOf(slot)].bytes + PAGE_BYTES;
  }

  /** Slots in use. */
  used(): number {
    return this.#classes.reduce((sum, c, k) => sum + c.count - this.#freeCount[k], 0);
  }

  classOf(slot: number): number {
    let k = this.#classes.length - 1;
    assert(slot >= 0 && slot < this.#firstSlot[k] + this.#classes[k].count, "a slot of this arena");
    while (slot < this.#firstSlot[k]) k -= 1;
    return k;
  }
}
