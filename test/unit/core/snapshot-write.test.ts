import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

test("a table that gets no memory is a full store: the write fails, the snapshot is dropped, the origin goes on (S-48, E-8, E-15)", () => {
  // The table found out when it published: an exception that nobody caught, and the process was gone.
  for (const isOrigin of [false, true]) {
    const bench = new CoreBench(800);
    const ports = bench.open();
    ports.table.isFull = true;
    if (isOrigin) bench.core.needOrigin(1, 0, 8);
    else bench.core.needChunk(1, 0, 5, ChunkNeed.Fill);
    expect(bench.copies.length).toBe(0);
    bench.metadataDone();
    expect(bench.released.get(1)).toBe(isOrigin ? 0 : errno.ENOSPC);
    expect(ports.state).toBe(SnapshotState.Invalid);
  }
});

test("a part of a chunk: copy, visible, then look again (E-5)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Fill);
  expect(bench.copies).toMatchObject([{ sector: 32, sectors: 8 }]);
  bench.copied();
  expect(bench.released.get(1)).toBe(0);
  expect(ports.table.newChunkOf(4)).toBe(2);
});

test("the whole chunk, and first: the worker writes it itself, no copy (E-6, C-12)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Whole);
  expect(bench.take()).toEqual(["grant 1 2"]);
  expect(ports.table.stateOf(4)).toBe(EntryState.None);
  bench.core.written(0, 4, 0);
  expect(ports.table.stateOf(4)).toBe(EntryState.Visible);
  expect(bench.released.get(1)).toBe(0);
});

test("writes to a pending chunk queue behind it (E-5, E-7)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Whole);
  bench.core.needChunk(2, 0, 4, ChunkNeed.Whole);
  bench.core.needChunk(3, 0, 4, ChunkNeed.Fill);
  expect(bench.granted.size).toBe(1);
  bench.core.written(0, 4, 0);
  expect([...bench.released]).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
  ]);
});

test("a granted chunk that cannot be written makes the snapshot Invalid (E-9)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Whole);
  bench.core.needChunk(2, 0, 4, ChunkNeed.Fill);
  bench.core.written(0, 4, errno.EIO);
  bench.metadataDone();
  expect(ports.state).toBe(SnapshotState.Invalid);
  expect([bench.released.get(1), bench.released.get(2)]).toEqual([errno.EIO, errno.EIO]);
});

test("store P without room: Invalid, header first, then the write fails with ENOSPC (E-8, C-25)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ cowSectors: 16 });
  bench.core.needChunk(1, 0, 4, ChunkNeed.Fill);
  expect(bench.released.has(1)).toBe(false);
  bench.metadataDone();
  expect(bench.released.get(1)).toBe(errno.ENOSPC);
  expect(ports.state).toBe(SnapshotState.Invalid);
  bench.core.needChunk(2, 0, 4, ChunkNeed.Fill);
  expect(bench.released.get(2)).toBe(errno.EIO);
});

test("store PO without room overflows: the write fails, reads and flushes go on (E-2, E-8, S-57)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ store: "PO", cowSectors: 24 });
  bench.core.needChunk(1, 0, 4, ChunkNeed.Fill);
  bench.copied();
  bench.core.needChunk(2, 0, 5, ChunkNeed.Fill);
  expect(bench.released.get(2)).toBe(errno.ENOSPC);
  expect(ports.state).toBe(SnapshotState.Overflow);
  expect(bench.core.status(0).text).toBe("Overflow");
  bench.core.needChunk(3, 0, 6, ChunkNeed.Fill);
  expect(bench.released.get(3)).toBe(errno.EIO);
  bench.core.needDurable(4, 0, 1);
  bench.metadataDone();
  expect(bench.released.get(4)).toBe(0);
});

test("growth clears an Overflow, and allocation goes on (S-43, E-45)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ store: "PO", cowSectors: 16 });
  bench.core.needChunk(1, 0, 4, ChunkNeed.Fill);
  expect(bench.core.grow(0, 32)).toBe(0);
  expect(ports.state).toBe(SnapshotState.Active);
  bench.core.needChunk(2, 0, 4, ChunkNeed.Fill);
  expect(bench.copies).toHaveLength(1);
});

