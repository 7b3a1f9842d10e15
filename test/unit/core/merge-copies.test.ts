/** What a step of a merge copies back, and from where: a wrong sector here would be wrong data on the origin. */
import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import type { CoreContext } from "../../../src/core/context.ts";
import type { CopyJobs, CopyOwner } from "../../../src/core/copy-jobs.ts";
import { MergeCopier } from "../../../src/core/merge-copier.ts";
import type { MergePace } from "../../../src/core/merge-pace.ts";
import { lastRun, mergeWork, type MergeRun } from "../../../src/core/merge-plan.ts";
import type { Snapshot } from "../../../src/core/snapshot.ts";
import { MetadataArea } from "../../../src/format/metadata-area.ts";
import type { ExceptionPair } from "../../support/store-image.ts";

interface Copier {
  readonly copier: MergeCopier;
  readonly started: (readonly number[])[];
  readonly counters: { readonly copiedBytes: number };
  readonly looks: () => number;
}

/** Of snapshot 3, chunks of 8 sectors, copies of 20 sectors, two of them at a time, an origin of 100 sectors; its first slice has begun. */
function copierOf(...runs: readonly MergeRun[]): Copier {
  return slicedCopierOf(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, ...runs);
}

/** The same in slices of so many copies and sectors. */
function slicedCopierOf(sliceCopies: number, sliceSectors: number, ...runs: readonly MergeRun[]): Copier {
  const started: (readonly number[])[] = [];
  const jobs: Pick<CopyJobs, "startRange"> = {
    startRange: (_owner: CopyOwner, source, from, device, to, sectors) => {
      started.push([source, from, device, to, sectors]);
    },
  };
  const counters = { copiedBytes: 0 };
  const snapshot = { device: 4, geometry: { chunkSectors: 8 }, counters } as unknown as Snapshot;
  const context = { originSectors: 100, options: { copyBytes: 20 * 512 } } as CoreContext;
  let looks = 0;
  const pace = { look: () => void (looks += 1), copies: 2, sliceCopies, sliceSectors } as MergePace;
  const copier = new MergeCopier(context, jobs as CopyJobs, snapshot, pace, runs);
  copier.beginSlice();
  return { copier, started, counters, looks: () => looks };
}

test("a run is copied piece by piece from its place on the COW device to its place on the origin, and ends with that (S-62)", () => {
  const { copier, started, counters } = copierOf(
    { oldChunk: 2, newChunk: 30, count: 6 },
    { oldChunk: 11, newChunk: 50, count: 2 },
  );
  expect([copier.advance(), copier.advance(), copier.done]).toEqual([true, false, false]);
  for (let i = 0; i < 2; i++) {
    copier.copyDone(0);
    expect(copier.advance()).toBe(true);
  }
  expect(started).toEqual([
    [4, 240, 0, 16, 20],
    [4, 260, 0, 36, 20],
    [4, 280, 0, 56, 8],
    [4, 400, 0, 88, 12],
  ]);
  expect(counters.copiedBytes).toBe(60 * 512);
  copier.copyDone(0);
  expect([copier.done, copier.advance()]).toEqual([false, false]);
  copier.copyDone(0);
  expect([copier.done, copier.error]).toEqual([true, 0]);
});

test("what is under way is waited for, more is to come, and behind a failure nothing is begun (S-66)", () => {
  const { copier, started } = copierOf({ oldChunk: 0, newChunk: 2, count: 10 });
  expect(copier.done).toBe(false);
  copier.advance();
  copier.copyDone(0);
  copier.copyDone(0);
  expect(copier.done).toBe(false);
  copier.advance();
  copier.copyDone(errno.EIO);
  copier.copyDone(0);
  expect([copier.done, copier.error, copier.advance(), started.length]).toEqual([true, errno.EIO, false, 4]);
  const failed = copierOf({ oldChunk: 0, newChunk: 2, count: 10 }).copier;
  failed.advance();
  failed.copyDone(errno.EIO);
  expect([failed.advance(), failed.done]).toEqual([false, false]);
});

