/**
 * A store that runs full: it grows by itself, it stalls, or neither (E-47, E-48); nobody waits for ever.
 */
import { describe, expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import type { RoomPolicy } from "../../../src/core/room-policy.ts";
import { CoreBench } from "../../support/core/core-bench.ts";
import type { FakeSnapshotPorts } from "../../support/core/fake-ports.ts";

/** Header, area and three chunks of 8 sectors. */
const SMALL = 40;
const GROWS: RoomPolicy = { growAt: 80, overflows: false, stalls: false };
const STALLS: RoomPolicy = { growAt: 0, overflows: false, stalls: true };

function open(room: RoomPolicy, cowSectors = SMALL): { bench: CoreBench; ports: FakeSnapshotPorts } {
  const bench = new CoreBench(800);
  const ports = bench.open({ store: room.overflows ? "PO" : "P", cowSectors, room });
  return { bench, ports };
}

/** Whole chunks, one token each, of the same number. */
function writeChunks(bench: CoreBench, ...chunks: readonly number[]): void {
  for (const chunk of chunks) {
    bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Whole);
    if (bench.granted.has(chunk)) bench.core.written(0, chunk, 0);
  }
}

/** Writes of the origin, one token each: 100 + chunk. */
function keepChunk(bench: CoreBench, chunk: number): void {
  bench.core.needOrigin(100 + chunk, 8 * chunk, 8);
}

/** What has been told of it, timers and grants aside. */
function told(bench: CoreBench): readonly string[] {
  return bench.take().filter((line) => /^(want|notice|release|register|header)/.test(line));
}

