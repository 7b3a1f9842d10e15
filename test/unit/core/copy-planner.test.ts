import { expect, test } from "vitest";
import { CopyPlanner } from "../../../src/core/copy-planner.ts";
import type { CoreContext } from "../../../src/core/context.ts";
import type { CopyJobs } from "../../../src/core/copy-jobs.ts";
import { PendingException } from "../../../src/core/pending-exception.ts";
import type { CopyTarget } from "../../../src/core/ports.ts";
import type { PendingException as Pending, Snapshot } from "../../../src/core/snapshot.ts";

interface Started {
  readonly sector: number;
  readonly sectors: number;
  readonly targets: readonly CopyTarget[];
  readonly chunks: readonly number[];
  readonly partTargets: readonly number[];
}

/** A planner, and what it starts. */
class Bench {
  readonly started: Started[] = [];
  readonly #planner: CopyPlanner;

  constructor({ copySectors = 2048, copyTargets = 8, originSectors = 10_000 }) {
    const options = { copyBytes: copySectors * 512, copyTargets };
    const jobs: Pick<CopyJobs, "startParts"> = {
      startParts: (sector, sectors, targets, parts, partTargets) => {
        const chunks = parts.map(({ oldChunk }) => oldChunk);
        this.started.push({
          sector,
          sectors,
          targets: structuredClone(targets),
          chunks,
          partTargets: [...partTargets],
        });
      },
    };
    this.#planner = new CopyPlanner({ options, originSectors } as CoreContext, jobs as CopyJobs);
  }

  /** Copies of exceptions [snapshot, old chunk, new chunk], planned together; each exception. */
  plan(...exceptions: readonly (readonly [Snapshot, number, number])[]): readonly Pending[] {
    const pendings = exceptions.map(([snapshot, oldChunk, newChunk]) => {
      const pending: Pending = new PendingException(snapshot);
      pending.oldChunk = oldChunk;
      pending.newChunk = newChunk;
      this.#planner.add(pending);
      return pending;
    });
    this.#planner.flush();
    return pendings;
  }

  get ranges(): readonly (readonly [number, number])[] {
    return this.started.map(({ sector, sectors }) => [sector, sectors]);
  }
}

function snapshot(device: number, chunkSectors = 8): Snapshot {
  const progress = { copies: 0, outstanding: 0 };
  return { device, geometry: { chunkSectors }, progress, counters: { copiedBytes: 0 } } as unknown as Snapshot;
}

test("chunks that come in any order are read in the order of the origin, those that touch at once (E-27)", () => {
  const bench = new Bench({});
  const a = snapshot(1);
  bench.plan([a, 1, 2], [a, 2, 3], [a, 9, 4], [a, 5, 5]);
  expect(bench.ranges).toEqual([
    [8, 16],
    [40, 8],
    [72, 8],
  ]);
  expect([a.progress.copies, a.progress.outstanding, a.counters.copiedBytes]).toEqual([4, 4, 4 * 4096]);
});

test("each plan begins anew: what was mixed before does not matter, and nothing is copied twice", () => {
  const bench = new Bench({});
  const a = snapshot(1);
  bench.plan([a, 4, 2], [a, 3, 3]);
  bench.plan([a, 7, 4]);
  bench.plan();
  expect(bench.ranges).toEqual([
    [24, 16],
    [56, 8],
  ]);
});

test("of two that begin at one place the larger is first, and both are targets of one copy (E-18)", () => {
  const bench = new Bench({});
  const [large, small] = [snapshot(1, 16), snapshot(2)];
  bench.plan([small, 6, 9], [small, 2, 5], [large, 1, 3], [small, 3, 7]);
  expect(bench.started.map(({ chunks }) => chunks)).toEqual([[1, 2, 3], [6]]);
  expect(bench.started[0]).toMatchObject({
    sector: 16,
    sectors: 16,
    targets: [
      { device: 1, sector: 48, offsetSectors: 0, sectors: 16 },
      { device: 2, sector: 40, offsetSectors: 0, sectors: 8 },
      { device: 2, sector: 56, offsetSectors: 8, sectors: 8 },
    ],
    partTargets: [0, 1, 2],
  });
});

test("a target grows only where both the origin and its own device go on, whoever else is copied (E-27)", () => {
  const bench = new Bench({});
  const [a, b] = [snapshot(1), snapshot(2)];
  bench.plan([a, 1, 5], [b, 1, 20], [a, 2, 6], [b, 2, 21]);
  expect(bench.started[0]!.targets).toEqual([
    { device: 1, sector: 40, offsetSectors: 0, sectors: 16 },
    { device: 2, sector: 160, offsetSectors: 0, sectors: 16 },
  ]);
  expect(bench.started[0]!.partTargets).toEqual([0, 1, 0, 1]);
  // Side by side on the device, but not on the origin, and the other way round.
  bench.plan([a, 1, 5], [b, 2, 20], [a, 3, 6]);
  bench.plan([a, 1, 5], [a, 2, 9]);
  expect(bench.started.slice(1).map(({ targets }) => targets.map(({ offsetSectors }) => offsetSectors))).toEqual([
    [0, 8, 16],
    [0, 8],
  ]);
});

test("copies are cut at multiples of the largest, wherever they begin, and each part counts once (E-27)", () => {
  const bench = new Bench({ copySectors: 16 });
  const a = snapshot(1);
  const parts = bench.plan([a, 3, 2], [a, 4, 3], [a, 5, 4], [a, 6, 5]).map(({ partsLeft }) => partsLeft);
  expect(bench.ranges).toEqual([
    [24, 8],
    [32, 16],
    [48, 8],
  ]);
  expect(parts).toEqual([1, 1, 1, 1]);
});

test("a chunk that is larger than a copy is copied in parts, at its places on its device", () => {
  const bench = new Bench({ copySectors: 16, originSectors: 70 });
  const a = snapshot(1, 32);
  const [, last] = bench.plan([a, 1, 4], [a, 2, 5]);
  expect(bench.started.map(({ sector, targets }) => [sector, targets[0]!.sector, targets[0]!.sectors])).toEqual([
    [32, 128, 16],
    [48, 144, 16],
    [64, 160, 6],
  ]);
  expect(last!.partsLeft).toBe(1);
  expect(a.counters.copiedBytes).toBe(38 * 512);
  expect(() => bench.plan([a, 3, 6])).toThrow("lies on the origin");
});

test("more targets than a copy may have take another one, which reads what they need and no more", () => {
  const bench = new Bench({ copyTargets: 2 });
  const a = snapshot(1);
  bench.plan([a, 1, 10], [a, 2, 20], [a, 3, 30]);
  expect(bench.started).toMatchObject([
    { sector: 8, sectors: 16, targets: [{ offsetSectors: 0 }, { offsetSectors: 8 }], chunks: [1, 2] },
    { sector: 24, sectors: 8, targets: [{ offsetSectors: 0, sector: 240, sectors: 8 }], chunks: [3] },
  ]);
});
