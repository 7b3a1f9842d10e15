/**
 * Devices that have had something of a copy for longer than a healthy one takes. Looked at with each tick of the clock (slow-clock.ts): which
 * they are, and whether they hold most of the segments that all share.
 */
import { FILE_COUNT } from "../../src/ring/file-table.ts";
import type { CopySegment } from "./copy-segment.ts";
import { COMMON, type SegmentShares } from "./segment-shares.ts";
import type { SegmentedCopy } from "./segmented-copy.ts";
import type { SlowClock } from "./slow-clock.ts";

export class SlowDevices {
  readonly #clock: SlowClock;
  readonly #isSlow = new Uint8Array(FILE_COUNT);
  #some = false;

  constructor(clock: SlowClock) {
    this.#clock = clock;
  }

  /** There is one. */
  get some(): boolean {
    return this.#some;
  }

  /** One of these targets of the copy is on one. */
  isAny(job: SegmentedCopy, targets: number): boolean {
    if (!this.#some) return false;
    for (let t = 0; t < job.targetCount; t++) {
      if ((targets & (1 << t)) !== 0 && this.#isSlow[job.targetFile[t]] === 1) return true;
    }
    return false;
  }

  /** The clock has ticked. True: they hold most of the common segments, and there is none left. */
  look(segments: readonly CopySegment[], shares: SegmentShares): boolean {
    this.#isSlow.fill(0);
    this.#some = false;
    let common = 0;
    for (const segment of segments) {
      if (segment.job === null || !this.#clock.isSlow(segment.begunAt)) continue;
      if (segment.share === COMMON) common += 1;
      // All copies of a volume wait for its origin, and so none for another.
      if (segment.isRead && !segment.job.readsCow) this.#markWriting(segment, segment.job);
      else if (!segment.isRead && segment.job.readsCow) this.#mark(segment.job.file);
    }
    return !shares.hasCommon && shares.isMostOfCommon(common);
  }

  #markWriting(segment: CopySegment, job: SegmentedCopy): void {
    const underWay = segment.targets & ~segment.over;
    for (let t = 0; t < job.targetCount; t++) {
      if ((underWay & (1 << t)) !== 0) this.#mark(job.targetFile[t]);
    }
  }

  #mark(file: number): void {
    this.#isSlow[file] = 1;
    this.#some = true;
  }
}
