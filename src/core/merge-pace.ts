/**
 * How much a merge does before somebody else has a turn: all that pays where nobody is about, little where clients are (E-26).
 *
 *   nobody is about     step: 256 runs, 1024 chunks,            copied ────────────────────────── flushed, erased
 *                       8 copies at a time
 *   clients are         step: 4 slices, each of 16 copies       copied ─ flushed ─ copied ─ flushed … flushed, erased
 *                       and 256 KiB at most, 4 at a time
 *
 * What a client waits for at worst is the device, in the flush of the origin: it writes out what has been copied since the last one, and
 * whatever is sent meanwhile stands behind it. So little is copied from one flush to the next. That alone would do for those who write
 * elsewhere; the step is short for who writes to a chunk of it, and waits for its end.
 *
 * The core has no clock, and most requests never come to main. It asks for the number of those that have ended, before each step and each
 * slice: where it has changed somebody is about, and is taken to be until it has stayed as it is for so many looks. Runs on main.
 */
import {
  MERGE_COPIES_BESIDE,
  MERGE_QUIET_LOOKS,
  MERGE_SLICE_COPIES,
  MERGE_SLICES_PER_STEP,
} from "../base/constants.ts";
import { divExact, divFloor, SECTOR_BYTES, type Sector } from "../base/units.ts";
import type { CoreContext } from "./context.ts";

export class MergePace {
  readonly #context: CoreContext;
  /** Requests that had ended at the last look, and looks since the last one that saw another number. */
  #requests: number;
  #quiet = MERGE_QUIET_LOOKS;

  constructor(context: CoreContext) {
    this.#context = context;
    this.#requests = context.origin.requests();
  }

  /** A step or a slice of it is about to begin. */
  look(): void {
    const requests = this.#context.origin.requests();
    this.#quiet = requests === this.#requests ? this.#quiet + 1 : 0;
    this.#requests = requests;
  }

  get #isQuiet(): boolean {
    return this.#quiet >= MERGE_QUIET_LOOKS;
  }

  /** Runs that a step takes at most. */
  get stepRuns(): number {
    const { mergeBatches, mergeRuns } = this.#context.options;
    if (!mergeBatches) return 1;
    return this.#isQuiet ? mergeRuns : Math.min(mergeRuns, MERGE_SLICES_PER_STEP * MERGE_SLICE_COPIES);
  }

  /** Chunks that it takes at most, of so many sectors. */
  stepChunks(chunkSectors: Sector): number {
    const { mergeChunks, mergeSliceBytes } = this.#context.options;
    if (this.#isQuiet) return mergeChunks;
    const chunks = divFloor(MERGE_SLICES_PER_STEP * mergeSliceBytes, chunkSectors * SECTOR_BYTES);
    return Math.min(mergeChunks, Math.max(1, chunks));
  }

  /** Copies under way at a time. */
  get copies(): number {
    const { mergeCopies } = this.#context.options;
    return this.#isQuiet ? mergeCopies : Math.min(mergeCopies, MERGE_COPIES_BESIDE);
  }

  /** Copies of a slice, and sectors of all of them, at most. */
  get sliceCopies(): number {
    return this.#isQuiet ? Number.POSITIVE_INFINITY : MERGE_SLICE_COPIES;
  }

  get sliceSectors(): Sector {
    const { mergeSliceBytes } = this.#context.options;
    return this.#isQuiet ? Number.POSITIVE_INFINITY : divExact(mergeSliceBytes, SECTOR_BYTES);
  }
}
