import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { MetadataArea } from "../../../src/format/metadata-area.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { throttleRest } from "../../../src/core/core-options.ts";
import { type ExceptionPair, storeImage } from "../../support/store-image.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

const RUNS: readonly ExceptionPair[] = [
  [10, 2],
  [11, 3],
  [50, 4],
  [20, 5],
  [21, 6],
];

function merging(
  exceptions: readonly ExceptionPair[],
  options: Parameters<typeof newBench>[0] = {},
): { readonly bench: CoreBench; readonly operation: number } {
  const bench = newBench(options);
  bench.open({ exceptions });
  const operation = bench.operation((id) => bench.core.mergeStart(id, 0));
  return { bench, operation };
}

function newBench(options: ConstructorParameters<typeof CoreBench>[1] = {}): CoreBench {
  return new CoreBench(800, { mergeBatches: false, ...options });
}

test("a run: copy, flush the origin, erase, entries none, last first (S-60, S-61, S-62, S-63, S-64, C-35, C-36, C-37)", () => {
  const { bench } = merging(RUNS);
  const ports = bench.ports[0]!;
  expect(bench.copies).toMatchObject([{ source: 1, sector: 40, sectors: 16, targets: [{ device: 0, sector: 160 }] }]);
  expect([ports.state, bench.originPorts.merging]).toEqual([SnapshotState.Merging, 0]);
  expect(ports.range).toEqual([{ first: 20, count: 2 }]);
  bench.clear();
  bench.copied();
  expect(bench.take()).toEqual(["flush device 0"]);
  bench.metadataDone();
  expect(ports.table.count()).toBe(5);
  expect(bench.groupOf(bench.metadataDone())).toEqual(RUNS.slice(0, 3));
  expect(ports.table.count()).toBe(3);
  expect(ports.range).toEqual([{ first: 50, count: 1 }]);
  expect(bench.core.status(0).text).toBe("40/4096 16");
  expect(bench.core.status(0).mergeFraction).toBeCloseTo(0.4);
});

test("merged completely: allocated equals metadata, the operation ends, the volume stays presented (S-67, E-36)", () => {
  const { bench, operation } = merging(RUNS);
  for (let run = 0; run < 3; run++) {
    bench.copied();
    bench.metadataDone();
    bench.metadataDone();
  }
  expect(bench.finishedWith.get(operation)).toBe(0);
  expect(bench.core.status(0)).toMatchObject({ text: "16/4096 16", exceptions: 0, mergeFraction: 1 });
  expect(bench.originPorts.merging).toBe(0);
});

test("the start holds and drains both exports, and commits what is only visible (E-32, C-32)", () => {
  const bench = newBench({ early: true });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Copy);
  bench.copied();
  bench.originPorts.readGate.count = 1;
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.metadataJobs).toHaveLength(0);
  bench.originPorts.readGate.count = 0;
  bench.core.gateDrained(ORIGIN_READ_GATE);
  expect([ports.writeGate.closed, ports.readGate.closed]).toEqual([true, true]);
  bench.core.needChunk(2, 0, 9, ChunkNeed.Copy);
  expect(bench.groupOf(bench.metadataDone())).toEqual([[4, 2]]);
  expect(bench.originPorts.merging).toBe(0);
  expect(bench.released.get(2)).toBe(0);
  expect([ports.writeGate.closed, ports.durable]).toEqual([false, 1]);
});

test("other snapshots get their exceptions for the run, settled, before the range is stored (C-33)", () => {
  const bench = newBench();
  bench.open({ exceptions: [[10, 2]] });
  bench.open();
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.copies).toMatchObject([{ source: 0, sector: 80, sectors: 8, targets: [{ device: 2 }] }]);
  expect(bench.ports[0]!.range).toEqual([]);
  bench.copied();
  expect(bench.ports[0]!.range).toEqual([]);
  bench.metadataDone(1);
  expect(bench.ports[1]!.table.stateOf(10)).toBe(EntryState.Settled);
  expect(bench.ports[0]!.range).toEqual([{ first: 10, count: 1 }]);
  expect(bench.copies).toMatchObject([{ source: 1 }]);
});

