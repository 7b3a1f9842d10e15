/**
 * Reads the areas of a store, or the pieces of large ones, many at a time, into memory that is used again (S-36).
 *
 *   begin(position) … ──▶ batch ──turn──▶ under way ──▶ next(): the oldest, whole, until the next begin
 *
 * A store of ten million exceptions has ten thousand areas. Asked for one by one, they would cost more than what stands in them: a
 * buffer and a thread's wake-up each. A ring takes a batch of them with one call, and reads what the page cache has at once.
 *
 * Runs in an opening thread (store-reading.ts), which waits for the device as long as that takes.
 */
import { assert } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import { returnMemory } from "../device/cleared-memory.ts";
import { openFileRing } from "../device/open-ring.ts";
import type { IoRing } from "../device/port.ts";
import { newSharedPages } from "../device/shared-pages.ts";
import { COMPLETION_WORDS, IoOp } from "../ring/io-descriptor.ts";
import { Submissions } from "../ring/submissions.ts";
import type { RingMode } from "../ring/worker-data.ts";

/** However large the pieces are, not more memory than this, or one of them. */
const BYTES_MAX: number = 16 * 2 ** 20;

interface Slot {
  readonly bytes: Uint8Array;
  position: number;
  done: number;
  /** Of the system, 0 for none. */
  error: number;
}

export class ReadAhead {
  readonly #length: number;
  readonly #arena: SharedArrayBuffer;
  readonly #ring: IoRing;
  readonly #submissions: Submissions;
  /** Used in turn. */
  readonly #slots: readonly Slot[];
  #begun = 0;
  #taken = 0;

  /** `length`: of every range; `most`: ranges at a time. */
  constructor(fd: number, length: number, most: number, mode: RingMode) {
    const slots = Math.max(1, Math.min(most, Math.floor(BYTES_MAX / length)));
    const arena = newSharedPages(slots * length);
    this.#length = length;
    this.#arena = arena;
    this.#ring = openFileRing(fd, arena, slots, mode);
    this.#submissions = new Submissions(this.#ring.submissions);
    this.#slots = Array.from({ length: slots }, (_, i) => {
      return { bytes: new Uint8Array(arena, i * length, length), position: 0, done: 0, error: 0 };
    });
  }

  /** Ranges that have begun and were not taken. */
  get underWay(): number {
    return this.#begun - this.#taken;
  }

  get hasRoom(): boolean {
    return this.underWay < this.#slots.length;
  }

  /** So much has been taken that a batch is worth its call. */
  get wantsMore(): boolean {
    return this.underWay <= this.#slots.length / 2;
  }

  begin(position: number): void {
    assert(this.hasRoom, "more reads than slots");
    const index = this.#begun++ % this.#slots.length;
    const slot = this.#slots[index];
    slot.position = position;
    slot.done = 0;
    slot.error = 0;
    this.#submit(index);
  }

  /** The bytes of the oldest range, or an error number: EIO where the device ends too early. */
  next(): Uint8Array | number {
    assert(this.underWay > 0, "a read has begun");
    const slot = this.#slots[this.#taken++ % this.#slots.length];
    while (slot.done < this.#length && slot.error === 0) this.#turn();
    return slot.error === 0 ? slot.bytes : slot.error;
  }

  /** Nothing reads any more; what `next` gave is gone. */
  close(): void {
    // Else a device that hangs may still write into it.
    if (this.#ring.close()) returnMemory(this.#arena);
  }

  #submit(index: number): void {
    const { bytes, position, done } = this.#slots[index];
    const address = bytes.byteOffset + done;
    this.#submissions.push(IoOp.Read, 0, index, address, this.#length - done, position + done, 0);
  }

  #turn(): void {
    const completed = this.#ring.turn(this.#submissions.take(), true);
    const words = this.#ring.completions;
    for (let i = 0; i < completed; i++) {
      const index = words[i * COMPLETION_WORDS];
      const result = words[i * COMPLETION_WORDS + 1];
      const slot = this.#slots[index];
      if (result <= 0) slot.error = result < 0 ? -result : errno.EIO;
      else {
        slot.done += result;
        if (slot.done < this.#length) this.#submit(index);
      }
    }
  }
}
