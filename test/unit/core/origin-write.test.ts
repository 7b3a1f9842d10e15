import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

test("an origin write waits until its old data is settled in every snapshot (E-13, E-21)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.open();
  bench.core.needOrigin(1, 16, 8);
  bench.copied();
  bench.metadataDone(0);
  expect(bench.released.has(1)).toBe(false);
  bench.metadataDone(1);
  expect(bench.released.get(1)).toBe(0);
  expect(bench.ports.map((ports) => ports.table.stateOf(2))).toEqual([EntryState.Settled, EntryState.Settled]);
});

test("several snapshots, one read of the origin, the largest chunk first (E-13, E-18)", () => {
  const bench = new CoreBench(800);
  bench.open({ chunk: 8 });
  bench.open({ chunk: 32 });
  bench.core.needOrigin(1, 40, 8);
  expect(bench.copies).toEqual([
    {
      id: 0,
      source: 0,
      sector: 32,
      sectors: 32,
      targets: [
        { device: 2, sector: 64, offsetSectors: 0, sectors: 32 },
        { device: 1, sector: 16, offsetSectors: 8, sectors: 8 },
      ],
    },
  ]);
});

test("neighbouring chunks are copied as one range (E-27)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.needOrigin(1, 20, 20);
  expect(bench.copies).toMatchObject([
    { sector: 16, sectors: 24, targets: [{ device: 1, sector: 16, offsetSectors: 0, sectors: 24 }] },
  ]);
});

test("a copy is cut at its largest size, and a chunk that is larger is copied in parts (E-27)", () => {
  const bench = new CoreBench(800, { copyBytes: 4096 });
  const ports = bench.open({ chunk: 16 });
  bench.core.needOrigin(1, 0, 8);
  expect(bench.copies.map(({ sector, sectors, targets }) => [sector, sectors, targets[0]!.sector])).toEqual([
    [0, 8, 32],
    [8, 8, 40],
  ]);
  bench.copied();
  expect(ports.table.stateOf(0)).toBe(EntryState.None);
  bench.copied();
  expect(ports.table.stateOf(0)).toBe(EntryState.Visible);
});

test("of the last chunk only what the origin has is copied", () => {
  const bench = new CoreBench(803);
  bench.open();
  bench.core.needOrigin(1, 801, 2);
  expect(bench.copies).toMatchObject([{ sector: 800, sectors: 3, targets: [{ sectors: 3 }] }]);
});

test("a write that meets a pending exception joins it, and one that is settled asks for nothing (E-7, E-13)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.core.needOrigin(2, 0, 8);
  expect(bench.copies).toHaveLength(1);
  bench.copied();
  bench.metadataDone();
  expect([...bench.released]).toEqual([
    [1, 0],
    [2, 0],
  ]);
  bench.core.needOrigin(3, 0, 8);
  expect(bench.released.get(3)).toBe(0);
  expect(bench.copies).toHaveLength(0);
});

test("a need asks for a limited number of chunks, and looks again (E-17, C-11)", () => {
  const bench = new CoreBench(800, { chunksPerNeed: 2 });
  const ports = bench.open();
  bench.core.needOrigin(1, 0, 80);
  bench.copied();
  bench.metadataDone();
  expect(bench.released.get(1)).toBe(0);
  expect(ports.table.count()).toBe(2);
});

test("a failed read fails every snapshot that waited for it, and the origin write goes on (E-15, E-18)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.copied(errno.EIO);
  expect(bench.ports.map(({ table }) => table.count())).toEqual([0, 0]);
  bench.metadataDone(0);
  expect(bench.released.has(1)).toBe(false);
  bench.metadataDone(1);
  expect(bench.released.get(1)).toBe(0);
  expect(bench.ports.map(({ state }) => state)).toEqual([SnapshotState.Invalid, SnapshotState.Invalid]);
});

