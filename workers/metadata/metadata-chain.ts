/**
 * A metadata job as the metadata worker has it: a file, and steps that run one after the other, each only if the one before
 * has succeeded whole. A pooled record, used again for a later job.
 *
 *   zeroes ──▶ flush ──▶ image, durably          what a job may be (S-31, S-53, S-70): each part may be missing, none may come out of order
 *   read into image slots (S-60)
 *
 * The worker does not know what an image says, but it knows this order, on which every store depends: it does not begin a job that has another.
 */
import { assert } from "../../src/base/assert.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { isDeviceFile } from "../../src/ring/file-table.ts";

/** A step's address where it writes zeroes. */
export const ZEROES = -1;

export interface ChainStep {
  /** Read, Write or Sync. */
  readonly operation: IoOp;
  /** Bytes on the device. */
  readonly position: number;
  readonly bytes: number;
  /** In the arena, or ZEROES. */
  readonly address: number;
  /** The write is durable when it completes. */
  readonly durable: boolean;
}

export class MetadataChain {
  readonly index: number;
  volume = 0;
  id = 0;
  file = 0;
  expected = 0;
  readonly steps: ChainStep[] = [];
  /** The step that is submitted next, and how much of it has been. */
  step = 0;
  stepDone = 0;
  /** Bytes that each submitted operation must transfer. */
  readonly lengths: number[] = [];
  pending = 0;
  error = 0;
  /** Jobs of other volumes may come while it is under way. */
  shared = false;
  /** Its operations are done inside the turn. */
  atOnce = false;
  /** Zeroes have been ordered that no flush has followed yet. */
  #unflushed = false;

  constructor(index: number) {
    this.index = index;
  }

  begin(volume: number, id: number, file: number, expected: number, shared: boolean): void {
    assert(this.pending === 0, "a job's record is used again before its end");
    assert(isDeviceFile(file), "a job for what is no device");
    assert(expected > 0, "a job without steps");
    this.volume = volume;
    this.id = id;
    this.file = file;
    this.expected = expected;
    this.shared = shared;
    this.steps.length = 0;
    this.lengths.length = 0;
    this.step = 0;
    this.stepDone = 0;
    this.pending = 0;
    this.error = 0;
    this.#unflushed = false;
  }

  get complete(): boolean {
    return this.steps.length === this.expected;
  }

  /** The next step. An image is written durably, and behind whatever was zeroed; its job's zeroes have reached the device before. */
  add(step: ChainStep): void {
    const { operation, position, bytes, address, durable } = step;
    assert(!this.complete, "a job has more steps than it was to have");
    assert(position >= 0, "a device has no bytes before its first");
    if (operation === IoOp.Sync) {
      assert(bytes === 0, "a flush of bytes");
      this.#unflushed = false;
    } else {
      assert(bytes > 0, "a step of no bytes");
      if (operation === IoOp.Read) assert(address !== ZEROES && !durable, "a read into zeroes");
      else assert(operation === IoOp.Write, "a job reads, writes and flushes");
      if (operation === IoOp.Write && durable) assert(!this.#unflushed, "an image before the flush of what was zeroed");
      if (operation === IoOp.Write && !durable) {
        assert(address === ZEROES, "an image that is not written durably");
        this.#unflushed = true;
      }
    }
    this.steps.push(step);
    if (this.complete) assert(!this.#unflushed, "a job ends and its zeroes are not flushed");
  }
}
