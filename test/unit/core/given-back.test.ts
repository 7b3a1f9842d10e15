/**
 * What a failure gives back in the core: whoever waits is answered, what is under way is counted until it has ended and no longer, and the
 * end flushes what it must.
 */
import { describe, expect, it } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

const { EIO, ENOSPC } = errno;

/** The header of a snapshot that turns Invalid is written. */
function endDrop(bench: CoreBench): void {
  while (bench.metadataJobs.length > 0) bench.metadataDone();
}

describe("a snapshot that turns Invalid answers", () => {
  it("flushes that wait for a commit: they fail", () => {
    const bench = new CoreBench(800, { early: true });
    const ports = bench.open();
    bench.core.needChunk(1, 0, 3, ChunkNeed.Whole);
    bench.core.written(0, 3, 0);
    expect(bench.released.get(1)).toBe(0);
    bench.core.needDurable(2, 0, ports.visible);
    expect(bench.released.has(2)).toBe(false);
    bench.metadataDone(0, EIO);
    expect(bench.released.has(2), "not before the header is written").toBe(false);
    endDrop(bench);
    expect([bench.released.get(2), bench.core.waiting, ports.state]).toEqual([EIO, 0, SnapshotState.Invalid]);
  });

  it("a write that waits for chunks in reserve", () => {
    const bench = new CoreBench(8000);
    // 36 chunks: one reserve of many leaves few.
    const ports = bench.open({ chunk: 8, cowSectors: 8 * 36 });
    bench.core.reserve(0, 2);
    ports.writeGate.count = 1;
    for (let chunk = 0; chunk < 40; chunk++) bench.core.needChunk(100 + chunk, 0, chunk, ChunkNeed.Whole);
    // The last ones found no room, and wait until the gate is empty; meanwhile a granted write fails.
    const waiting = bench.core.waiting;
    bench.core.written(0, 0, EIO);
    endDrop(bench);
    for (let i = 1; i < 40; i++) {
      if (bench.granted.has(100 + i) && !bench.released.has(100 + i)) bench.core.written(0, i, 0);
    }
    expect(waiting).toBe(40);
    expect(bench.core.waiting).toBe(0);
    // Who was granted a chunk has failed; who waited for one looks again.
    expect(new Set([...bench.released].map(([token, error]) => `${bench.granted.has(token)} ${error}`))).toEqual(
      new Set([`true ${EIO}`, "false 0"]),
    );
  });

  it("a granted write that comes back later, and is counted as under way until then", () => {
    const bench = new CoreBench(800);
    bench.open();
    bench.core.needChunk(1, 0, 3, ChunkNeed.Whole);
    bench.core.needChunk(2, 0, 4, ChunkNeed.Whole);
    bench.core.written(0, 3, EIO);
    endDrop(bench);
    expect([bench.released.get(1), bench.released.has(2)]).toEqual([EIO, false]);
    const close = bench.operation((id) => bench.core.close(id));
    expect(bench.finishedWith.has(close), "the COW device is in use").toBe(false);
    bench.core.written(0, 4, 0);
    expect([bench.released.get(2), bench.finishedWith.get(close), bench.core.waiting]).toEqual([EIO, 0, 0]);
  });

  it("and one that is dropped waits for it, too", () => {
    const bench = new CoreBench(800);
    bench.open();
    bench.core.needChunk(1, 0, 3, ChunkNeed.Whole);
    bench.core.needChunk(2, 0, 4, ChunkNeed.Whole);
    bench.core.written(0, 3, EIO);
    endDrop(bench);
    const drop = bench.operation((id) => bench.core.dropSnapshot(id, 0));
    expect(bench.finishedWith.has(drop)).toBe(false);
    bench.core.written(0, 4, ENOSPC);
    expect([bench.finishedWith.get(drop), bench.core.snapshots()]).toEqual([0, []]);
  });
});

describe("copies in flight are counted until they have ended (E-25)", () => {
  it.each([
    ["well", 0, 0],
    ["badly", EIO, EIO],
  ])("%s", (_, error, released) => {
    const bench = new CoreBench(800, { cowThreshold: 1 });
    bench.open();
    bench.open();
    bench.core.needChunk(1, 0, 3, ChunkNeed.Copy);
    bench.core.needChunk(2, 0, 4, ChunkNeed.Copy);
    expect(bench.copies).toHaveLength(1);
    bench.copied(error);
    endDropOrCommit(bench);
    if (error === 0) bench.copied();
    endDropOrCommit(bench);
    expect([bench.released.get(1), bench.released.get(2), bench.copies.length]).toEqual([released, released, 0]);
    // The other snapshot has its own limit.
    bench.core.needChunk(3, 1, 4, ChunkNeed.Copy);
    expect(bench.copies).toHaveLength(1);
  });
});

it("a copy that found no room is under way no more: the next one has its turn when there is room (E-8, E-25)", () => {
  const bench = new CoreBench(800, { cowThreshold: 1 });
  bench.open({ store: "PO", cowSectors: 800 });
  bench.core.needChunk(1, 0, 3, ChunkNeed.Copy);
  bench.copied(0, 1, ENOSPC);
  expect(bench.released.get(1)).toBe(ENOSPC);
  bench.core.grow(0, 1600);
  bench.core.needChunk(2, 0, 4, ChunkNeed.Copy);
  expect(bench.copies).toHaveLength(1);
});

function endDropOrCommit(bench: CoreBench): void {
  while (bench.metadataJobs.length > 0) bench.metadataDone(bench.metadataJobs[0]!.snapshot);
}

describe("the end (E-42)", () => {
  it("flushes the COW device of every store that is good", () => {
    const bench = new CoreBench(800);
    for (let i = 0; i < 3; i++) bench.open();
    bench.open({ store: "N" });
    bench.core.needChunk(1, 1, 3, ChunkNeed.Whole);
    bench.core.written(1, 3, EIO);
    bench.metadataDone(1);
    bench.clear();
    const close = bench.operation((id) => bench.core.close(id));
    expect(bench.take()).toEqual(["flush device 1", "flush device 3"]);
    bench.metadataDone(2);
    expect(bench.finishedWith.has(close)).toBe(false);
    bench.metadataDone(0);
    expect(bench.finishedWith.get(close)).toBe(0);
  });

  it.each([0, 1])("fails where a flush has failed, whichever it was", (failing) => {
    const bench = new CoreBench(800);
    bench.open();
    bench.open();
    const close = bench.operation((id) => bench.core.close(id));
    for (const index of [0, 1]) bench.metadataDone(index, index === failing ? EIO : 0);
    expect([bench.finishedWith.get(close), bench.messages.get(close)]).toEqual([EIO, "cannot flush a cow device"]);
  });

  it("waits until what is allocated is committed", () => {
    const bench = new CoreBench(800, { early: true });
    bench.open();
    bench.core.needChunk(1, 0, 3, ChunkNeed.Whole);
    const close = bench.operation((id) => bench.core.close(id));
    bench.core.written(0, 3, 0);
    bench.clear();
    expect(bench.groupOf(bench.metadataDone())).toEqual([[3, 2]]);
    expect(bench.take()).toEqual(["flush device 1"]);
    bench.metadataDone();
    expect(bench.finishedWith.get(close)).toBe(0);
  });
});