/** Everything that may be under way ends, again and again: the slice. */
function copySlice({ copier, started }: Copier): readonly (readonly number[])[] {
  const before = started.length;
  let ended = before;
  while (!copier.done) {
    copier.advance();
    for (; ended < started.length; ended++) copier.copyDone(0);
  }
  return started.slice(before);
}

test("a slice ends after so many copies, in the middle of a run, too (E-26)", () => {
  const slices = slicedCopierOf(
    3,
    1000,
    { oldChunk: 0, newChunk: 2, count: 10 },
    { oldChunk: 11, newChunk: 50, count: 1 },
  );
  const { copier, looks } = slices;
  expect(copySlice(slices)).toEqual([
    [4, 16, 0, 0, 20],
    [4, 36, 0, 20, 20],
    [4, 56, 0, 40, 20],
  ]);
  expect([copier.done, copier.isWhole, copier.advance(), looks()]).toEqual([true, false, false, 1]);
  copier.beginSlice();
  expect(copier.done).toBe(false);
  expect(copySlice(slices)).toEqual([
    [4, 76, 0, 60, 20],
    [4, 400, 0, 88, 8],
  ]);
  expect([copier.done, copier.isWhole, copier.error, looks()]).toEqual([true, true, 0, 2]);
});

test("a slice ends after so many sectors: what is left of a run goes on in the next one (E-26)", () => {
  const slices = slicedCopierOf(9, 24, { oldChunk: 0, newChunk: 2, count: 4 }, { oldChunk: 6, newChunk: 20, count: 1 });
  const { copier } = slices;
  expect(copySlice(slices)).toEqual([
    [4, 16, 0, 0, 20],
    [4, 36, 0, 20, 4],
  ]);
  copier.beginSlice();
  expect(copySlice(slices)).toEqual([
    [4, 40, 0, 24, 8],
    [4, 160, 0, 48, 8],
  ]);
  expect(copier.isWhole).toBe(true);
});

test("a slice is not begun under the copies of the last one, nor where there is nothing more", () => {
  const slices = slicedCopierOf(1, 1000, { oldChunk: 0, newChunk: 2, count: 4 });
  const { copier } = slices;
  copier.advance();
  expect(() => copier.beginSlice()).toThrow("a slice begins");
  copier.copyDone(0);
  copier.beginSlice();
  copySlice(slices);
  expect(copier.isWhole).toBe(true);
  expect(() => copier.beginSlice()).toThrow("a slice begins");
});

function areaOf(...pairs: readonly ExceptionPair[]): MetadataArea {
  const area = new MetadataArea(new Uint8Array(512));
  pairs.forEach(([oldChunk, newChunk], slot) => void area.set(slot, oldChunk, newChunk));
  return area;
}

test("a run goes on where both chunks do, and is no longer than it may be (S-61)", () => {
  const image = areaOf([1, 10], [2, 11], [3, 12], [4, 14], [6, 15], [7, 16]);
  expect([lastRun(image, 3, 9), lastRun(image, 3, 2), lastRun(image, 4, 9), lastRun(image, 6, 9)]).toEqual([
    0, 1, 3, 4,
  ]);
  expect([lastRun(image, 1, 9), lastRun(image, 5, 1)]).toEqual([0, 4]);
});

test("the runs of all areas are put together by origin position; a run ends where either chunk jumps (S-69)", () => {
  const first = areaOf([7, 20], [1, 10], [2, 11], [3, 30]);
  const second = areaOf([5, 40], [8, 21], [4, 31]);
  const { runs, stretches } = mergeWork([
    { area: 1, image: second, from: 1, to: 3 },
    { area: 0, image: first, from: 0, to: 4 },
  ]);
  expect(runs).toEqual([
    { oldChunk: 1, newChunk: 10, count: 2 },
    { oldChunk: 3, newChunk: 30, count: 2 },
    { oldChunk: 7, newChunk: 20, count: 2 },
  ]);
  expect(stretches).toEqual([
    { first: 1, count: 4 },
    { first: 7, count: 2 },
  ]);
});
