import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { MERGE_WINDOW_BYTES } from "../../../src/base/constants.ts";
import type { ExceptionPair } from "../../support/store-image.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** `count` chunks that do not touch, from the end of the origin to its start. */
function scattered(count: number): readonly ExceptionPair[] {
  return Array.from({ length: count }, (_, i): ExceptionPair => [3 * (count - 1 - i), 2 + i]);
}

/** A merge of snapshot 0 beside a new one, up to the end of a turn. */
function beside(
  exceptions: readonly ExceptionPair[],
  options: ConstructorParameters<typeof CoreBench>[1] = {},
  other: Parameters<CoreBench["open"]>[0] = {},
): CoreBench {
  const bench = new CoreBench(8000, { turns: true, ...options });
  bench.open({ exceptions });
  bench.core.turn();
  bench.open(other);
  bench.core.turn();
  bench.operation((id) => bench.core.mergeStart(id, 0));
  bench.core.turn();
  return bench;
}

function copied(bench: CoreBench, count: number): void {
  for (let i = 0; i < count; i++) bench.copied();
  bench.core.turn();
}

function committed(bench: CoreBench): readonly ExceptionPair[] {
  const group = bench.groupOf(bench.metadataDone(1));
  bench.core.turn();
  return group;
}

/** Story: each run was asked alone, and settled alone: 1024 scattered chunks cost 1024 commits of one exception. */
test("what a merge needs of another snapshot is copied side by side and shares a commit (C-33)", () => {
  const bench = beside(scattered(20));
  expect(bench.copies.map((job) => job.sector)).toEqual(Array.from({ length: 20 }, (_, i) => 24 * i));
  copied(bench, 20);
  expect(bench.metadataJobs).toHaveLength(1);
  expect(bench.ports[0]!.range).toEqual([]);
  expect(committed(bench)).toHaveLength(20);
  expect(bench.ports[1]!.table.stateOf(57)).toBe(EntryState.Settled);
  expect(bench.copies.every((job) => job.source === 1)).toBe(true);
});

test("the window is bounded, and goes on as its oldest chunks settle", () => {
  const bench = beside(scattered(20), { mergeWindow: 8 });
  expect(bench.copies).toHaveLength(8);
  copied(bench, 3);
  expect(bench.copies).toHaveLength(5);
  // Three are being committed; the next two share the commit after that.
  copied(bench, 2);
  expect(committed(bench)).toHaveLength(3);
  expect(bench.copies.map((job) => job.sector / 24)).toEqual([5, 6, 7, 8, 9, 10]);
  bench.metadataDone(1);
  bench.core.turn();
  expect(bench.copies.at(-1)!.sector / 24).toBe(12);
});

test("the window is bounded in bytes, too, and has room for one chunk at least", () => {
  const chunk = MERGE_WINDOW_BYTES / 512;
  const big = (sectors: number): CoreBench => {
    const bench = new CoreBench(sectors * 8, { turns: true });
    const exceptions: readonly ExceptionPair[] = [
      [1, 2],
      [4, 3],
      [7, 4],
    ];
    bench.open({ chunk: sectors, cowSectors: sectors * 6, exceptions, blockBytes: 4096 });
    bench.core.turn();
    bench.open();
    bench.core.turn();
    bench.operation((id) => bench.core.mergeStart(id, 0));
    bench.core.turn();
    return bench;
  };
  const begins = (bench: CoreBench, sectors: number): Set<number> =>
    new Set(bench.copies.map((job) => Math.floor(job.sector / sectors)));
  expect(begins(big(chunk / 2), chunk / 2)).toEqual(new Set([1, 4]));
  expect(begins(big(chunk), chunk)).toEqual(new Set([1]));
});

test("chunks that lie side by side on the origin are kept by one copy, wherever the merging store has them", () => {
  const bench = beside([
    [10, 5],
    [12, 9],
    [11, 3],
    [20, 4],
  ]);
  expect(bench.copies).toMatchObject([
    { sector: 80, sectors: 24, targets: [{ device: 2 }] },
    { sector: 160, sectors: 8 },
  ]);
});

test("a part that is settled in pieces only is looked at until all of it is (C-11, C-33)", () => {
  const bench = beside([[10, 2]], { chunksPerNeed: 3 }, { chunk: 1, cowSectors: 400 });
  const { table } = bench.ports[1]!;
  for (const settled of [3, 6, 8]) {
    expect(bench.ports[0]!.range).toEqual([]);
    copied(bench, bench.copies.length);
    committed(bench);
    expect(table.count()).toBe(settled);
  }
  expect(bench.copies).toMatchObject([{ source: 1 }]);
});

test("chunks that are settled already cost nothing, and a store that holds all of them no wait", () => {
  const exceptions = scattered(20);
  const bench = beside(exceptions, {}, { exceptions });
  expect(bench.copies.every((job) => job.source === 1)).toBe(true);
  expect(bench.ports[0]!.range).toHaveLength(20);
});

test("a snapshot without room for the window turns invalid, durably, before anything is overwritten (E-15, S-70)", () => {
  const bench = beside(scattered(20), {}, { cowSectors: 12 * 8 });
  expect(bench.metadataJobs.map((job) => job.kind)).toEqual(["header"]);
  copied(bench, bench.copies.length);
  expect(bench.copies).toEqual([]);
  bench.metadataDone(1);
  bench.core.turn();
  expect(bench.ports[1]!.state).toBe(SnapshotState.Invalid);
  expect(bench.copies.length).toBeGreaterThan(0);
  expect(bench.copies.every((job) => job.source === 1)).toBe(true);
});

test("a copy that fails amid a window ends its snapshot, and the merge goes on", () => {
  const bench = beside(scattered(20));
  copied(bench, 3);
  bench.copied(errno.EIO);
  bench.core.turn();
  while (bench.copies.some((job) => job.source === 0)) bench.copied();
  bench.core.turn();
  for (let guard = 0; guard < 4 && bench.metadataJobs.length > 0; guard++) {
    bench.metadataDone(1);
    bench.core.turn();
  }
  expect(bench.ports[1]!.state).toBe(SnapshotState.Invalid);
  expect(bench.copies.length).toBeGreaterThan(0);
});

/** Story: that the window was full amid a stretch could have lost the rest of the stretch, and no test would have known. */
test("a stretch that is longer than the window is kept to its end (C-33)", () => {
  const stretch = Array.from({ length: 10 }, (_, i): ExceptionPair => [20 + i, 2 + i]);
  const bench = beside(stretch, { mergeWindow: 4 });
  const kept: number[] = [];
  for (let guard = 0; guard < 4 && bench.copies.some((job) => job.source === 0); guard++) {
    for (const job of bench.copies) kept.push(job.sector / 8, job.sectors / 8);
    copied(bench, bench.copies.length);
    committed(bench);
  }
  expect(kept).toEqual([20, 4, 24, 4, 28, 2]);
  expect(bench.ports[1]!.table.count()).toBe(10);
});

test("what is left of the window bounds the next part, too", () => {
  const bench = beside(
    [...Array.from({ length: 6 }, (_, i) => i), ...Array.from({ length: 10 }, (_, i) => 10 + i)].map(
      (oldChunk, i): ExceptionPair => [oldChunk, 2 + i],
    ),
    { mergeWindow: 8 },
  );
  expect(bench.copies.map((job) => [job.sector / 8, job.sectors / 8])).toEqual([
    [0, 6],
    [10, 2],
  ]);
});