describe("a store that grows by itself (E-47)", () => {
  test("room is asked for once, when so many percent are allocated", () => {
    const { bench } = open({ ...GROWS, growAt: 75 }, 80);
    // Of 10 chunks 2 are header and area.
    writeChunks(bench, 0, 1, 2, 3, 4);
    expect(told(bench)).not.toContain("want room 0");
    writeChunks(bench, 5);
    expect(told(bench)).toContain("want room 0");
    writeChunks(bench, 6);
    expect(told(bench)).not.toContain("want room 0");
  });

  test("who finds no room waits for it, the snapshot's write and the origin's, and both look again", () => {
    const { bench, ports } = open(GROWS);
    writeChunks(bench, 0, 1, 2);
    bench.take();
    writeChunks(bench, 3);
    keepChunk(bench, 4);
    expect(told(bench)).toEqual(["want room 0"]);
    expect(bench.core.status(0)).toMatchObject({ stalled: 2, counters: { stalls: 0 } });
    expect(bench.core.grow(0, 80)).toBe(0);
    expect(told(bench)).toEqual(["release 3 0", "release 104 0"]);
    expect([ports.state, bench.core.status(0).stalled]).toEqual([SnapshotState.Active, 0]);
    expect(bench.core.status(0).counters.growths).toBe(1);
  });

  test("growth that is not enough is asked for again, as often as it takes", () => {
    const { bench } = open(GROWS);
    writeChunks(bench, 0, 1, 2, 3);
    bench.take();
    for (const sectors of [41, 44, 47]) {
      bench.core.grow(0, sectors);
      expect(told(bench)).toEqual(["want room 0"]);
    }
    bench.core.grow(0, 48);
    expect(told(bench)).toEqual(["release 3 0", "want room 0"]);
  });

  test("it is refused: Invalid, when what is visible is saved; the writes get ENOSPC, the origin goes on behind the header (E-8, E-15, S-70)", () => {
    const { bench, ports } = open(GROWS);
    writeChunks(bench, 0, 1, 2, 3);
    keepChunk(bench, 4);
    bench.core.room(0, { kind: "refused" });
    expect([bench.released.get(3), bench.released.get(104)]).toEqual([undefined, undefined]);
    expect(bench.metadataDone().kind).toBe("commit");
    expect(bench.metadataDone().kind).toBe("header");
    expect([bench.released.get(3), bench.released.get(104), ports.state]).toEqual([
      errno.ENOSPC,
      0,
      SnapshotState.Invalid,
    ]);
  });

  test("nobody waits when it is refused: nothing is lost, and who comes later has a try of its own", () => {
    const { bench, ports } = open(GROWS);
    writeChunks(bench, 0, 1, 2);
    bench.core.room(0, { kind: "refused" });
    bench.take();
    expect(ports.state).toBe(SnapshotState.Active);
    writeChunks(bench, 3);
    expect(told(bench)).toEqual(["want room 0"]);
    // It had been refused before anybody waited; it is asked for at once now, and nobody else asks.
    writeChunks(bench, 4);
    expect(told(bench)).toEqual([]);
  });

  test("a store PO whose growth is refused overflows, and goes on when it grows after all", () => {
    const { bench, ports } = open({ ...GROWS, overflows: true });
    writeChunks(bench, 0, 1, 2, 3);
    bench.core.room(0, { kind: "refused" });
    expect([bench.released.get(3), ports.state]).toEqual([errno.ENOSPC, SnapshotState.Overflow]);
    bench.core.grow(0, 80);
    expect(ports.state).toBe(SnapshotState.Active);
    writeChunks(bench, 4);
    expect(bench.released.get(4)).toBe(0);
  });

  test("a store PO for which an origin write waits turns Invalid where growth is refused (E-15)", () => {
    const { bench, ports } = open({ ...GROWS, overflows: true });
    writeChunks(bench, 0, 1, 2, 3);
    keepChunk(bench, 4);
    bench.core.room(0, { kind: "refused" });
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.get(3), bench.released.get(104)]).toEqual([errno.ENOSPC, 0]);
    expect(ports.state).toBe(SnapshotState.Invalid);
  });

  test("where the table has no memory nobody waits for growth (S-48)", () => {
    const { bench, ports } = open(GROWS, 4096);
    ports.table.makeRoomFor = () => false;
    writeChunks(bench, 0);
    expect(told(bench)).not.toContain("want room 0");
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.get(0), ports.state]).toEqual([errno.ENOSPC, SnapshotState.Invalid]);
  });

  test("chunks in reserve come back first (S-46), and only then does anybody wait for growth", () => {
    const { bench, ports } = open(GROWS, 8 * 40);
    const reserved = bench.core.reserve(0, 1);
    expect(reserved).toHaveLength(1);
    const chunks = Array.from({ length: 37 }, (_, i) => i);
    writeChunks(bench, ...chunks);
    bench.take();
    ports.writeGate.count = 1;
    writeChunks(bench, 50);
    expect(told(bench)).toEqual([]);
    ports.writeGate.count = 0;
    bench.core.gateDrained(2);
    expect(told(bench)).toEqual(["release 50 0"]);
    writeChunks(bench, 51, 52);
    expect([bench.released.get(51), bench.released.get(52)]).toEqual([0, undefined]);
    expect(told(bench)).toContain("want room 0");
  });

  test("a claim without a slot looks again, and waits without its chunk (S-42)", () => {
    const bench = new CoreBench(800);
    // Area 0 has 30 of 31 slots in use, and the next area does not lie on the device.
    const exceptions = Array.from({ length: 31 }, (_, i) => [i, 2 + i] as const);
    bench.open({ chunk: 1, cowSectors: 34, exceptions, room: GROWS });
    bench.core.claim(1, 0, 60, 33, 0);
    expect(bench.released.get(1)).toBe(errno.EAGAIN);
    bench.core.needChunk(2, 0, 60, ChunkNeed.Whole);
    expect(bench.released.has(2)).toBe(false);
    bench.core.grow(0, 40);
    expect(bench.released.get(2)).toBe(0);
  });

  test("a snapshot that is nearly full when it is opened asks at once", () => {
    const bench = new CoreBench(800);
    const exceptions = [0, 1, 2].map((chunk) => [chunk, 2 + chunk] as const);
    bench.open({ cowSectors: SMALL, exceptions, room: GROWS });
    expect(bench.wants).toEqual([0]);
    bench.core.grow(0, 80);
    writeChunks(bench, 7);
    expect([bench.released.get(7), bench.wants]).toEqual([0, [0]]);
  });
});

