/** How much a merge does at a time, beside clients and without any (E-26). */
import { expect, test } from "vitest";
import {
  MERGE_COPIES,
  MERGE_COPIES_BESIDE,
  MERGE_QUIET_LOOKS,
  MERGE_SLICE_COPIES,
  MERGE_SLICES_PER_STEP,
} from "../../../src/base/constants.ts";
import type { CoreContext } from "../../../src/core/context.ts";
import { type CoreOptions, DEFAULT_CORE_OPTIONS } from "../../../src/core/core-options.ts";
import { MergePace } from "../../../src/core/merge-pace.ts";

const SHORT_RUNS: number = MERGE_SLICES_PER_STEP * MERGE_SLICE_COPIES;

/** Of an origin whose requests are counted by the test. */
function paceOf(options: Partial<CoreOptions> = {}): { readonly pace: MergePace; readonly origin: { ended: number } } {
  const origin = { ended: 7, requests: () => origin.ended };
  const context = { origin, options: { ...DEFAULT_CORE_OPTIONS, ...options } } as unknown as CoreContext;
  return { pace: new MergePace(context), origin };
}

function limits(pace: MergePace): readonly number[] {
  return [pace.stepRuns, pace.stepChunks(32), pace.copies, pace.sliceCopies, pace.sliceSectors];
}

const LONG = [256, 1024, MERGE_COPIES, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
const SHORT = [SHORT_RUNS, 64, MERGE_COPIES_BESIDE, MERGE_SLICE_COPIES, 512];

test("where nobody has asked for anything since the merge was made, its steps are long", () => {
  const { pace } = paceOf();
  for (let look = 0; look < 3; look++) {
    pace.look();
    expect(limits(pace)).toEqual(LONG);
  }
});

test("they are short from the look on that sees a request, until none has ended for a while", () => {
  const { pace, origin } = paceOf();
  origin.ended += 1;
  expect(limits(pace)).toEqual(LONG);
  pace.look();
  for (let round = 0; round < 2; round++) {
    for (let look = 1; look < MERGE_QUIET_LOOKS; look++) {
      expect(limits(pace)).toEqual(SHORT);
      pace.look();
    }
    expect(limits(pace)).toEqual(SHORT);
    // One more of them in time, and all begins again.
    if (round === 0) origin.ended += 1;
    pace.look();
  }
  expect(limits(pace)).toEqual(LONG);
});

test("a short step is a few slices long, or a chunk; what is asked to be shorter stays so", () => {
  const { pace, origin } = paceOf({ mergeChunks: 100, mergeRuns: 20, mergeCopies: 1, mergeSliceBytes: 64 * 1024 });
  origin.ended += 1;
  pace.look();
  expect([pace.stepRuns, pace.copies, pace.sliceSectors]).toEqual([20, 1, 128]);
  expect([1, 8, 32, 512, 513, 2048].map((sectors) => pace.stepChunks(sectors))).toEqual([100, 64, 16, 1, 1, 1]);
});

test("run by run, a step is one run, whoever is about (S-61)", () => {
  const { pace, origin } = paceOf({ mergeBatches: false });
  expect(pace.stepRuns).toBe(1);
  origin.ended += 1;
  pace.look();
  expect(pace.stepRuns).toBe(1);
});
