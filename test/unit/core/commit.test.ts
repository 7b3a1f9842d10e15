import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { EntryState } from "../../../src/base/states.ts";
import { CoreBench } from "../../support/core/core-bench.ts";
import { putException } from "../../support/store-image.ts";

test("copies that end out of order are committed in allocation order (S-41, C-20)", () => {
  const bench = new CoreBench(800, { early: false });
  bench.open();
  for (const [token, chunk] of [
    [1, 9],
    [2, 3],
    [3, 7],
  ] as const)
    bench.core.needChunk(token, 0, chunk, ChunkNeed.Copy);
  const [first, second, third] = bench.copies.splice(0);
  bench.core.copied(third!.id, 1, 0, 0, 0);
  bench.core.copied(second!.id, 1, 0, 0, 0);
  expect(bench.metadataJobs).toHaveLength(0);
  bench.core.copied(first!.id, 1, 0, 0, 0);
  expect(bench.groupOf(bench.metadataDone())).toEqual([
    [9, 2],
    [3, 3],
    [7, 4],
  ]);
  expect([...bench.released]).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
  ]);
});

test("without S-57 a group grows while others are pending, and a write waits for its commit (S-52, S-53)", () => {
  const bench = new CoreBench(800, { early: false });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  bench.core.needChunk(2, 0, 2, ChunkNeed.Copy);
  bench.copied();
  expect(bench.metadataJobs).toHaveLength(0);
  expect(ports.table.stateOf(1)).toBe(EntryState.None);
  bench.copied();
  expect(bench.released.size).toBe(0);
  bench.metadataDone();
  expect(bench.released.size).toBe(2);
  expect(ports.durable).toBe(2);
});

test("with S-57 a snapshot write is released when it is visible, and nothing is committed yet", () => {
  const bench = new CoreBench(800, { early: true });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  bench.copied();
  expect(bench.released.get(1)).toBe(0);
  expect([ports.visible, ports.durable]).toEqual([1, 0]);
  expect(ports.table.stateOf(1)).toBe(EntryState.Visible);
  expect(bench.take()).toEqual(["copy 0→1", "release 1 0", "timer 0"]);
});

test("a flush has everything visible committed at once, and is answered when it is durable (S-57, C-13, C-23)", () => {
  const bench = new CoreBench(800, { early: true });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  bench.copied();
  bench.core.needDurable(2, 0, ports.visible);
  expect(bench.metadataJobs).toHaveLength(1);
  expect(bench.released.has(2)).toBe(false);
  bench.metadataDone();
  expect(bench.released.get(2)).toBe(0);
  bench.core.needDurable(3, 0, ports.visible);
  expect(bench.released.get(3)).toBe(0);
});

test("a flush waits for a lower exception that is still being copied (C-13, commit W_PREFIX)", () => {
  const bench = new CoreBench(800, { early: true });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  bench.core.needChunk(2, 0, 2, ChunkNeed.Copy);
  const [lower, higher] = bench.copies.splice(0);
  bench.core.copied(higher!.id, 1, 0, 0, 0);
  expect(ports.visible).toBe(2);
  bench.core.needDurable(3, 0, 2);
  expect(bench.metadataJobs).toHaveLength(0);
  bench.core.copied(lower!.id, 1, 0, 0, 0);
  bench.metadataDone();
  expect(bench.released.get(3)).toBe(0);
});

test("a group is written when it has waited its time, or has its number (S-54)", () => {
  const bench = new CoreBench(8000, { early: true, groupCount: 3 });
  bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  bench.copied();
  bench.core.tick(0);
  expect(bench.groupOf(bench.metadataDone())).toEqual([[1, 2]]);
  for (const chunk of [2, 3, 4]) {
    bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Copy);
    expect(bench.metadataJobs).toHaveLength(0);
    bench.copied();
  }
  expect(bench.metadataJobs).toHaveLength(1);
});

test("one area write is in flight at a time, and carries nothing that came later (S-54, C-21)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.core.needOrigin(2, 8, 8);
  bench.copied();
  expect(bench.metadataJobs).toHaveLength(1);
  expect(bench.groupOf(bench.metadataDone())).toEqual([[0, 2]]);
  expect(bench.released.has(2)).toBe(false);
  expect(bench.groupOf(bench.metadataDone())).toEqual([
    [0, 2],
    [1, 3],
  ]);
  expect(bench.released.get(2)).toBe(0);
});