describe("a store that stalls (E-48)", () => {
  test("who needs room waits, and others go on: a chunk that has its exception, a flush, another snapshot", () => {
    const { bench } = open(STALLS);
    bench.open();
    writeChunks(bench, 0, 1, 2, 3);
    expect(told(bench)).toContain("notice 0 stalled");
    keepChunk(bench, 0);
    bench.core.needDurable(50, 0, 3);
    bench.core.needChunk(51, 1, 9, ChunkNeed.Whole);
    expect(bench.granted.get(51)).toBe(3);
    while (bench.copies.length > 0) bench.copied();
    while (bench.metadataJobs.length > 0)
      for (const { snapshot } of [...bench.metadataJobs]) bench.metadataDone(snapshot);
    expect([bench.released.get(50), bench.released.get(100)]).toEqual([0, 0]);
    expect(bench.released.has(3)).toBe(false);
    expect(bench.core.status(0)).toMatchObject({ stalled: 1, counters: { stalls: 1 } });
  });

  test("it is told once, however many wait, and that it is over", () => {
    const { bench } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3, 4);
    keepChunk(bench, 5);
    expect(told(bench).filter((line) => line === "notice 0 stalled")).toHaveLength(1);
    bench.core.grow(0, 4096);
    expect(told(bench)).toEqual(["notice 0 resumed", "release 3 0", "release 4 0", "release 105 0"]);
  });

  test("its time is over: Invalid with a store P", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    keepChunk(bench, 4);
    bench.core.room(0, { kind: "stallOver" });
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.get(3), bench.released.get(104)]).toEqual([errno.ENOSPC, 0]);
    expect(ports.state).toBe(SnapshotState.Invalid);
  });

  test("its time is over: a store PO overflows where only its own writes wait", () => {
    const { bench, ports } = open({ ...STALLS, overflows: true });
    writeChunks(bench, 0, 1, 2, 3);
    bench.core.room(0, { kind: "stallOver" });
    expect([bench.released.get(3), ports.state]).toEqual([errno.ENOSPC, SnapshotState.Overflow]);
    // An origin write has a time of its own.
    keepChunk(bench, 4);
    expect(bench.released.has(104)).toBe(false);
    bench.core.room(0, { kind: "stallOver" });
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.get(104), ports.state]).toEqual([0, SnapshotState.Invalid]);
  });

  test("that its time is over means nothing when it has room again", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    bench.core.grow(0, 4096);
    bench.core.room(0, { kind: "stallOver" });
    expect([bench.released.get(3), ports.state]).toEqual([0, SnapshotState.Active]);
  });

  test("it grows by itself, and growth is refused: it stalls, and is not asked again by each that comes", () => {
    const { bench } = open({ ...STALLS, growAt: 80 });
    writeChunks(bench, 0, 1, 2, 3);
    bench.take();
    bench.core.room(0, { kind: "refused" });
    expect(told(bench)).toEqual(["notice 0 stalled"]);
    writeChunks(bench, 4);
    keepChunk(bench, 5);
    expect(told(bench)).toEqual([]);
    // The shell's own next try.
    bench.core.grow(0, 4096);
    expect(told(bench)).toEqual(["notice 0 resumed", "release 3 0", "release 4 0", "release 105 0"]);
  });

  test("a drop releases who waits", () => {
    const { bench } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    keepChunk(bench, 4);
    const drop = bench.operation((operation) => bench.core.dropSnapshot(operation, 0));
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.has(3), bench.released.get(104), bench.finishedWith.get(drop)]).toEqual([true, 0, 0]);
    expect(bench.released.get(3)).not.toBe(0);
  });

  test("a failure of its device releases who waits", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1);
    bench.core.needChunk(2, 0, 2, ChunkNeed.Whole);
    writeChunks(bench, 3);
    keepChunk(bench, 4);
    bench.core.written(0, 2, errno.EIO);
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.has(3), bench.released.get(104)]).toEqual([true, 0]);
    expect(ports.state).toBe(SnapshotState.Invalid);
  });

  test("a merge that starts sends who waits away to look again: what merges needs no room", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    keepChunk(bench, 4);
    bench.operation((operation) => bench.core.mergeStart(operation, 0));
    expect([bench.released.get(3), bench.released.get(104)]).toEqual([0, 0]);
    bench.core.needChunk(5, 0, 3, ChunkNeed.Whole);
    while (ports.state !== SnapshotState.Merging) bench.metadataDone();
    expect(bench.released.get(5)).toBe(0);
  });

  test("a close refuses it to those who wait, and to those who come; the snapshot stays", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    keepChunk(bench, 4);
    bench.core.endStalls();
    writeChunks(bench, 5);
    keepChunk(bench, 6);
    expect([3, 104, 5, 106].map((token) => bench.released.get(token))).toEqual(Array(4).fill(errno.ENOSPC));
    const close = bench.operation((operation) => bench.core.close(operation));
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.finishedWith.get(close), ports.state]).toEqual([0, SnapshotState.Active]);
  });
});

