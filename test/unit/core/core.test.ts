/** What the heart itself decides: whom a message concerns, what it refuses as a programmer's error, how a volume ends. */
import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

test("what workers ask for lies on the origin", () => {
  const asked = (ask: (bench: CoreBench) => void): (() => void) => {
    const bench = new CoreBench(800);
    bench.open();
    return () => ask(bench);
  };
  expect(asked(({ core }) => core.needOrigin(1, 792, 8))).not.toThrow();
  expect(asked(({ core }) => core.needOrigin(1, 796, 8))).toThrow("the range lies on the origin");
  expect(asked(({ core }) => core.needOrigin(1, 8, 0))).toThrow("the range lies on the origin");
  expect(asked(({ core }) => core.needChunk(1, 0, 99, ChunkNeed.Whole))).not.toThrow();
  expect(asked(({ core }) => core.needChunk(1, 0, 100, ChunkNeed.Whole))).toThrow("lies on the origin");
});

test("effects do not call back", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.armTimer = () => bench.core.turn();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  expect(() => bench.copied()).toThrow("effects do not call back");
});

test("a first write of a snapshot that is gone asks nothing of the others (C-19)", () => {
  const bench = new CoreBench(800);
  for (let i = 0; i < 2; i++) bench.open();
  bench.core.needOrigin(1, 40, 8);
  while (bench.copies.length > 0) bench.copied();
  for (const index of [0, 1]) bench.metadataDone(index);
  bench.operation((id) => bench.core.dropSnapshot(id, 0));
  bench.metadataDone(0);
  bench.open();
  expect(bench.core.snapshots()).toEqual([1, 2]);
  bench.core.needChunk(2, 0, 3, ChunkNeed.Copy);
  expect([bench.released.get(2), bench.copies]).toEqual([errno.EIO, []]);
});

test("a volume without snapshots, or without a merge, has nothing to do, and looks at itself all the same", () => {
  const bench = new CoreBench(800);
  for (let i = 0; i < 70; i++) bench.core.turn();
  bench.core.mergeContinue();
  expect([bench.core.merging, bench.core.snapshots(), bench.core.waiting]).toEqual([-1, [], 0]);
});

test("a merge that keeps to its share of the time goes on when it is told to (E-26)", () => {
  const bench = new CoreBench(800, { mergePaced: true, mergeBatches: false });
  bench.open();
  bench.open({
    exceptions: [
      [10, 2],
      [20, 3],
    ],
  });
  bench.operation((id) => bench.core.dropSnapshot(id, 0));
  bench.metadataDone(0);
  bench.operation((id) => bench.core.mergeStart(id, 1));
  expect(bench.core.merging).toBe(1);
  bench.copied();
  for (let i = 0; i < 2; i++) bench.metadataDone(1);
  expect(bench.copies).toEqual([]);
  bench.core.mergeContinue();
  expect(bench.copies).toHaveLength(1);
  bench.core.mergeContinue();
  expect(bench.copies).toHaveLength(1);
});

test("the end commits at once what would have waited its time, and flushes behind that (E-42, S-54)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Copy);
  bench.copied();
  expect(bench.metadataJobs).toEqual([]);
  const operation = bench.operation((id) => bench.core.close(id));
  expect(bench.groupOf(bench.metadataDone())).toEqual([[4, 2]]);
  expect(bench.metadataDone().kind).toBe("flush");
  expect([bench.finishedWith.get(operation), bench.messages.get(operation)]).toEqual([0, ""]);
});

test("the end waits for all snapshots, and passes over those that are gone (E-42)", () => {
  const bench = new CoreBench(800);
  for (let i = 0; i < 3; i++) bench.open();
  bench.operation((id) => bench.core.dropSnapshot(id, 0));
  bench.metadataDone(0);
  bench.core.needChunk(1, 2, 4, ChunkNeed.Copy);
  const operation = bench.operation((id) => bench.core.close(id));
  const again = bench.operation((id) => bench.core.close(id));
  expect([bench.metadataJobs, bench.finishedWith.get(again)]).toEqual([[], errno.ESHUTDOWN]);
  bench.copied();
  bench.metadataDone(2);
  expect(bench.metadataJobs.map(({ snapshot }) => snapshot)).toEqual([1, 2]);
  for (const index of [1, 2]) bench.metadataDone(index);
  expect(bench.finishedWith.get(operation)).toBe(0);
});

test("a device is as large as it is said to be: room clears an overflow, and what is in use stays (E-45, S-42, S-43)", () => {
  const bench = new CoreBench(800);
  bench.open({ store: "PO", cowSectors: 3 * 8 });
  for (const chunk of [1, 2]) bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Copy);
  bench.clear();
  expect([bench.core.grow(0, 3 * 8 + 7), bench.take(), bench.core.status(0).text]).toEqual([0, [], "Overflow"]);
  expect([bench.core.grow(0, 3 * 8 - 1), bench.core.grow(0, 4 * 8)]).toEqual([errno.EINVAL, 0]);
  expect(bench.take()).toEqual(["notice 0 overflow-cleared"]);
  bench.core.grow(0, 8 * 8);
  expect(bench.take()).toEqual([]);
  // The area behind the last one is not on the device: more is in use than there is, and that may stay so.
  bench.open({ chunk: 1, cowSectors: 34, exceptions: Array.from({ length: 32 }, (_, i) => [i, 2 + i] as const) });
  expect([bench.core.grow(1, 34), bench.core.grow(1, 33)]).toEqual([0, errno.EINVAL]);
  expect(bench.metadataJobs.filter(({ snapshot }) => snapshot === 1)).toEqual([]);
});

test("orders that name no snapshot, or the wrong one, are refused with a reason (E-31, E-36)", () => {
  const bench = new CoreBench(800);
  for (let i = 0; i < 2; i++) bench.open({ exceptions: [[1, 2]] });
  const answer = (start: (id: number) => void): readonly unknown[] => {
    const operation = bench.operation(start);
    return [bench.finishedWith.get(operation), bench.messages.get(operation)];
  };
  expect(answer((id) => bench.core.dropSnapshot(id, 7))).toEqual([errno.ENOENT, "no such snapshot"]);
  expect(answer((id) => bench.core.mergePresent(id, 7))).toEqual([errno.ENOENT, "no such snapshot"]);
  expect(answer((id) => bench.core.mergeStop(id, 0))).toEqual([errno.EINVAL, "the snapshot is not merging"]);
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(answer((id) => bench.core.mergeStop(id, 1))).toEqual([errno.EINVAL, "the snapshot is not merging"]);
  expect(answer((id) => bench.core.mergePresent(id, 1))).toEqual([
    errno.EBUSY,
    "another snapshot of this origin is merging",
  ]);
  expect(answer((id) => bench.core.mergePresent(id, 0))).toEqual([0, ""]);
});