test("the range is stored while no write is in flight, and those that were have left (C-34)", () => {
  const bench = newBench();
  bench.open({ exceptions: [[10, 2]] });
  const operation = bench.operation((id) => bench.core.mergePresent(id, 0));
  expect(bench.finishedWith.get(operation)).toBe(0);
  bench.originPorts.writeGate.count = 1;
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect([bench.originPorts.writeGate.closed, bench.ports[0]!.range.length, bench.copies.length]).toEqual([true, 0, 0]);
  bench.originPorts.writeGate.count = 0;
  bench.core.gateDrained(ORIGIN_WRITE_GATE);
  expect([bench.originPorts.writeGate.closed, bench.ports[0]!.range.length, bench.copies.length]).toEqual([
    false,
    1,
    1,
  ]);
});

test("a write that meets the range waits, and looks again when it is cleared (E-33, C-37, C-39)", () => {
  const { bench } = merging([[10, 2]]);
  bench.core.needRange(1, 0);
  bench.copied();
  bench.metadataDone();
  expect(bench.released.has(1)).toBe(false);
  bench.metadataDone();
  expect(bench.released.get(1)).toBe(0);
  bench.core.needRange(2, 0);
  expect(bench.released.get(2)).toBe(0);
});

test("a failed copy: Merge failed, the range is cleared, writes go on, a retry ends it (S-66, S-68)", () => {
  const { bench, operation } = merging([[10, 2]]);
  bench.core.needRange(1, 0);
  bench.copied(0, 1, errno.EIO);
  expect(bench.finishedWith.get(operation)).toBe(errno.EIO);
  expect(bench.core.status(0).text).toBe("Merge failed");
  expect([bench.released.get(1), bench.ports[0]!.range, bench.ports[0]!.table.count()]).toEqual([0, [], 1]);
  const again = bench.operation((id) => bench.core.mergeStart(id, 0));
  bench.copied();
  bench.metadataDone();
  bench.metadataDone();
  expect(bench.finishedWith.get(again)).toBe(0);
});

test("a failed erase: the range stays closed to writes, for nobody knows what is on disk (S-68)", () => {
  const { bench } = merging([[10, 2]]);
  bench.copied();
  bench.metadataDone();
  bench.core.needRange(1, 0);
  bench.metadataDone(0, errno.EIO);
  const ports = bench.ports[0]!;
  expect([bench.released.get(1), ports.range.length, ports.table.count()]).toEqual([errno.EIO, 1, 1]);
  bench.core.needRange(2, 0);
  expect(bench.released.get(2)).toBe(errno.EIO);
  const leave = bench.operation((id) => bench.core.mergeStop(id, 0));
  expect(bench.finishedWith.get(leave)).toBe(errno.EIO);
  bench.operation((id) => bench.core.mergeStart(id, 0));
  bench.core.needRange(3, 0);
  expect(bench.released.has(3)).toBe(false);
  bench.metadataDone();
  expect([bench.released.get(3), ports.range, ports.table.count()]).toEqual([0, [], 0]);
});

/**
 * The write that erases area 0 fails, but reaches the disk. The retry used to read the area again, took its zeroes for 32
 * exceptions, and copied chunk 0 of the COW device, the header, over chunk 0 of the origin. Found by the simulator, seed 416.
 */
test("a failed erase that reached the disk: the retry erases again and reads nothing (S-68)", () => {
  const exceptions = Array.from({ length: 34 }, (_, i) => [i * 2, 2 + i + (i >= 32 ? 1 : 0)] as const);
  const bench = new CoreBench(80, { mergeBatches: true, mergeChunks: 40 });
  bench.open({ chunk: 1, cowSectors: 200, exceptions });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  const area = new Uint8Array(512);
  exceptions.slice(0, 32).forEach(([oldChunk, newChunk], slot) => {
    new MetadataArea(area).set(slot, oldChunk, newChunk);
  });
  bench.metadataJobs.pop();
  bench.core.areaRead(0, 0, area);
  while (bench.copies.length > 0) bench.copied();
  bench.metadataDone(); // the origin's flush
  bench.metadataDone(); // area 1
  bench.metadataDone(0, errno.EIO); // area 0
  expect(bench.core.status(0).text).toBe("Merge failed");
  const again = bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.metadataJobs.at(-1)).toMatchObject({ kind: "commit", position: 512 });
  expect(bench.copies).toEqual([]);
  bench.metadataDone();
  expect([bench.finishedWith.get(again), bench.ports[0]!.table.count()]).toEqual([0, 0]);
});

