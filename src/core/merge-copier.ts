/**
 * Copies the runs of one merge step from the COW device to the origin, a few at a time (S-62).
 *
 * A run is cut to the largest copy, and at the end of the origin. The first error stops it; copies under way still end.
 */
import { SECTOR_BYTES, divFloor, type Sector } from "../base/units.ts";
import type { CoreContext } from "./context.ts";
import type { CopyJobs, CopyOwner } from "./copy-jobs.ts";
import type { MergeRun } from "./merge-plan.ts";
import { ORIGIN_DEVICE } from "./ports.ts";
import type { Snapshot } from "./snapshot.ts";

export class MergeCopier implements CopyOwner {
  readonly #context: CoreContext;
  readonly #jobs: CopyJobs;
  readonly #snapshot: Snapshot;
  readonly #runs: readonly MergeRun[];
  #run = 0;
  /** Sectors of the run in progress that have been started. */
  #started: Sector = 0;
  #underWay = 0;
  #error = 0;

  constructor(context: CoreContext, jobs: CopyJobs, snapshot: Snapshot, runs: readonly MergeRun[]) {
    this.#context = context;
    this.#jobs = jobs;
    this.#snapshot = snapshot;
    this.#runs = runs;
  }

  /** True once everything is copied, or has failed. */
  get done(): boolean {
    return this.#underWay === 0 && (this.#error !== 0 || this.#run === this.#runs.length);
  }

  get error(): number {
    return this.#error;
  }

  /** Start as many copies as may be under way; true if any was. */
  advance(): boolean {
    let started = false;
    while (this.#error === 0 && this.#run < this.#runs.length && this.#underWay < this.#context.options.mergeCopies) {
      this.#startNext();
      started = true;
    }
    return started;
  }

  copyDone(error: number): void {
    this.#underWay -= 1;
    if (error !== 0) this.#error = error;
  }

  #startNext(): void {
    const { chunkSectors } = this.#snapshot.geometry;
    const { originSectors, options } = this.#context;
    const run = this.#runs[this.#run]!;
    const to = run.oldChunk * chunkSectors;
    const length = Math.min(run.count * chunkSectors, originSectors - to);
    const sectors = Math.min(length - this.#started, divFloor(options.copyBytes, SECTOR_BYTES));
    const from = run.newChunk * chunkSectors + this.#started;
    this.#underWay += 1;
    this.#jobs.startRange(this, this.#snapshot.device, from, ORIGIN_DEVICE, to + this.#started, sectors);
    this.#snapshot.counters.copiedBytes += sectors * SECTOR_BYTES;
    this.#started += sectors;
    if (this.#started < length) return;
    this.#run += 1;
    this.#started = 0;
  }
}
