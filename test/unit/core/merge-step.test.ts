import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { type ExceptionPair, storeImage } from "../../support/store-image.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

const SECTOR = 512;

/** `areas` full areas of chunks of a sector, whose old chunks do not touch; the device has `cowSectors`. */
function full(areas: number, cowSectors: number, options: ConstructorParameters<typeof CoreBench>[1] = {}): Full {
  const exceptions = Array.from({ length: 32 * areas }, (_, i): ExceptionPair => [2 * i, 2 + i + Math.floor(i / 32)]);
  const bench = new CoreBench(400, { mergeBatches: true, ...options });
  bench.open({ chunk: 1, cowSectors, exceptions });
  return { bench, exceptions, image: storeImage(cowSectors * SECTOR, 1, exceptions) };
}

interface Full {
  readonly bench: CoreBench;
  readonly exceptions: readonly ExceptionPair[];
  readonly image: Uint8Array;
}

/** Answer the area read that is under way, with bytes that are good until it returns. */
function readArea({ bench, image }: Full): void {
  const job = bench.metadataJobs.shift()!;
  if (job.kind !== "readArea") throw new Error(`${job.kind} is under way`);
  const bytes = image.slice(job.position, job.position + job.length);
  bench.core.areaRead(0, 0, bytes);
  bytes.fill(0);
}

function kinds(bench: CoreBench): readonly string[] {
  return bench.metadataJobs.map(({ kind }) => kind);
}

test("an area that was read is the merge's own: the shell may use its bytes for something else (S-60)", () => {
  const store = full(1, 100, { mergeChunks: 4 });
  const { bench, exceptions } = store;
  bench.operation((id) => bench.core.mergeStart(id, 0));
  readArea(store);
  while (bench.copies.length > 0) bench.copied();
  bench.metadataDone();
  expect(bench.groupOf(bench.metadataDone())).toEqual(exceptions.slice(0, 28));
  expect(bench.ports[0]!.table.count()).toBe(28);
});

test("a step takes no more chunks than it may, over all its runs (S-69)", () => {
  const bench = new CoreBench(800, { mergeBatches: true, mergeChunks: 4 });
  const exceptions = [10, 11, 12, 50, 51, 52].map((oldChunk, i): ExceptionPair => [oldChunk, 2 + i]);
  bench.open({ exceptions });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.ports[0]!.range).toEqual([
    { first: 12, count: 1 },
    { first: 50, count: 3 },
  ]);
});

test("a write that says it met a range which is not stored yet looks again at once (C-11, C-39)", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[10, 2]] });
  bench.open();
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.ports[0]!.range).toEqual([]);
  bench.core.needRange(5, 0);
  expect(bench.released.get(5)).toBe(0);
});

test("what a retry erases of a failed step counts as merged, once (S-68, E-36)", () => {
  const bench = new CoreBench(800, { mergeBatches: true, mergeChunks: 2 });
  const exceptions = [10, 20, 30, 40].map((oldChunk, i): ExceptionPair => [oldChunk, 2 + i]);
  bench.open({ exceptions });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  const step = (error: number): void => {
    while (bench.copies.length > 0) bench.copied();
    if (bench.metadataJobs[0]?.kind === "flush") bench.metadataDone();
    bench.metadataDone(0, error);
  };
  step(errno.EIO);
  bench.clear();
  const again = bench.operation((id) => bench.core.mergeStart(id, 0));
  step(0);
  expect(bench.take()).toContain("notice 0 merge-progress");
  expect(bench.core.status(0).mergeFraction).toBe(0.5);
  step(0);
  expect([bench.finishedWith.get(again), bench.core.status(0).mergeFraction]).toEqual([0, 1]);
});

test("the area that has appeared is zeroed first, wherever a merge is: it waits for the channel (S-42, S-56)", () => {
  // Before it reads an area.
  const store = full(2, 67, { mergeChunks: 40 });
  const { bench } = store;
  bench.operation((id) => bench.core.mergePresent(id, 0));
  bench.core.grow(0, 300);
  expect(kinds(bench)).toEqual(["commit"]);
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(kinds(bench)).toEqual(["commit"]);
  bench.metadataDone();
  for (let area = 0; area < 2; area++) {
    expect(kinds(bench)).toEqual(["readArea"]);
    readArea(store);
  }
  expect(bench.copies.length).toBeGreaterThan(0);
});

