/** Exceptions of a store that is handled as a whole: as a map, and as runs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExceptionMap } from "../../../src/offline/exception-map.ts";
import { type ExceptionRun, foldRuns } from "../../../src/offline/exception-runs.ts";

describe("the map", () => {
  it("is one of numbers, from the first chunk to the last page's end and beyond 32 bits", () => {
    const map = new ExceptionMap();
    const chunks = [0, 1, 1023, 1024, 2047, 2 ** 32 + 5, 2 ** 40];
    chunks.forEach((chunk, i) => map.set(chunk, 10 + i));
    expect(chunks.map((chunk) => map.get(chunk))).toEqual(chunks.map((_, i) => 10 + i));
    expect([2, 1025, 5, 2 ** 32 + 6].map((chunk) => map.get(chunk))).toEqual([0, 0, 0, 0]);
    expect(map.count).toBe(7);
    map.remove(1024);
    expect([map.get(1024), map.get(2047), map.count]).toEqual([0, 14, 6]);
    map.set(1024, 99);
    expect([map.get(1024), map.count]).toEqual([99, 7]);
  });

  it("has one exception for a chunk, none that names the header, and none to remove where there is none", () => {
    const map = new ExceptionMap();
    map.set(5, 6);
    expect(() => map.set(5, 7)).toThrow("an old chunk has one exception");
    expect(() => map.set(6, 0)).toThrow();
    expect(() => map.remove(6)).toThrow("the exception is there");
    expect(() => map.remove(5000)).toThrow("the exception is there");
    expect([map.get(5), map.count]).toEqual([6, 1]);
  });
});

describe("runs", () => {
  function runsOf(pairs: readonly (readonly [number, number])[]): readonly (readonly [number, number, number])[] {
    const found: ExceptionRun[] = [];
    const { sink, end } = foldRuns((run) => void found.push(run));
    for (const [oldChunk, newChunk] of pairs) sink(oldChunk, newChunk);
    end();
    end();
    return found.map(({ oldChunk, newChunk, count }) => [oldChunk, newChunk, count]);
  }

  it("are of neighbours in both, in the order of the list", () => {
    expect(runsOf([])).toEqual([]);
    expect(runsOf([[5, 6]])).toEqual([[5, 6, 1]]);
    const pairs: [number, number][] = [
      [0, 2],
      [1, 3],
      [2, 4],
      [3, 6],
      [4, 7],
      [9, 8],
      [8, 9],
    ];
    expect(runsOf(pairs)).toEqual([
      [0, 2, 3],
      [3, 6, 2],
      [9, 8, 1],
      [8, 9, 1],
    ]);
  });

  it("give every exception back, and no two of them could be one", () => {
    const pair = fc.tuple(fc.nat(6), fc.nat(6));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 30 }), (pairs) => {
        const runs = runsOf(pairs);
        const all = runs.flatMap(([o, n, count]) => Array.from({ length: count }, (_, i) => [o + i, n + i]));
        expect(all).toEqual(pairs);
        runs.slice(1).forEach(([o, n], i) => {
          const [before, target, count] = runs[i]!;
          expect(o === before + count && n === target + count).toBe(false);
        });
      }),
    );
  });
});