test("the write that fills an area zeroes the next one first, and the store goes on there (S-5, S-53)", () => {
  const bench = new CoreBench(80, { early: false });
  bench.open({ chunk: 1, cowSectors: 200, exceptions: Array.from({ length: 31 }, (_, i) => [i, 2 + i] as const) });
  bench.core.needChunk(1, 0, 40, ChunkNeed.Copy);
  bench.copied();
  expect(bench.metadataDone()).toMatchObject({ zeroArea: 1, zeroPosition: 34 * 512, zeroBytes: 512, position: 512 });
  bench.core.needChunk(2, 0, 41, ChunkNeed.Copy);
  bench.copied();
  expect(bench.metadataDone()).toMatchObject({ zeroArea: -1, position: 34 * 512 });
  expect(bench.core.status(0).text).toBe("36/200 3");
});

test("only the metadata blocks that a group touches are written (S-55)", () => {
  const bench = new CoreBench(8000, { early: false });
  bench.open({ exceptions: Array.from({ length: 33 }, (_, i) => [i, 2 + i] as const) });
  bench.core.needChunk(1, 0, 500, ChunkNeed.Copy);
  bench.copied();
  const job = bench.metadataDone();
  expect(job).toMatchObject({ position: 4096 + 512 });
  expect(bench.groupOf(job)).toEqual([
    [32, 34],
    [500, 35],
  ]);
});

test("stale bytes behind the end marker are overwritten before the first exception is added (S-7)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open({
    exceptions: [
      [1, 2],
      [2, 3],
    ],
    spoil: (image) => putException(image, 8, 5, 77, 78),
  });
  expect(bench.metadataJobs).toHaveLength(0);
  bench.core.needOrigin(1, 80, 8);
  bench.copied();
  const repair = bench.metadataDone();
  expect(repair).toMatchObject({ kind: "commit", zeroArea: -1, zeroBytes: 0, position: 4096 });
  expect(bench.groupOf(repair)).toEqual([
    [1, 2],
    [2, 3],
  ]);
  expect(bench.groupOf(bench.metadataDone())).toEqual([
    [1, 2],
    [2, 3],
    [10, 4],
  ]);
  expect(bench.released.get(1)).toBe(0);
});

test("an origin write never waits for the time bound: it demands the commit (S-57)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needChunk(1, 0, 3, ChunkNeed.Copy);
  bench.copied();
  expect(bench.metadataJobs).toHaveLength(0);
  bench.core.needOrigin(2, 24, 8);
  expect(bench.metadataJobs).toHaveLength(1);
  bench.metadataDone();
  expect(bench.released.get(2)).toBe(0);
});

test("with turns, one commit carries what a whole batch of events made ready", () => {
  const bench = new CoreBench(800, { early: true, turns: true });
  bench.open();
  for (const token of [1, 2, 3]) bench.core.needOrigin(token, token * 8, 8);
  for (let i = 0; i < 3; i++) bench.copied();
  expect(bench.metadataJobs).toHaveLength(0);
  bench.core.turn();
  expect(bench.groupOf(bench.metadataDone())).toHaveLength(3);
  expect(bench.released.size).toBe(3);
});

test("a failed commit makes the store invalid, and no further area is written (S-53, S-57, E-9)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.core.needChunk(2, 0, 5, ChunkNeed.Whole);
  bench.core.needDurable(3, 0, 1);
  bench.metadataDone(0, errno.EIO);
  expect(bench.metadataDone()).toMatchObject({ kind: "header" });
  expect(bench.metadataJobs).toHaveLength(0);
  expect([bench.released.get(1), bench.released.get(3)]).toEqual([0, errno.EIO]);
  expect(bench.released.has(2)).toBe(false);
  bench.core.written(0, 5, 0);
  expect(bench.released.get(2)).toBe(errno.EIO);
});

test("a transient store commits nothing: visible is durable and settled (S-13)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ store: "N", cowSectors: 64 });
  expect(bench.core.status(0).text).toBe("0/64 0");
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  expect(bench.take()).toEqual(["copy 0→1", "release 1 0"]);
  expect(ports.table.stateOf(0)).toBe(EntryState.Settled);
  expect(ports.table.newChunkOf(0)).toBe(0);
  expect(bench.core.status(0).text).toBe("8/64 0");
});

