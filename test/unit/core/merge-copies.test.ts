/** What a step of a merge copies back, and from where: a wrong sector here would be wrong data on the origin. */
import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import type { CoreContext } from "../../../src/core/context.ts";
import type { CopyJobs, CopyOwner } from "../../../src/core/copy-jobs.ts";
import { MergeCopier } from "../../../src/core/merge-copier.ts";
import { lastRun, mergeWork, type MergeRun } from "../../../src/core/merge-plan.ts";
import type { Snapshot } from "../../../src/core/snapshot.ts";
import { MetadataArea } from "../../../src/format/metadata-area.ts";
import type { ExceptionPair } from "../../support/store-image.ts";

/** Of snapshot 3, chunks of 8 sectors, copies of 20 sectors, two of them at a time, an origin of 100 sectors. */
function copierOf(...runs: readonly MergeRun[]): {
  readonly copier: MergeCopier;
  readonly started: (readonly number[])[];
  readonly counters: { readonly copiedBytes: number };
} {
  const started: (readonly number[])[] = [];
  const jobs: Pick<CopyJobs, "startRange"> = {
    startRange: (_owner: CopyOwner, source, from, device, to, sectors) => {
      started.push([source, from, device, to, sectors]);
    },
  };
  const counters = { copiedBytes: 0 };
  const snapshot = { device: 4, geometry: { chunkSectors: 8 }, counters } as unknown as Snapshot;
  const context = { originSectors: 100, options: { copyBytes: 20 * 512, mergeCopies: 2 } } as CoreContext;
  return { copier: new MergeCopier(context, jobs as CopyJobs, snapshot, runs), started, counters };
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
