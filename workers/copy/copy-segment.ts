/**
 * A stretch of a copy that fits one slot of the copy worker's arena: read once, then written to those of its targets that overlap it. The slot is free
 * when the last write has ended, for a device reads from it until then.
 */
import { assert } from "../../src/base/assert.ts";
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";
import { SEGMENT_BYTES } from "../../src/ring/copy-arena.ts";
import type { CopyStretch } from "./copy-stretch.ts";
import type { SegmentedCopy } from "./segmented-copy.ts";

export class CopySegment {
  readonly index: number;
  readonly address: number;
  job: SegmentedCopy | null = null;
  /** Whose share the slot is of: a device's file, or COMMON. */
  share = 0;
  /** In ticks of the loop's clock. */
  begunAt = 0;
  /** A bit for each target that it is for, and for each whose part of it is over. */
  targets = 0;
  over = 0;
  /** Where it begins inside the job's range. */
  from = 0;
  length = 0;
  /** Bytes read so far. */
  progress = 0;
  /** Writes under way. */
  writes = 0;
  /** Bytes written so far, by target. */
  readonly done = new Float64Array(MAX_COPY_TARGETS);

  constructor(index: number, address: number) {
    this.index = index;
    this.address = address;
  }

  /** The next bytes of a stretch that fit into the slot. */
  begin(stretch: CopyStretch, share: number, now: number): void {
    const job = stretch.job as SegmentedCopy;
    assert(this.job === null, "a slot has two copies");
    assert(job.complete && !stretch.isOver, "a copy that is not known yet, or has all begun");
    this.job = job;
    this.share = share;
    this.begunAt = now;
    this.targets = stretch.targets;
    this.over = 0;
    this.from = stretch.cursor;
    this.length = Math.min(SEGMENT_BYTES, stretch.end - stretch.cursor);
    this.progress = 0;
    this.writes = 0;
    stretch.cursor += this.length;
    job.segments += 1;
  }

  /** The slot is free; its job. */
  end(): SegmentedCopy {
    const { job } = this;
    assert(job !== null && job.segments > 0, "a segment ended twice");
    assert(this.writes === 0, "a slot was given back under a write");
    this.job = null;
    job.segments -= 1;
    return job;
  }

  get isRead(): boolean {
    return this.progress === this.length;
  }

  /** So many more bytes have been read. */
  read(bytes: number): void {
    this.progress += bytes;
    assert(this.progress <= this.length, "more was read than was asked for");
  }

  /** So many more bytes of target t have been written. */
  wrote(t: number, bytes: number): void {
    this.done[t] += bytes;
    assert(this.done[t] <= this.overlap(t), "more was written than was asked for");
  }

  /** Bytes of target t that lie in this segment, and are for it to write. */
  overlap(t: number): number {
    if ((this.targets & (1 << t)) === 0) return 0;
    const job = this.job as SegmentedCopy;
    const start = Math.max(this.from, job.targetOffset[t]);
    const end = Math.min(this.from + this.length, job.targetOffset[t] + job.targetLength[t]);
    return Math.max(0, end - start);
  }
}
