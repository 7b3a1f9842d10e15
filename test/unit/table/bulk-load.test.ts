import { describe, expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

describe("bulk load", () => {
  test("a duplicate old chunk is named and nothing is loaded (S-38)", () => {
    const writer = new TableWriter(createTable({ originChunks: 2 ** 34 }));
    const columns = { count: 4, newLow: Uint32Array.of(1, 2, 3, 4) };
    expect(writer.loadSettled({ ...columns, oldLow: Uint32Array.of(9, 5, 700, 5) })).toBe(5);
    expect(writer.loadSettled({ ...columns, oldLow: Uint32Array.of(5, 6, 6, 700) })).toBe(6);
    const twice = { oldLow: Uint32Array.of(5, 7, 5, 5), oldHigh: Uint16Array.of(1, 0, 0, 1) };
    expect(writer.loadSettled({ ...columns, ...twice })).toBe(2 ** 32 + 5);
    expect(writer.count()).toBe(0);
    expect(writer.stateOf(5)).toBe(EntryState.None);
    expect(
      writer.loadSettled({ ...columns, oldLow: Uint32Array.of(5, 7, 5, 6), oldHigh: Uint16Array.of(1, 0, 0, 1) }),
    ).toBe(-1);
    expect(writer.count()).toBe(4);
  });

  test("nothing to load leaves the table empty", () => {
    const writer = new TableWriter(createTable({ originChunks: 10 }));
    expect(writer.loadSettled({ count: 0, oldLow: new Uint32Array(0), newLow: new Uint32Array(0) })).toBe(-1);
    expect(writer.count()).toBe(0);
  });

  test("only the first `count` places of the columns are taken, and the columns are not changed", () => {
    const writer = new TableWriter(createTable({ originChunks: 1000 }));
    const oldLow = Uint32Array.of(30, 20, 10, 5000);
    expect(writer.loadSettled({ count: 3, oldLow, newLow: Uint32Array.of(1, 2, 3, 4) })).toBe(-1);
    expect([...oldLow]).toEqual([30, 20, 10, 5000]);
    expect(writer.newChunkOf(10)).toBe(3);
    expect(writer.count()).toBe(3);
  });

  test("pairs are loaded as columns are, with and without high words", () => {
    const old = [30, 2 ** 33 + 7, 20, 10, 2 ** 33 + 5];
    const pairs = Uint32Array.from(old.flatMap((chunk, i) => [chunk % 2 ** 32, 100 - i]));
    const oldHigh = Uint16Array.from(old, (chunk) => Math.floor(chunk / 2 ** 32));
    const high = new TableWriter(createTable({ originChunks: 2 ** 34 }));
    expect(high.loadSettled({ count: 5, pairs, scratch: new Uint32Array(10), oldHigh })).toBe(-1);
    expect(old.map((chunk) => high.newChunkOf(chunk))).toEqual([100, 99, 98, 97, 96]);
    const low = new TableWriter(createTable({ originChunks: 1000 }));
    expect(low.loadSettled({ count: 3, pairs: Uint32Array.of(900, 1, 5, 2, 6, 3), scratch: new Uint32Array(6) })).toBe(
      -1,
    );
    expect([900, 5, 6].map((chunk) => low.newChunkOf(chunk))).toEqual([1, 2, 3]);
  });
});
