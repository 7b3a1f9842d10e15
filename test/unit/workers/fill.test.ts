/**
 * The record of the chunk that a piece puts together, and that of a reserved chunk which it holds.
 */
import { describe, expect, it } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { Claim } from "../../../workers/export/claim.ts";
import { ChunkHolds, Fill } from "../../../workers/export/fill.ts";
import type { ServedSnapshot } from "../../../workers/export/served-snapshot.ts";
import { ExportBench } from "../../support/export-bench.ts";

const CHUNK = 16384;

function viewed(): ServedSnapshot {
  const bench = new ExportBench({ chunkBytes: CHUNK });
  bench.addSnapshot();
  return bench.served.snapshot(0);
}

describe("a fill", () => {
  it("is of one chunk, begun once, ended once, and without a slot at both ends", () => {
    const fill = new Fill();
    const snapshot = viewed();
    expect(fill.isUnderWay).toBe(false);
    expect(() => fill.snapshot).toThrow("without a chunk");
    fill.begin(snapshot, ChunkHolds.OldData);
    expect([fill.isUnderWay, fill.snapshot, fill.holds]).toEqual([true, snapshot, ChunkHolds.OldData]);
    expect(() => fill.begin(snapshot, ChunkHolds.Write)).toThrow("a chunk already");
    fill.slot = 0;
    expect(() => fill.end()).toThrow("outlived its chunk");
    fill.slot = -1;
    fill.end();
    expect(fill.isUnderWay).toBe(false);
    expect(() => fill.end()).toThrow("done with twice");
    fill.slot = 0;
    expect(() => fill.begin(snapshot, ChunkHolds.Write)).toThrow("of the last chunk was kept");
  });

  it("stands inside of its chunk, from the first byte to the last that exists", () => {
    const fill = new Fill();
    fill.place(CHUNK, CHUNK, 0, 0, 0);
    fill.place(CHUNK, CHUNK, CHUNK - 1, CHUNK, CHUNK);
    fill.place(3 * CHUNK, 512, 100, 0, 512);
    expect([fill.at, fill.bytes, fill.within, fill.from, fill.to]).toEqual([3 * CHUNK, 512, 100, 0, 512]);
    expect(() => fill.place(0, 0, 0, 0, 0)).toThrow("outside of its chunk");
    expect(() => fill.place(0, 512, -1, 0, 0)).toThrow("outside of its chunk");
    expect(() => fill.place(0, 512, 512, 0, 0)).toThrow("outside of its chunk");
    expect(() => fill.place(0, 512, 0, -1, 0)).toThrow("no bytes there");
    expect(() => fill.place(0, 512, 0, 513, 0)).toThrow("no bytes there");
    expect(() => fill.place(0, 512, 0, 0, -1)).toThrow("no bytes there");
  });

  it("is put together in no way before somebody says in which", () => {
    expect([new Fill().how, ChunkNeed.Copy]).toEqual([0, 0]);
  });
});

describe("a claim", () => {
  it("is of a chunk that is one, the first one too, and names it while it is held", () => {
    const claim = new Claim();
    expect([claim.isHeld, claim.may]).toEqual([false, true]);
    expect(() => claim.chunk).toThrow("a claim of no chunk");
    expect(() => claim.begin(-1, 0)).toThrow("a chunk that is none");
    claim.begin(0, 3);
    expect([claim.isHeld, claim.chunk, claim.epoch]).toEqual([true, 0, 3]);
    claim.end();
    expect(claim.isHeld).toBe(false);
  });
});
