import { describe, expect, it } from "vitest";
import { type Extent, GIB, KIB, type ListLoad } from "../../../bench/workload.ts";
import { WORKLOADS } from "../../../bench/workloads.ts";
import { writeList, writeOffsets } from "../../../bench/write-list.ts";

const EXTENT: Extent = { originBytes: 2 * GIB, seconds: 5, warmUpSeconds: 1, scale: 1 };
const lists = WORKLOADS.filter((w) => w.load.kind === "list").map((w) => [w.name, w.load as ListLoad] as const);

describe.each(lists)("the list of %s", (_, load) => {
  const measured = writeOffsets(load, "measured", EXTENT);
  const warmUp = writeOffsets(load, "warm-up", EXTENT);
  const unitOf = (offset: number): number => Math.floor(offset / load.strideBytes);

  it("hits every unit at most once, warm-up included", () => {
    const units = [...measured, ...warmUp].map(unitOf);
    expect(new Set(units).size).toBe(units.length);
    expect(measured).toHaveLength(load.count);
    expect(warmUp).toHaveLength(load.warmUpCount);
  });

  it("stays within the volume and within the unit, aligned to its block", () => {
    const fits = (offset: number): boolean =>
      offset % load.blockBytes === 0 &&
      unitOf(offset + load.blockBytes - 1) === unitOf(offset) &&
      offset + load.blockBytes <= EXTENT.originBytes;
    expect([...measured, ...warmUp].filter((offset) => !fits(offset))).toEqual([]);
  });

  it("is in no order", () => {
    const rising = measured.filter((offset, i) => i > 0 && offset > measured[i - 1]).length;
    expect(rising).toBeGreaterThan(0.4 * measured.length);
    expect(rising).toBeLessThan(0.6 * measured.length);
  });

  it("is the same each time", () => {
    expect(writeOffsets(load, "measured", EXTENT)).toEqual(measured);
  });
});

describe("first-touch lists", () => {
  const load: ListLoad = {
    kind: "list",
    count: 100,
    warmUpCount: 64,
    blockBytes: 4 * KIB,
    strideBytes: 64 * KIB,
    dense: false,
    flushEvery: 32,
  };

  it("are written as an iolog, with a flush after every so many writes", () => {
    const lines = writeList(load, "measured", EXTENT, "nbd").trimEnd().split("\n");
    expect(lines.slice(0, 3)).toEqual(["fio version 2 iolog", "nbd add", "nbd open"]);
    const operations = lines.slice(3).map((line) => line.split(" "));
    expect(operations.filter((o) => o[1] === "write")).toHaveLength(100);
    expect(operations.flatMap((o, i) => (o[1] === "sync" ? [i] : []))).toEqual([32, 65, 98]);
    expect(operations.filter((o) => o[1] === "write").every((o) => o[0] === "nbd" && o[3] === "4096")).toBe(true);
  });

  it("use every block of a unit, not only the first", () => {
    const offsets = writeOffsets({ ...load, count: 1000 }, "measured", EXTENT);
    expect(new Set(offsets.map((offset) => (offset % load.strideBytes) / load.blockBytes)).size).toBe(16);
  });

  it("of a dense region have no gap", () => {
    const dense = { ...load, blockBytes: 16 * KIB, strideBytes: 16 * KIB, dense: true };
    const offsets = writeOffsets(dense, "measured", EXTENT).sort((a, b) => a - b);
    expect(offsets).toEqual(Array.from({ length: 100 }, (_, i) => i * 16 * KIB));
  });

  it("are scaled, but never down to nothing", () => {
    expect(writeOffsets({ ...load, count: 1000 }, "measured", { ...EXTENT, scale: 0.5 })).toHaveLength(500);
    expect(writeOffsets(load, "measured", { ...EXTENT, scale: 0.001 })).toHaveLength(64);
  });

  it("refuse a volume that has too few units", () => {
    const small = { ...EXTENT, originBytes: 163 * 64 * KIB };
    expect(() => writeOffsets(load, "measured", small)).toThrow(/larger origin/);
  });
});