test.each([
  ["while it copies", (bench: CoreBench) => bench.core.grow(0, 200), ["commit", "flush", "commit"]],
  [
    "while it flushes",
    (bench: CoreBench) => {
      while (bench.copies.length > 0) bench.copied();
      bench.core.grow(0, 200);
    },
    ["flush", "commit", "commit"],
  ],
])("%s, too", (_, grow, jobs) => {
  const store = full(1, 34, { mergeChunks: 4 });
  const { bench } = store;
  bench.operation((id) => bench.core.mergeStart(id, 0));
  readArea(store);
  grow(bench);
  while (bench.copies.length > 0) bench.copied();
  for (const kind of jobs) {
    expect(kinds(bench)).toEqual([kind]);
    bench.metadataDone();
  }
  expect(bench.core.status(0).exceptions).toBe(28);
});

/** A store of 80 chunks that do not touch, merged while a client's request ends. */
function besideClient(options: ConstructorParameters<typeof CoreBench>[1] = {}): CoreBench {
  const exceptions = Array.from({ length: 80 }, (_, i): ExceptionPair => [2 * i, 2 + i]);
  const bench = new CoreBench(8 * 200, { mergeBatches: true, mergeCopies: 100, ...options });
  bench.open({ exceptions });
  bench.operation((id) => bench.core.mergePresent(id, 0));
  bench.originPorts.ended += 1;
  bench.operation((id) => bench.core.mergeStart(id, 0));
  return bench;
}

function copyAll(bench: CoreBench): number {
  let copies = 0;
  for (; bench.copies.length > 0; copies++) bench.copied();
  return copies;
}

/** Story: 4 MiB of scattered chunks were flushed at once, and every write that was sent meanwhile waited 7 ms for it: its p99 was 8 times that of none. */
test("beside clients a step is short, and little is copied from one flush of the origin to the next (E-26)", () => {
  const bench = besideClient();
  expect(bench.ports[0]!.range).toHaveLength(64);
  for (let slice = 0; slice < 4; slice++) {
    expect([copyAll(bench), kinds(bench), bench.core.status(0).exceptions]).toEqual([16, ["flush"], 80]);
    expect(bench.metadataDone()).toMatchObject({ kind: "flush", device: 0 });
  }
  // All of it has been copied and flushed: only now it is erased (S-63), and the range is open.
  expect([kinds(bench), bench.copies, bench.ports[0]!.range.length]).toEqual([["commit"], [], 64]);
  bench.metadataDone();
  expect([bench.core.status(0).exceptions, bench.ports[0]!.range.length]).toEqual([16, 16]);
});

test("when the clients have gone, a step is long again, and flushed once", () => {
  const bench = besideClient({ mergeRuns: 20, mergeSliceBytes: 8 * SECTOR });
  const slices = (): number => {
    for (let flushes = 0; ; flushes++) {
      copyAll(bench);
      if (bench.metadataJobs[0]!.kind === "commit") return flushes;
      bench.metadataDone();
    }
  };
  // A slice is a chunk, and a step four of them: five looks each.
  const seen: number[] = [];
  for (let step = 0; step < 8; step++) {
    seen.push(slices());
    bench.metadataDone();
  }
  expect(seen).toEqual([4, 4, 4, 4, 4, 4, 2, 1]);
  expect(bench.core.status(0).exceptions).toBe(80 - 7 * 4 - 20);
});

test("a slice whose flush fails ends the step: nothing is erased, and the retry copies all of it again (S-63, S-66)", () => {
  const bench = besideClient();
  copyAll(bench);
  bench.metadataDone();
  copyAll(bench);
  bench.metadataDone(0, errno.EIO);
  expect([bench.metadataJobs, bench.copies, bench.ports[0]!.range]).toEqual([[], [], []]);
  expect(bench.core.status(0)).toMatchObject({ exceptions: 80, text: "Merge failed" });
  bench.originPorts.ended += 1;
  bench.operation((id) => bench.core.mergeStart(id, 0));
  for (let slice = 0; slice < 4; slice++) {
    expect(copyAll(bench)).toBe(16);
    bench.metadataDone();
  }
  bench.metadataDone();
  expect(bench.core.status(0).exceptions).toBe(16);
});