test("a failed write fails its own snapshot only; the write waits for the others and for the header (E-18, S-70)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.copied(0, 2, errno.EIO);
  expect(bench.metadataDone(1)).toMatchObject({ kind: "header" });
  expect(bench.released.has(1)).toBe(false);
  bench.metadataDone(0);
  expect(bench.released.get(1)).toBe(0);
  expect(bench.ports.map(({ state }) => state)).toEqual([SnapshotState.Active, SnapshotState.Invalid]);
});

test.each(["P", "PO"] as const)(
  "no space for an origin write: store %s turns Invalid, the write goes on (E-15)",
  (store) => {
    const bench = new CoreBench(800);
    const ports = bench.open({ store, cowSectors: 16 });
    bench.core.needOrigin(1, 0, 8);
    expect(bench.take()).toEqual(["header 0"]);
    bench.metadataDone();
    expect(bench.take()).toEqual(["notice 0 invalid", "release 1 0"]);
    expect(ports.state).toBe(SnapshotState.Invalid);
  },
);

test("copies in flight are limited; what comes later waits in order, what needs none goes on (E-25)", () => {
  const bench = new CoreBench(800, { cowThreshold: 1, early: true });
  bench.open({ exceptions: [[50, 2]] });
  for (const token of [1, 2, 3]) bench.core.needOrigin(token, token * 8, 8);
  bench.core.needOrigin(4, 400, 8);
  expect(bench.copies).toHaveLength(1);
  expect(bench.released.get(4)).toBe(0);
  bench.copied();
  expect(bench.copies.map(({ sector }) => sector)).toEqual([16]);
  bench.copied();
  expect(bench.copies.map(({ sector }) => sector)).toEqual([24]);
});

test("more targets than one copy may have: the range is read again for the rest (E-18)", () => {
  const bench = new CoreBench(800, { copyTargets: 2 });
  for (let i = 0; i < 3; i++) bench.open();
  bench.core.needOrigin(1, 0, 8);
  expect(bench.copies.map(({ targets }) => targets.length)).toEqual([2, 1]);
});

test("old data that a worker has kept in a reserved chunk is committed, and the write released when it is settled (E-13, S-41)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  bench.core.reserve(0, 3);
  bench.core.claimOrigin(1, 0, 9, 3, 0);
  expect([bench.copies.length, ports.table.stateOf(9), bench.released.size]).toEqual([0, EntryState.Visible, 0]);
  expect(bench.groupOf(bench.metadataDone())).toEqual([[9, 3]]);
  expect([ports.table.stateOf(9), bench.released.get(1)]).toEqual([EntryState.Settled, 0]);
});

test("a claim of an origin write that finds the exception made, a void reserve or no snapshot is refused: never an error (S-45, C-16, E-15)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.reserve(0, 2);
  bench.core.needOrigin(1, 72, 8);
  bench.core.claimOrigin(2, 0, 9, 2, 0);
  bench.core.claimOrigin(3, 0, 10, 2, 1);
  bench.core.claimOrigin(4, 7, 10, 2, 0);
  expect([2, 3, 4].map((token) => bench.released.get(token))).toEqual([errno.EAGAIN, errno.EAGAIN, errno.EAGAIN]);
});

test("a claim of an origin write without a slot is refused; the write then asks, and the snapshot turns Invalid (E-15, S-42)", () => {
  const bench = new CoreBench(800);
  const exceptions = Array.from({ length: 30 }, (_, i) => [i, 2 + i] as const);
  const ports = bench.open({ chunk: 1, cowSectors: 100, exceptions });
  bench.core.reserve(0, 2);
  bench.core.grow(0, 34);
  bench.core.claimOrigin(1, 0, 60, 32, 0);
  bench.core.claimOrigin(2, 0, 61, 33, 0);
  expect([bench.released.has(1), bench.released.get(2)]).toEqual([false, errno.EAGAIN]);
  // The reserve is taken back first; asked again, there is a chunk and no slot.
  for (const token of [3, 4]) {
    bench.core.needOrigin(token, 61, 1);
    while (bench.metadataJobs.length > 0) bench.metadataDone();
  }
  expect([1, 3, 4].map((token) => bench.released.get(token))).toEqual([0, 0, 0]);
  expect(ports.state).toBe(SnapshotState.Invalid);
});
