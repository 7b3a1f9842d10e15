import { describe, expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

/** All old chunks below `chunks`, once each, in an order that jumps about. */
function scattered(count: number, chunks: number): Uint32Array {
  const step = (0x9e3779b1 % chunks) | 1;
  return Uint32Array.from({ length: count }, (_, i) => (i * step) % chunks);
}

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

  test("a million scattered exceptions are loaded, each where it belongs", () => {
    const count = 1_000_000;
    const chunks = 2 ** 23;
    const oldLow = scattered(count, chunks);
    const newLow = Uint32Array.from({ length: count }, (_, i) => 3 * i);
    const memory = createTable({ originChunks: chunks });
    const writer = new TableWriter(memory);
    expect(writer.loadSettled({ count, oldLow, newLow })).toBe(-1);
    const reader = new TableReader(memory);
    let wrong = 0;
    for (let i = 0; i < count; i++)
      if (reader.lookup(oldLow[i]) !== EntryState.Settled || reader.newChunk !== newLow[i]) wrong++;
    expect(wrong).toBe(0);
    expect(writer.count()).toBe(count);
  });

  test("scattered exceptions take at most 16 bytes each, loaded or published one by one", () => {
    // 4, 38 and 152 exceptions in each group: small lists, large lists, direct leaves.
    for (const density of [4 / 256, 38 / 256, 152 / 256]) {
      const chunks = 2 ** (density < 0.1 ? 23 : 20);
      const count = Math.floor(chunks * density);
      const oldLow = scattered(count, chunks);
      const newLow = Uint32Array.from({ length: count }, (_, i) => 3 * i);
      const loaded = new TableWriter(createTable({ originChunks: chunks }));
      expect(loaded.loadSettled({ count, oldLow, newLow })).toBe(-1);
      const published = new TableWriter(createTable({ originChunks: chunks }));
      for (let i = 0; i < count; i++) published.publish(oldLow[i], newLow[i], EntryState.Visible);
      expect(loaded.memoryBytes() / count).toBeLessThanOrEqual(16);
      expect(published.memoryBytes() / count).toBeLessThanOrEqual(16);
      loaded.verify();
      published.verify();
    }
  });

  test("runs take next to nothing: one entry for 256 chunks", () => {
    const count = 250_000;
    const oldLow = Uint32Array.from({ length: count }, (_, i) => i);
    const newLow = Uint32Array.from({ length: count }, (_, i) => i + 2);
    const loaded = new TableWriter(createTable({ originChunks: count }));
    loaded.loadSettled({ count, oldLow, newLow });
    expect(loaded.memoryBytes() / count).toBeLessThan(0.2);
    const published = new TableWriter(createTable({ originChunks: count }));
    for (let i = 0; i < count; i++) published.publish(i, i + 2, EntryState.Visible);
    for (let i = 0; i < count; i++) published.settle(i);
    published.verify();
    expect([...published.runs()]).toEqual([{ oldChunk: 0, newChunk: 2, count, settled: true }]);
    // Direct leaves while the exceptions were visible; what they took is free again, and there for the next ones.
    const bytes = published.memoryBytes();
    expect(bytes / count).toBeLessThanOrEqual(16);
  });
});