describe("a merge that waits for room in another snapshot", () => {
  function merging(): { readonly bench: CoreBench; readonly merge: number } {
    const bench = new CoreBench(800);
    bench.open({ exceptions: [[10, 2]] });
    bench.open({ cowSectors: SMALL, exceptions: [0, 1, 2].map((chunk) => [chunk, 2 + chunk] as const), room: STALLS });
    const merge = bench.operation((operation) => bench.core.mergeStart(operation, 0));
    expect(bench.core.status(1).stalled).toBe(1);
    return { bench, merge };
  }

  test("goes on when there is some", () => {
    const { bench, merge } = merging();
    bench.core.grow(1, 4096);
    for (let i = 0; i < 20; i++) {
      while (bench.copies.length > 0) bench.copied();
      for (const { snapshot } of [...bench.metadataJobs]) bench.metadataDone(snapshot);
    }
    expect(bench.finishedWith.get(merge)).toBe(0);
  });

  test("can be stopped: nothing of its step has happened", () => {
    const { bench, merge } = merging();
    const stop = bench.operation((operation) => bench.core.mergeStop(operation, 0));
    expect([bench.finishedWith.get(merge), bench.finishedWith.get(stop)]).toEqual([errno.ECANCELED, 0]);
    expect(bench.ports[0]!.table.count()).toBe(1);
    // What it had asked for comes too late for anybody, and is all right.
    bench.core.grow(1, 4096);
    expect(bench.core.waiting).toBe(0);
  });

  test("does not keep a close waiting, and has overwritten nothing", () => {
    const { bench, merge } = merging();
    bench.core.endStalls();
    const close = bench.operation((operation) => bench.core.close(operation));
    while (bench.metadataJobs.length > 0)
      for (const { snapshot } of [...bench.metadataJobs]) bench.metadataDone(snapshot);
    expect([bench.finishedWith.get(merge), bench.finishedWith.get(close)]).toEqual([errno.ECANCELED, 0]);
    expect([bench.copies, bench.ports[0]!.table.count()]).toEqual([[], 1]);
  });
});

