/** The words of the table by their bits, and what asks for a place outside of it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TABLE_CHUNKS_MAX, TABLE_NEW_CHUNKS_MAX } from "../../../src/base/constants.ts";
import { EntryState } from "../../../src/base/states.ts";
import { lowWord } from "../../../src/base/u64.ts";
import * as layout from "../../../src/table/table-layout.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const { Visible, Settled } = EntryState;

function make(originChunks: number): { writer: TableWriter; reader: TableReader; memory: SharedArrayBuffer } {
  const memory = layout.createTable({ originChunks });
  return { writer: new TableWriter(memory), reader: new TableReader(memory), memory };
}

describe("the words of a leaf", () => {
  test("a header has its four values, each in bits of its own", () => {
    const byte = fc.nat(255);
    fc.assert(
      fc.property(fc.boolean(), byte, byte, fc.nat(127), (direct, used, sorted, capacity) => {
        const header = layout.packHeader(direct, used, sorted, capacity);
        expect([layout.isDirect(header), layout.usedOf(header), layout.sortedOf(header)]).toEqual([
          direct,
          used,
          sorted,
        ]);
        expect(layout.capacityOf(header)).toBe(capacity);
      }),
    );
  });

  test("an entry has state, offset, length and 46 bits of its new chunk", () => {
    const newChunk = fc.oneof(
      fc.nat(2 ** 31),
      fc.maxSafeNat().map((n) => n % TABLE_NEW_CHUNKS_MAX),
    );
    fc.assert(
      fc.property(
        fc.nat(3),
        fc.nat(255),
        fc.integer({ min: 1, max: 256 }),
        newChunk,
        (state, offset, length, chunk) => {
          const b = new Int32Array([layout.packEntry(state, offset, length, chunk)])[0]!;
          const got = [
            layout.stateBits(b),
            layout.offsetOf(b),
            layout.restOf(b),
            layout.newChunkFrom(lowWord(chunk), b),
          ];
          expect(got).toEqual([state, offset, length - 1, chunk]);
          expect(layout.isLive(b)).toBe(state === Visible || state === Settled);
        },
      ),
    );
  });

  test("a live entry covers its own offsets and no other, one that was removed covers none", () => {
    for (const state of [Visible, Settled, layout.REMOVED]) {
      const b = layout.packEntry(state, 10, 3, 77);
      const covered = Array.from({ length: 256 }, (_, offset) => offset).filter((offset) => layout.covers(b, offset));
      expect(covered).toEqual(state === layout.REMOVED ? [] : [10, 11, 12]);
    }
  });

  test("sizes of lists are as many as entries need, and blocks of whole units", () => {
    expect(layout.LIST_CAPACITIES.at(-1)).toBe(layout.LIST_CAPACITY_MAX);
    for (const capacity of layout.LIST_CAPACITIES) expect((2 * capacity + 2) % 4).toBe(0);
    expect(layout.DIRECT_LEAF_WORDS).toBe(513);
  });
});

describe("the memory of a table", () => {
  test("has a directory of one word for 256 chunks, then leaves", () => {
    const words = new Int32Array(layout.createTable({ originChunks: 257 }));
    expect(words[layout.MAGIC_WORD]).toBe(layout.TABLE_MAGIC);
    expect(words[layout.GROUPS_WORD]).toBe(2);
    expect(words[layout.HEAP_WORD]).toBe(32);
    expect(words.length).toBe(32 + layout.LEAF_REACH);
    const many = new Int32Array(layout.createTable({ originChunks: 256 * 17 }));
    expect([many[layout.GROUPS_WORD], many[layout.HEAP_WORD]]).toEqual([17, 48]);
  });

  test("is there for an origin of nothing, too, and for no origin of less", () => {
    expect(new Int32Array(layout.createTable({ originChunks: 0 }))[layout.GROUPS_WORD]).toBe(1);
    expect(() => layout.createTable({ originChunks: -1 })).toThrow("is not a size");
    expect(() => layout.createTable({ originChunks: 1.5 })).toThrow("is not a size");
  });

  test("may grow so far that every chunk finds room, however its leaves are replaced", () => {
    const memory = layout.createTable({ originChunks: 256 * 100 });
    expect(memory.maxByteLength).toBe((128 + 300 * layout.LEAF_REACH + 2 ** 20) * 4);
    expect(() => new TableReader(new SharedArrayBuffer(4096))).toThrow("is not an exception table");
    expect(() => new TableWriter(new SharedArrayBuffer(4096))).toThrow("is not an exception table");
  });
});

describe("a place outside of the table is a programmer's error", () => {
  test.each([
    [-1, 1],
    [0, 0],
    [512, 1],
    [0, 513],
    [511, 2],
  ])("%i, %i chunks", (first, count) => {
    const { reader } = make(512);
    expect(() => reader.lookup(first, count)).toThrow("lookup outside of the origin");
    expect(() => reader.allSettled(first, count)).toThrow("lookup outside of the origin");
  });

  test("its last chunk is inside", () => {
    const { writer, reader } = make(512);
    writer.publish(511, 3, Settled);
    expect([reader.lookup(511), reader.allSettled(511, 1), reader.allSettled(0, 512)]).toEqual([Settled, true, false]);
    expect([reader.lookup(0, 512), reader.runLength]).toEqual([EntryState.None, 511]);
    expect(() => writer.stateOf(512)).toThrow("chunk outside of the origin");
    expect(() => writer.stateOf(-1)).toThrow("chunk outside of the origin");
    expect(writer.stateOf(511)).toBe(Settled);
  });

  test("what is no exception cannot be published, and nothing is said of one that is not there", () => {
    const { writer } = make(512);
    expect(() => writer.publish(1, 2, EntryState.None)).toThrow("publish without a state");
    expect(() => writer.publish(1, -1, Visible)).toThrow("new chunk does not fit");
    expect(() => writer.newChunkOf(1)).toThrow("chunk has no exception");
    expect(writer.count()).toBe(0);
    writer.publish(1, 0, Visible);
    expect([writer.newChunkOf(1), writer.count()]).toEqual([0, 1]);
  });
});

describe("every offset of a leaf of any kind", () => {
  /** Visible entries, each alone: new chunks have no neighbours. */
  function leafOf(offsets: readonly number[]): ReturnType<typeof make> {
    const table = make(512);
    for (const offset of offsets) table.writer.publish(256 + offset, 3 * offset + 5, Visible);
    return table;
  }

  test.each([
    ["few, ascending", [0, 1, 254, 255]],
    ["few, descending", [255, 130, 17, 0]],
    ["many of the lower half", Array.from({ length: 90 }, (_, i) => i)],
    ["many of the upper half", Array.from({ length: 90 }, (_, i) => 255 - i)],
    [
      "every third, in an order of its own",
      Array.from({ length: 86 }, (_, i) => (i * 3 * 29) % 258).filter((o) => o < 256),
    ],
    ["all but a few", Array.from({ length: 256 }, (_, i) => (i * 37) & 255).filter((o) => o % 50 !== 7)],
  ])("%s: is found where it is, and the run before it ends there", (_, offsets) => {
    const { writer, reader } = leafOf(offsets);
    const there = new Set(offsets);
    const check = (): void => {
      for (let offset = 0; offset < 256; offset++) {
        let next = offset;
        while (next < 256 && !there.has(next)) next++;
        const state = reader.lookup(256 + offset, 256 - offset);
        if (there.has(offset)) expect([offset, state, reader.newChunk]).toEqual([offset, Visible, 3 * offset + 5]);
        else expect([offset, state, reader.runLength]).toEqual([offset, EntryState.None, next - offset]);
      }
    };
    check();
    for (const offset of offsets.filter((_, i) => i % 3 === 1)) {
      writer.remove(256 + offset);
      there.delete(offset);
    }
    check();
    writer.verify();
  });
});

test("the largest origin has a directory that a table can hold", () => {
  const { writer } = make(TABLE_CHUNKS_MAX);
  expect(writer.memoryBytes()).toBe((16 + TABLE_CHUNKS_MAX / 256) * 4);
});