test("an area that was missing behind a full one is zeroed and flushed once the device has grown (S-42)", () => {
  const bench = new CoreBench(80);
  const exceptions = Array.from({ length: 32 }, (_, i) => [i, 2 + i] as const);
  bench.open({ chunk: 1, cowSectors: 34, exceptions });
  expect(bench.core.status(0).text).toBe("35/34 3");
  expect(bench.core.grow(0, 100)).toBe(0);
  expect(bench.metadataJobs).toMatchObject([{ kind: "commit", zeroArea: 1, zeroPosition: 34 * 512, zeroBytes: 512 }]);
  bench.core.needOrigin(1, 50, 1);
  bench.copied();
  bench.metadataDone();
  expect(bench.groupOf(bench.metadataDone())).toEqual([[50, 35]]);
  expect(bench.released.get(1)).toBe(0);
});

test("the timer of S-54 is armed once for all that wait, and again for what comes behind its tick", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  const timers = (): number => bench.take().filter((event) => event === "timer 0").length;
  for (const chunk of [1, 2]) {
    bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Copy);
    bench.copied();
  }
  expect(timers()).toBe(1);
  bench.core.tick(0);
  expect(bench.groupOf(bench.metadataDone())).toHaveLength(2);
  bench.core.needChunk(3, 0, 3, ChunkNeed.Copy);
  bench.copied();
  expect([timers(), bench.metadataJobs.length]).toEqual([1, 0]);
});

test("a tick that finds nothing to commit leaves nothing behind: what comes next waits its time (S-54)", () => {
  const bench = new CoreBench(800, { early: true });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Copy);
  bench.copied();
  bench.core.needDurable(2, 0, ports.visible);
  bench.metadataDone();
  bench.core.tick(0);
  bench.core.needChunk(3, 0, 3, ChunkNeed.Copy);
  bench.copied();
  expect(bench.metadataJobs).toEqual([]);
});

test("a group that is written while its snapshot turns Invalid lets nobody go on before the header is (S-70)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.core.needChunk(2, 0, 5, ChunkNeed.Copy);
  bench.copied(errno.EIO);
  expect(bench.metadataDone().kind).toBe("commit");
  expect(bench.released.size).toBe(0);
  expect(bench.metadataDone().kind).toBe("header");
  expect([bench.released.get(1), bench.released.get(2)]).toEqual([0, errno.EIO]);
});

/** A store of 31 exceptions, one short of a full area, and one more copied: the status counts what is visible as committed (S-57). */
function almostFull(early: boolean): CoreBench {
  const bench = new CoreBench(800, { early });
  bench.open({ chunk: 1, cowSectors: 200, exceptions: Array.from({ length: 31 }, (_, i) => [i, 2 + i] as const) });
  bench.core.needChunk(1, 0, 40, ChunkNeed.Copy);
  bench.copied();
  return bench;
}

test.each([true, false])(
  "the status says the same before and after a commit of what is visible (S-57: %s)",
  (early) => {
    const bench = almostFull(early);
    if (early) expect(bench.core.status(0).text).toBe("35/200 3");
    bench.metadataDone();
    expect(bench.core.status(0).text).toBe("35/200 3");
    for (let i = 0; i < 40; i++) bench.core.drained(0, 0);
  },
);

test("the visible number does not go back where a lower exception is copied later (S-57, C-20)", () => {
  const bench = new CoreBench(800, { early: true });
  const ports = bench.open();
  for (const chunk of [1, 2]) bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Copy);
  const [lower, higher] = bench.copies.splice(0);
  bench.core.copied(higher!.id, 1, 0, 0, 0);
  bench.core.copied(lower!.id, 1, 0, 0, 0);
  expect(ports.visible).toBe(2);
});

test("a commit answers the flushes that it covers, and keeps the others in their order (C-23)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.core.needChunk(2, 0, 5, ChunkNeed.Copy);
  bench.copied();
  for (const [token, sequence] of [
    [3, 2],
    [4, 1],
    [5, 2],
  ] as const)
    bench.core.needDurable(token, 0, sequence);
  bench.metadataDone();
  expect([3, 4, 5].map((token) => bench.released.get(token))).toEqual([undefined, 0, undefined]);
  bench.clear();
  bench.metadataDone();
  expect(bench.take()).toEqual(["release 3 0", "release 5 0"]);
});