test("an area behind the current one that is not full is not merged (S-60, S-68)", () => {
  const exceptions = Array.from({ length: 34 }, (_, i) => [i * 2, 2 + i + (i >= 32 ? 1 : 0)] as const);
  const bench = new CoreBench(80, { mergeBatches: true, mergeChunks: 40 });
  bench.open({ chunk: 1, cowSectors: 200, exceptions });
  const operation = bench.operation((id) => bench.core.mergeStart(id, 0));
  bench.core.areaRead(0, 0, new Uint8Array(512));
  expect([bench.finishedWith.get(operation), bench.copies.length]).toEqual([errno.EIO, 0]);
});

test("a failed area read changes nothing, and a retry reads it again (S-60, S-68)", () => {
  const exceptions = Array.from({ length: 34 }, (_, i) => [i * 2, 2 + i + (i >= 32 ? 1 : 0)] as const);
  const bench = new CoreBench(80, { mergeBatches: true, mergeChunks: 40 });
  bench.open({ chunk: 1, cowSectors: 200, exceptions });
  const failed = bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.metadataJobs.pop()).toMatchObject({ kind: "readArea", position: 512, length: 512 });
  bench.core.areaRead(0, errno.EIO, new Uint8Array(512));
  expect(bench.finishedWith.get(failed)).toBe(errno.EIO);
  expect([bench.core.status(0).text, bench.core.status(0).exceptions]).toEqual(["Merge failed", 34]);
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.metadataJobs.pop()).toMatchObject({ kind: "readArea", position: 512 });
});

test("stopped: handed back, and next free is behind the largest chunk in use, not S-64's (C-38, S-64)", () => {
  const { bench, operation } = merging(
    [
      [10, 40],
      [50, 4],
    ],
    { mergePaced: true },
  );
  bench.copied();
  bench.metadataDone();
  bench.metadataDone();
  expect(bench.core.status(0).text).toBe("24/4096 16");
  const ports = bench.ports[0]!;
  ports.readGate.count = 1;
  const leave = bench.operation((id) => bench.core.mergeStop(id, 0));
  expect([bench.originPorts.merging, bench.finishedWith.get(operation)]).toEqual([0, errno.ECANCELED]);
  ports.readGate.count = 0;
  bench.core.gateDrained(3);
  expect([bench.finishedWith.get(leave), bench.originPorts.merging, ports.state]).toEqual([
    0,
    -1,
    SnapshotState.Active,
  ]);
  expect(bench.originPorts.list).toEqual([0]);
  bench.core.needChunk(1, 0, 60, ChunkNeed.Whole);
  expect(bench.granted.get(1)).toBe(41);
});

test("in batches: runs of several areas by origin position, one flush, the last area erased first (S-69)", () => {
  const exceptions = Array.from({ length: 34 }, (_, i) => [66 - i * 2, 2 + i + (i >= 32 ? 1 : 0)] as const);
  const bench = new CoreBench(80, { mergeBatches: true, mergeChunks: 4, mergeCopies: 8 });
  bench.open({ chunk: 1, cowSectors: 200, exceptions });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  bench.metadataJobs.pop();
  const area = new Uint8Array(512);
  const view = new DataView(area.buffer);
  exceptions.slice(0, 32).forEach(([o, n], i) => {
    view.setBigUint64(i * 16, BigInt(o), true);
    view.setBigUint64(i * 16 + 8, BigInt(n), true);
  });
  bench.core.areaRead(0, 0, area);
  expect(bench.copies.map((job) => job.targets[0]!.sector)).toEqual([0, 2, 4, 6]);
  for (let i = 0; i < 4; i++) bench.copied();
  expect(bench.metadataDone()).toMatchObject({ kind: "flush", device: 0 });
  expect(bench.metadataDone()).toMatchObject({ kind: "commit", position: 34 * 512 });
  expect(bench.metadataDone()).toMatchObject({ kind: "commit", position: 512 });
  expect(bench.core.status(0)).toMatchObject({ exceptions: 30, text: "32/200 2" });
});

/** Story: the range was the hull of a batch, and with scattered exceptions nearly all of the origin was closed to writes. */
test("in batches: the range holds the chunks of the step, and nothing that lies between them (C-34)", () => {
  const bench = new CoreBench(800, { mergeBatches: true, mergeChunks: 5 });
  bench.open({
    exceptions: [
      [1, 2],
      [90, 3],
      [41, 4],
      [5, 5],
      [40, 9],
      [7, 7],
    ],
  });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.ports[0]!.range).toEqual([
    { first: 5, count: 1 },
    { first: 7, count: 1 },
    { first: 40, count: 2 },
    { first: 90, count: 1 },
  ]);
  while (bench.copies.length > 0) bench.copied();
  bench.metadataDone();
  bench.metadataDone();
  expect(bench.ports[0]!.range).toEqual([{ first: 1, count: 1 }]);
});