test("shrinking below what is in use is refused (E-45)", () => {
  const bench = new CoreBench(800);
  bench.open({
    cowSectors: 64,
    exceptions: [
      [0, 2],
      [1, 3],
    ],
  });
  expect(bench.core.grow(0, 31)).toBe(errno.EINVAL);
  expect(bench.core.grow(0, 32)).toBe(0);
  expect(bench.core.status(0).text).toBe("32/32 16");
});

test("a chunk that has become visible meanwhile: look again (C-11)", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[4, 2]] });
  bench.core.needChunk(1, 0, 4, ChunkNeed.Whole);
  expect(bench.take()).toEqual(["release 1 0"]);
});

test("with fills a worker that is ready to fills the rest of the chunk by itself", () => {
  const bench = new CoreBench(800, { fills: true });
  bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Fill);
  expect(bench.granted.get(1)).toBe(2);
  expect(bench.copies).toHaveLength(0);
});

test("chunks are reserved only while many more are free (S-44)", () => {
  const bench = new CoreBench(800);
  bench.open({ cowSectors: 271 });
  bench.open({ cowSectors: 272 });
  expect(bench.core.reserve(0, 2)).toEqual([]);
  expect(bench.core.reserve(1, 2)).toEqual([[2, 1]]);
});

test("a reserved chunk that was filled is claimed: visible, and the write is done (S-44, S-45)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  expect(bench.core.reserve(0, 3)).toEqual([[2, 3]]);
  expect(bench.core.status(0).text).toBe("16/4096 16");
  bench.core.claim(1, 0, 9, 3, 0);
  expect(bench.released.get(1)).toBe(0);
  expect(ports.table.newChunkOf(9)).toBe(3);
});

test("a claim is refused where the exception has been made by somebody else, or the reserve is void (S-45, C-15)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.reserve(0, 2);
  bench.core.needOrigin(1, 72, 8);
  bench.core.claim(2, 0, 9, 2, 0);
  expect(bench.released.get(2)).toBe(errno.EAGAIN);
  bench.core.claim(3, 0, 10, 2, 1);
  expect(bench.released.get(3)).toBe(errno.EAGAIN);
});

test("a claim without a slot is a store without room, not a reason to ask again (E-8, S-42)", () => {
  const bench = new CoreBench(800);
  const exceptions = Array.from({ length: 30 }, (_, i) => [i, 2 + i] as const);
  const ports = bench.open({ chunk: 1, cowSectors: 100, exceptions });
  expect(bench.core.reserve(0, 2)).toEqual([[32, 2]]);
  expect(bench.core.grow(0, 34)).toBe(0);
  bench.core.claim(1, 0, 60, 32, 0);
  bench.core.claim(2, 0, 61, 33, 0);
  expect(bench.released.get(1)).toBe(0);
  expect(bench.released.has(2)).toBe(false);
  bench.metadataDone();
  bench.metadataDone();
  expect([bench.released.get(2), ports.state]).toEqual([errno.ENOSPC, SnapshotState.Invalid]);
});

test("a store is full only when the reserves are back: epoch, empty gate, then their chunks are used (S-46, C-18)", () => {
  const bench = new CoreBench(800, { early: false });
  const ports = bench.open({ cowSectors: 160 });
  expect(bench.core.reserve(0, 1)).toEqual([[2, 1]]);
  for (let chunk = 0; chunk < 17; chunk++) bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Whole);
  expect(bench.granted.get(16)).toBe(19);
  ports.writeGate.count = 1;
  bench.core.needChunk(50, 0, 50, ChunkNeed.Whole);
  bench.core.needOrigin(51, 480, 8);
  expect([ports.reserveEpoch, ports.writeGate.closed, bench.released.size]).toEqual([1, true, 0]);
  bench.core.claim(52, 0, 70, 2, 0);
  expect(bench.released.get(52)).toBe(errno.EAGAIN);
  ports.writeGate.count = 0;
  bench.core.gateDrained(2);
  expect([bench.released.get(50), bench.released.get(51), ports.writeGate.closed]).toEqual([0, 0, false]);
  bench.core.needChunk(53, 0, 50, ChunkNeed.Whole);
  expect(bench.granted.get(53)).toBe(2);
});
