/**
 * Copies the runs of one merge step from the COW device to the origin, a few at a time, slice by slice (S-62).
 *
 *   beginSlice ──▶ advance … done ──▶ the origin is flushed ──▶ isWhole, or beginSlice again
 *
 * A run is cut to the largest copy, at the end of a slice, and at the end of the origin. The first error stops it; copies under way still end.
 */
import { assert } from "../base/assert.ts";
import { SECTOR_BYTES, divFloor, type Sector } from "../base/units.ts";
import type { CoreContext } from "./context.ts";
import type { CopyJobs, CopyOwner } from "./copy-jobs.ts";
import type { MergePace } from "./merge-pace.ts";
import type { MergeRun } from "./merge-plan.ts";
import { ORIGIN_DEVICE } from "./ports.ts";
import type { Snapshot } from "./snapshot.ts";

export class MergeCopier implements CopyOwner {
  readonly #context: CoreContext;
  readonly #jobs: CopyJobs;
  readonly #snapshot: Snapshot;
  readonly #runs: readonly MergeRun[];
  readonly #pace: MergePace;
  #run = 0;
  /** Sectors of the run in progress that have been started. */
  #started: Sector = 0;
  /** Copies that the slice has left, and sectors of them. */
  #copiesLeft = 0;
  #sectorsLeft: Sector = 0;
  #underWay = 0;
  #error = 0;

  constructor(context: CoreContext, jobs: CopyJobs, snapshot: Snapshot, pace: MergePace, runs: readonly MergeRun[]) {
    this.#context = context;
    this.#jobs = jobs;
    this.#snapshot = snapshot;
    this.#pace = pace;
    this.#runs = runs;
  }

  /** Go on, as far as may be before the origin is flushed. */
  beginSlice(): void {
    assert(
      this.#underWay === 0 && !this.isWhole,
      "a slice begins when the one before it has been copied, and there is more",
    );
    this.#pace.look();
    this.#copiesLeft = this.#pace.sliceCopies;
    this.#sectorsLeft = this.#pace.sliceSectors;
  }

  /** True once the slice is copied, or has failed. */
  get done(): boolean {
    return this.#underWay === 0 && (this.#error !== 0 || !this.#mayStart);
  }

  /** Nothing is left for a further slice. */
  get isWhole(): boolean {
    return this.#run === this.#runs.length;
  }

  get error(): number {
    return this.#error;
  }

  /** Start as many copies as may be under way; true if any was. */
  advance(): boolean {
    let started = false;
    while (this.#error === 0 && this.#mayStart && this.#underWay < this.#pace.copies) {
      this.#startNext();
      started = true;
    }
    return started;
  }

  copyDone(error: number): void {
    this.#underWay -= 1;
    if (error !== 0) this.#error = error;
  }

  get #mayStart(): boolean {
    return !this.isWhole && this.#copiesLeft > 0 && this.#sectorsLeft > 0;
  }

  #startNext(): void {
    const { chunkSectors } = this.#snapshot.geometry;
    const { originSectors, options } = this.#context;
    const run = this.#runs[this.#run]!;
    const to = run.oldChunk * chunkSectors;
    const length = Math.min(run.count * chunkSectors, originSectors - to);
    const most = Math.min(divFloor(options.copyBytes, SECTOR_BYTES), this.#sectorsLeft);
    const sectors = Math.min(length - this.#started, most);
    const from = run.newChunk * chunkSectors + this.#started;
    this.#underWay += 1;
    this.#jobs.startRange(this, this.#snapshot.device, from, ORIGIN_DEVICE, to + this.#started, sectors);
    this.#snapshot.counters.copiedBytes += sectors * SECTOR_BYTES;
    this.#copiesLeft -= 1;
    this.#sectorsLeft -= sectors;
    this.#started += sectors;
    if (this.#started < length) return;
    this.#run += 1;
    this.#started = 0;
  }
}