test("in batches: a step ends after so many runs, however few chunks they have (S-69)", () => {
  const bench = new CoreBench(800, { mergeBatches: true, mergeRuns: 2 });
  bench.open({ exceptions: RUNS });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.ports[0]!.range).toEqual([
    { first: 20, count: 2 },
    { first: 50, count: 1 },
  ]);
});

test("refusals: transient, invalid, unknown, and a second one (S-13, E-31, E-36)", () => {
  const bench = newBench();
  bench.open({ store: "N" });
  bench.open({ exceptions: [], spoil: (image) => void (image[4] = 0) });
  bench.open({ exceptions: [[1, 2]] });
  bench.open({ exceptions: [[1, 2]] });
  const start = (index: number): number | undefined =>
    bench.finishedWith.get(bench.operation((id) => bench.core.mergeStart(id, index)));
  expect([start(0), start(1), start(9), start(2), start(3), start(2)]).toEqual([
    errno.EINVAL,
    errno.EINVAL,
    errno.ENOENT,
    undefined,
    errno.EBUSY,
    errno.EBUSY,
  ]);
  expect(bench.finishedWith.get(bench.operation((id) => bench.core.dropSnapshot(id, 2)))).toBe(errno.EBUSY);
});

test("close ends a merge after the step in progress, and it stays presented (S-65, E-42)", () => {
  const { bench, operation } = merging(RUNS);
  const close = bench.operation((id) => bench.core.close(id));
  bench.copied();
  bench.metadataDone();
  bench.metadataDone();
  expect(bench.finishedWith.get(operation)).toBe(errno.ECANCELED);
  expect(bench.metadataDone()).toMatchObject({ kind: "flush", device: 1 });
  expect([bench.finishedWith.get(close), bench.originPorts.merging]).toEqual([0, 0]);
});

test("a merge that may take a quarter of the time rests three times as long as it works (E-26)", () => {
  expect([throttleRest(10, 25), throttleRest(10, 100), throttleRest(10, 1)]).toEqual([30, 0, 990]);
});

/**
 * Story: a store whose last area is full, and its device ends there, is merged; meanwhile the device grows. The area behind the full
 * one was to be zeroed at once (S-42), through the channel that the merge takes for its own: the process stopped at an assertion.
 */
test("growth while a merge goes on: the area that has appeared is zeroed between two jobs of the merge (S-42, S-56)", () => {
  const bench = newBench();
  const exceptions = Array.from({ length: 32 }, (_, i): ExceptionPair => [2 * i, 2 + i]);
  const ports = bench.open({ chunk: 1, cowSectors: 34, exceptions });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  const read = bench.metadataJobs.shift()!;
  expect(read.kind).toBe("readArea");
  expect(bench.core.grow(0, 80)).toBe(0);
  expect(bench.metadataJobs).toEqual([]);
  const image = storeImage(34 * 512, 1, exceptions);
  bench.core.areaRead(0, 0, image.subarray(512, 1024));
  expect(bench.metadataDone()).toMatchObject({ kind: "commit", zeroArea: 1 });
  bench.copied();
  expect(bench.metadataDone()).toMatchObject({ kind: "flush", device: 0 });
  expect(bench.metadataDone()).toMatchObject({ kind: "commit", zeroArea: -1 });
  expect(ports.table.count()).toBe(31);
});

test("an area that cannot be zeroed while a merge goes on does not end the snapshot, which holds what clients see", () => {
  const bench = newBench();
  const exceptions = Array.from({ length: 32 }, (_, i): ExceptionPair => [2 * i, 2 + i]);
  const ports = bench.open({ chunk: 1, cowSectors: 34, exceptions });
  bench.operation((id) => bench.core.mergeStart(id, 0));
  bench.core.grow(0, 80);
  bench.metadataJobs.length = 0;
  bench.core.areaRead(0, errno.EIO, new Uint8Array(0));
  bench.metadataDone(0, errno.EIO);
  expect([ports.state, bench.metadataJobs.length]).toEqual([SnapshotState.Merging, 0]);
  const stop = bench.operation((id) => bench.core.mergeStop(id, 0));
  expect(bench.finishedWith.get(stop)).toBe(0);
  expect(bench.metadataDone()).toMatchObject({ kind: "commit", zeroArea: 1 });
  expect(ports.state).toBe(SnapshotState.Active);
});
