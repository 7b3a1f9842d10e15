/**
 * The device operation of a piece, as a record: where it goes, how far it has come, and what the kernel still owes.
 *
 *   begin ──▶ ask(bytes) ──▶ answered(result) ──┬──▶ ask, if it was short ──▶ …
 *              (edges: two at a time)           └──▶ over: `error` says how
 *
 * Both sides of the hand-over to the kernel are checked here: nothing is asked for no bytes or of a place that is none, nothing is answered that was
 * not asked, and no answer is longer than its question.
 */
import { assert } from "../../src/base/assert.ts";
import { IoArg } from "../../src/ring/io-descriptor.ts";
import { FILE_COUNT } from "../../src/ring/file-table.ts";
import type { DeviceView } from "./device-view.ts";

/** When the bytes of a write are durable: a descriptor's argument. */
export const Durability = { WhenFlushed: 0, AtOnce: IoArg.Dsync } as const;
export type Durability = (typeof Durability)[keyof typeof Durability];

/** No fallocate is under way. */
export const NO_MODE: number = 0;

/** Read blocks of the head and of the tail. */
const AT_ONCE_MAX = 2;

export class Transfer {
  /** Null: a flush of `file`. */
  device: DeviceView | null = null;
  /** File index, and byte position on it. */
  file = 0;
  position = 0;
  /** Bytes of the operation that are done (short transfers go on from here). */
  progress = 0;
  durability: Durability = Durability.WhenFlushed;
  /** A trim: not being able to do it is no error. */
  advisory = false;
  /** Mode of the fallocate under way. */
  allocateMode: number = NO_MODE;
  /** 0, or why the operation has failed (positive). */
  error = 0;
  #underWay = 0;
  #asked = 0;

  /** Operations that have not completed. */
  get underWay(): number {
    return this.#underWay;
  }

  begin(device: DeviceView, position: number, durability: Durability): void {
    assert(position >= 0, "a device has no bytes before its first");
    this.#beginOn(device.file);
    this.device = device;
    this.position = position;
    this.durability = durability;
  }

  beginSync(file: number): void {
    this.#beginOn(file);
    this.device = null;
    this.position = 0;
    this.durability = Durability.WhenFlushed;
  }

  /** A further operation on the same device: what has been read is written. */
  restart(): void {
    assert(this.#underWay === 0, "a transfer began again and had not ended");
    this.progress = 0;
  }

  /** An operation of so many bytes is submitted; 0: a flush, or an allocation. */
  ask(bytes: number): void {
    assert(this.#underWay < AT_ONCE_MAX, "a piece has too many operations under way");
    this.#underWay += 1;
    this.#asked = bytes;
  }

  answered(result: number): void {
    assert(this.#underWay > 0, "a completion of nothing");
    assert(result <= this.#asked, "a device moved more bytes than it was asked for");
    this.#underWay -= 1;
  }

  /** With a piece that is over. */
  reset(): void {
    assert(this.#underWay === 0, "a piece ended before its device operation");
    assert(this.allocateMode === NO_MODE, "an allocation has not been taken note of");
    this.device = null;
    this.error = 0;
  }

  #beginOn(file: number): void {
    assert(this.#underWay === 0, "a transfer began before the last one had ended");
    assert(file >= 0 && file < FILE_COUNT, "a file that is not in the table");
    this.file = file;
    this.progress = 0;
    this.advisory = false;
    this.allocateMode = NO_MODE;
    this.error = 0;
  }
}
