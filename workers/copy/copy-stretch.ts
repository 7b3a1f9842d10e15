/**
 * What of a copy waits for segments: some of its targets, from where the next segment begins to where the last of them ends.
 *
 * As a rule a copy has one, of all its targets. Where its devices no longer go together (copy-queue.ts) it has one for each device, which reads for
 * itself: until the old data is kept the origin has it.
 */
import { assert } from "../../src/base/assert.ts";
import type { SegmentedCopy } from "./segmented-copy.ts";

export class CopyStretch {
  job: SegmentedCopy | null = null;
  /** A bit for each target. */
  targets = 0;
  /** The file of its COW device, or MANY_DEVICES. */
  device = 0;
  /** Inside of the job's range. */
  cursor = 0;
  end = 0;

  /** All of the copy. */
  begin(job: SegmentedCopy): void {
    this.#begin(job, job.all, job.device, 0, job.length);
  }

  /** The part of another one that is for the device of this target; nothing of it may be left. */
  beginPart(whole: CopyStretch, target: number): void {
    const job = whole.job as SegmentedCopy;
    const targets = whole.targets & job.sameDevice(target);
    let low = whole.end;
    let high = whole.cursor;
    for (let t = 0; t < job.targetCount; t++) {
      if ((targets & (1 << t)) === 0) continue;
      low = Math.min(low, job.targetOffset[t]);
      high = Math.max(high, job.targetOffset[t] + job.targetLength[t]);
    }
    this.#begin(job, targets, job.targetFile[target], Math.max(low, whole.cursor), high);
  }

  get isOver(): boolean {
    return this.cursor >= this.end;
  }

  /** Its job. */
  over(): SegmentedCopy {
    const { job } = this;
    assert(job !== null && job.stretches > 0, "a stretch of a copy ended twice");
    this.job = null;
    job.stretches -= 1;
    return job;
  }

  #begin(job: SegmentedCopy, targets: number, device: number, cursor: number, end: number): void {
    assert(this.job === null, "a stretch has two copies");
    assert(targets !== 0 && end <= job.length, "a stretch of nothing, or beyond its copy");
    this.job = job;
    this.targets = targets;
    this.device = device;
    this.cursor = cursor;
    this.end = end;
    job.stretches += 1;
  }
}
