/** Tables of many exceptions, and the memory that they take. Apart from the small ones, which look for mutants (test/mutants/folders.ts). */
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

describe("large tables", () => {
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
