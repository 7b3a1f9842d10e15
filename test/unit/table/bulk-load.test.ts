import { describe, expect, test } from "vitest";
import { TABLE_NEW_CHUNKS_MAX } from "../../../src/base/constants.ts";
import { EntryState } from "../../../src/base/states.ts";
import { createTable, LIST_CAPACITIES } from "../../../src/table/table-layout.ts";
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

  test("exceptions are ordered although their high words alone fall (S-38)", () => {
    const writer = new TableWriter(createTable({ originChunks: 2 ** 34 }));
    const old = [2 ** 32 + 1, 2 ** 33, 2 ** 32 + 2];
    const columns = { oldLow: Uint32Array.from(old, (chunk) => chunk % 2 ** 32), newLow: Uint32Array.of(1, 2, 3) };
    const oldHigh = Uint16Array.from(old, (chunk) => Math.floor(chunk / 2 ** 32));
    expect(writer.loadSettled({ count: 3, ...columns, oldHigh })).toBe(-1);
    expect(old.map((chunk) => writer.newChunkOf(chunk))).toEqual([1, 2, 3]);
    writer.verify();
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

  describe.each([256, 512, 2 ** 19, 2 ** 20, 2 ** 31 + 256, 2 ** 32, 2 ** 33, 2 ** 36])(
    "of an origin of %i chunks",
    (chunks) => {
      /** Every group that a digit tells from another, from the first to the last, and 60 chunks of one group; in no order. */
      const old = new Set([0, 255, chunks - 1, chunks - 256]);
      for (let step = 256; step < chunks; step *= 2)
        for (const chunk of [step, step + 3, chunks - step]) old.add(chunk);
      for (let i = 0; i < 60; i++) old.add(((i * 37) & 255) + Math.floor(chunks / 512) * 256);
      const shuffled = [...old].sort((a, b) => ((a * 7919) % 10007) - ((b * 7919) % 10007) || a - b);
      const newOf = (i: number): number => (i * 0x1_0000_0001 * 5) % TABLE_NEW_CHUNKS_MAX;

      test.each([
        ["ascending", [...old].sort((a, b) => a - b)],
        ["descending", [...old].sort((a, b) => b - a)],
        ["in no order", shuffled],
      ])("%s: each exception is where it belongs", (_, list) => {
        const low = (n: number): number => n % 2 ** 32;
        const high = (n: number): number => Math.floor(n / 2 ** 32);
        const oldHigh = chunks > 2 ** 32 ? Uint16Array.from(list, high) : undefined;
        const pairs = Uint32Array.from(list.flatMap((chunk, i) => [low(chunk), low(newOf(i))]));
        const newHigh = Uint16Array.from(list, (_chunk, i) => high(newOf(i)));
        const columns = {
          oldLow: Uint32Array.from(list, low),
          newLow: Uint32Array.from(list, (_chunk, i) => low(newOf(i))),
        };
        for (const words of [columns, { pairs, scratch: new Uint32Array(pairs.length) }]) {
          const writer = new TableWriter(createTable({ originChunks: chunks }));
          expect(writer.loadSettled({ count: list.length, ...words, oldHigh, newHigh })).toBe(-1);
          expect(list.map((chunk) => writer.newChunkOf(chunk))).toEqual(list.map((_chunk, i) => newOf(i)));
          expect(writer.count()).toBe(list.length);
          const loaded = [...writer.runs()].flatMap((run) =>
            Array.from({ length: run.count }, (_run, i) => run.oldChunk + i),
          );
          expect(loaded).toEqual([...list].sort((a, b) => a - b));
          writer.verify();
        }
      });
    },
  );

  test.each([1, 2, 23, 24, 25, 26, 127, 128, 256])(
    "%i exceptions of one group are ordered by their places",
    (count) => {
      for (const gap of [1, 3]) {
        const offsets = Array.from({ length: count }, (_, i) => (i * 37) & 255);
        const memory = createTable({ originChunks: 1024 });
        const writer = new TableWriter(memory);
        const oldLow = Uint32Array.from(offsets, (offset) => 512 + offset);
        const newLow = Uint32Array.from(offsets, (offset) => 900 + gap * offset);
        expect(writer.loadSettled({ count, oldLow, newLow })).toBe(-1);
        const places = [...offsets].sort((a, b) => a - b);
        const folded = [...writer.runs()].flatMap((run) =>
          Array.from({ length: run.count }, (_, i) => run.oldChunk + i - 512),
        );
        expect(folded).toEqual(places);
        expect(offsets.map((offset) => writer.newChunkOf(512 + offset))).toEqual([...newLow]);
        const runs = gap === 1 ? places.filter((place, i) => i === 0 || places[i - 1] !== place - 1).length : count;
        const least = LIST_CAPACITIES.find((capacity) => capacity >= runs) ?? 256;
        expect(writer.memoryBytes()).toBe((32 + Math.ceil((2 * least + 2) / 4) * 4) * 4);
      }
    },
  );

  test("only new chunks with high words, or only old ones", () => {
    for (const oldHigh of [undefined, Uint16Array.of(1, 0, 1)]) {
      const writer = new TableWriter(createTable({ originChunks: 2 ** 34 }));
      const newHigh = oldHigh === undefined ? Uint16Array.of(0, 2 ** 14 - 1, 3) : undefined;
      const columns = { oldLow: Uint32Array.of(7, 5, 6), newLow: Uint32Array.of(2 ** 32 - 1, 20, 30) };
      expect(writer.loadSettled({ count: 3, ...columns, oldHigh, newHigh })).toBe(-1);
      const got = [7, 5, 6].map((chunk, i) => writer.newChunkOf(chunk + (oldHigh?.[i] ?? 0) * 2 ** 32));
      const expected = [2 ** 32 - 1, 20, 30].map((chunk, i) => chunk + (newHigh?.[i] ?? 0) * 2 ** 32);
      expect(got).toEqual(expected);
    }
  });

  test("a chunk outside of the origin, and one that no entry can name, are a programmer's errors", () => {
    const load = (oldLow: number, newHigh: number) => (): unknown => {
      const columns = { oldLow: Uint32Array.of(oldLow), newLow: Uint32Array.of(3), newHigh: Uint16Array.of(newHigh) };
      return new TableWriter(createTable({ originChunks: 512 })).loadSettled({ count: 1, ...columns });
    };
    expect(load(511, 2 ** 14 - 1)()).toBe(-1);
    expect(load(512, 0)).toThrow("old chunk outside of the origin");
    expect(load(511, 2 ** 14)).toThrow("new chunk does not fit a table entry");
  });

  test("a table is loaded once", () => {
    const writer = new TableWriter(createTable({ originChunks: 512 }));
    const columns = { count: 1, oldLow: Uint32Array.of(3), newLow: Uint32Array.of(3) };
    expect(writer.loadSettled(columns)).toBe(-1);
    expect(() => writer.loadSettled(columns)).toThrow("table is not empty");
  });
});
