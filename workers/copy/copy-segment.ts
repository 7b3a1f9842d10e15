/**
 * A stretch of a copy that fits one slot of the copy worker's arena: read once, then written to every target that overlaps it.
 */
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";
import type { CopyJob } from "./copy-job.ts";

export class CopySegment {
  readonly index: number;
  readonly address: number;
  job: CopyJob | null = null;
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

  /** Bytes of target t that lie in this segment. */
  overlap(t: number): number {
    const job = this.job as CopyJob;
    const start = Math.max(this.from, job.targetOffset[t]);
    const end = Math.min(this.from + this.length, job.targetOffset[t] + job.targetLength[t]);
    return Math.max(0, end - start);
  }
}