describe("the policy of an open snapshot changes at once", () => {
  test("it is to invalidate: who waits has its end", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    bench.core.room(0, { kind: "policy", policy: { growAt: 0, overflows: false, stalls: false } });
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    expect([bench.released.get(3), ports.state]).toEqual([errno.ENOSPC, SnapshotState.Invalid]);
  });

  test("it is to overflow: who waits has its end, and it stays", () => {
    const { bench, ports } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    bench.core.room(0, { kind: "policy", policy: { growAt: 0, overflows: true, stalls: false } });
    expect([bench.released.get(3), ports.state]).toEqual([errno.ENOSPC, SnapshotState.Overflow]);
  });

  test("it is to grow: room is asked for, for those who wait", () => {
    const { bench } = open(STALLS);
    writeChunks(bench, 0, 1, 2, 3);
    bench.take();
    bench.core.room(0, { kind: "policy", policy: { ...STALLS, growAt: 50 } });
    expect(told(bench)).toEqual(["want room 0"]);
    bench.core.room(0, { kind: "refused" });
    expect(bench.released.has(3)).toBe(false);
  });

  test("it overflows, and is to stall: its writes wait from now on", () => {
    const { bench, ports } = open({ growAt: 0, overflows: true, stalls: false });
    writeChunks(bench, 0, 1, 2, 3);
    expect(ports.state).toBe(SnapshotState.Overflow);
    bench.core.room(0, { kind: "policy", policy: { growAt: 0, overflows: true, stalls: true } });
    expect(ports.state).toBe(SnapshotState.Active);
    writeChunks(bench, 4);
    expect(bench.released.has(4)).toBe(false);
  });

  test("what is said of a snapshot that is gone means nothing (C-19)", () => {
    const { bench } = open(STALLS);
    bench.operation((operation) => bench.core.dropSnapshot(operation, 0));
    while (bench.metadataJobs.length > 0) bench.metadataDone();
    for (const kind of ["refused", "stallOver"] as const) bench.core.room(0, { kind });
    expect(bench.core.snapshots()).toEqual([]);
  });
});

describe("levels (E-49)", () => {
  function leveled(cowSectors: number): CoreBench {
    const bench = new CoreBench(8000);
    bench.levels = true;
    bench.open({ cowSectors });
    return bench;
  }

  const levels = (bench: CoreBench): readonly string[] => bench.take().filter((line) => line.startsWith("level"));

  test("each is told once on the way up, in its order", () => {
    const bench = leveled(8 * 100);
    const seen: [number, string][] = [];
    for (let chunk = 0; chunk < 96; chunk++) {
      writeChunks(bench, chunk);
      for (const line of levels(bench)) seen.push([3 + chunk, line]);
    }
    expect(seen).toEqual([
      [70, "level 0 70 up"],
      [80, "level 0 80 up"],
      [90, "level 0 90 up"],
      [95, "level 0 95 up"],
    ]);
  });

  test("on the way down two points below, so that growth by little does not make it flutter", () => {
    const bench = leveled(8 * 100);
    for (let chunk = 0; chunk < 94; chunk++) writeChunks(bench, chunk);
    bench.take();
    // 96 of 101 chunks are 95.05 %, of 103 they are 93.2 %, of 104 92.3 %.
    for (const [chunks, told] of [
      [101, []],
      [103, []],
      [104, ["level 0 95 down"]],
      [103, []],
      [101, ["level 0 95 up"]],
      [200, ["level 0 95 down", "level 0 90 down", "level 0 80 down", "level 0 70 down"]],
    ] as const) {
      bench.core.grow(0, 8 * chunks);
      expect(levels(bench), String(chunks)).toEqual(told);
    }
  });

  test("what is allocated when it is opened is not told, and chunks in reserve are not allocated", () => {
    const bench = new CoreBench(8000);
    bench.levels = true;
    const exceptions = Array.from({ length: 75 }, (_, i) => [i, 2 + i] as const);
    bench.open({ cowSectors: 800, exceptions });
    expect(bench.core.reserve(0, 1)).toHaveLength(1);
    writeChunks(bench, 80, 81);
    expect(levels(bench)).toEqual([]);
    writeChunks(bench, 82);
    expect(levels(bench)).toEqual(["level 0 80 up"]);
  });

  test("what a merge has taken away comes back, and is told when the origin is handed back", () => {
    const bench = leveled(80);
    writeChunks(bench, 0, 1, 2, 3, 4, 5);
    expect(levels(bench)).toEqual(["level 0 70 up", "level 0 80 up"]);
    bench.operation((operation) => bench.core.mergeStart(operation, 0));
    for (let i = 0; i < 30; i++) {
      while (bench.copies.length > 0) bench.copied();
      for (const { snapshot } of [...bench.metadataJobs]) bench.metadataDone(snapshot);
    }
    expect(levels(bench)).toEqual([]);
    bench.operation((operation) => bench.core.mergeStop(operation, 0));
    expect(levels(bench)).toEqual(["level 0 80 down", "level 0 70 down"]);
  });
});
