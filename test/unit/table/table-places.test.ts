/** Where the writer changes a leaf in place, and where it builds another: seen in the words that readers share. */
import { describe, expect, test } from "vitest";
import { TABLE_CHUNKS_MAX } from "../../../src/base/constants.ts";
import { EntryState } from "../../../src/base/states.ts";
import * as layout from "../../../src/table/table-layout.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const { None, Visible, Settled } = EntryState;
const REGION_CHUNKS = 4096 * 256;

interface Made {
  readonly writer: TableWriter;
  readonly memory: SharedArrayBuffer;
  /** The word index of a group's leaf. */
  readonly leaf: (group: number) => number;
  /** Entries that its header counts: all, and the sorted ones. */
  readonly entries: (group: number) => readonly [used: number, sorted: number];
}

function make(originChunks: number): Made {
  const memory = layout.createTable({ originChunks });
  const words = (): Int32Array => layout.viewOf(memory);
  const leaf = (group: number): number => words()[layout.DIRECTORY_WORD + group]!;
  const header = (group: number): number => words()[leaf(group)]!;
  const entries = (group: number): [number, number] => [layout.usedOf(header(group)), layout.sortedOf(header(group))];
  return { writer: new TableWriter(memory), memory, leaf, entries };
}

/** `count` chunks that lie side by side, in runs of equal length on the COW device. */
function publish(writer: TableWriter, count: number, runs: number, state: EntryState): void {
  for (let i = 0; i < count; i++) writer.publish(i, i + 10 * Math.floor((i * runs) / count), state);
}

describe("folding", () => {
  test.each([
    ["seven entries are too few to look at", 7, 1, 7],
    ["eight entries of one run", 8, 1, 1],
    ["eight entries of two runs are four times fewer", 8, 2, 2],
    ["nine entries of three runs are not", 9, 3, 9],
    ["twelve entries of three runs are", 12, 3, 3],
  ])("%s (C-24)", (_, count, runs, entries) => {
    const table = make(256);
    publish(table.writer, count, runs, Visible);
    const before = table.leaf(0);
    for (let i = 0; i < count - 1; i++) table.writer.settle(i);
    expect([table.leaf(0), table.entries(0)[0]]).toEqual([before, count]);
    table.writer.settle(count - 1);
    expect(table.entries(0)[0]).toBe(entries);
    expect(table.leaf(0) === before).toBe(entries === count);
    const after = table.leaf(0);
    table.writer.settle(0);
    expect(table.leaf(0)).toBe(after);
    for (let i = 0; i < count; i++) expect(table.writer.newChunkOf(i)).toBe(i + 10 * Math.floor((i * runs) / count));
    table.writer.verify();
  });

  test("a direct leaf becomes a run when its last chunk has settled", () => {
    const table = make(512);
    for (let i = 0; i < 256; i++) table.writer.publish(256 + ((i * 37) & 255), 900 + ((i * 37) & 255), Visible);
    expect(layout.isDirect(layout.viewOf(table.memory)[table.leaf(1)]!)).toBe(true);
    for (let i = 0; i < 255; i++) table.writer.settle(256 + i);
    expect(layout.isDirect(layout.viewOf(table.memory)[table.leaf(1)]!)).toBe(true);
    table.writer.settle(511);
    expect(table.entries(1)).toEqual([1, 1]);
    expect([...table.writer.runs()]).toEqual([{ oldChunk: 256, newChunk: 900, count: 256, settled: true }]);
  });
});

describe("what is published", () => {
  test("is added behind the entries that are there while there is room, else in a larger leaf", () => {
    const table = make(256);
    const seen: number[][] = [];
    for (const chunk of [50, 40, 30, 20, 10]) {
      table.writer.publish(chunk, chunk, Visible);
      seen.push([...table.entries(0)]);
    }
    expect(seen).toEqual([
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 4],
      [5, 4],
    ]);
    table.writer.verify();
  });

  test("takes the place of a direct leaf where none has been, and a new leaf where one was removed", () => {
    const table = make(256);
    for (let i = 0; i < 200; i++) table.writer.publish(i, 3 * i, Visible);
    const leaf = table.leaf(0);
    table.writer.publish(255, 4, Settled);
    expect([table.leaf(0), table.writer.newChunkOf(255), table.writer.stateOf(255)]).toEqual([leaf, 4, Settled]);
    table.writer.remove(255);
    expect([table.leaf(0), table.writer.stateOf(255)]).toEqual([leaf, None]);
    table.writer.publish(255, 5, Visible);
    expect(table.leaf(0)).not.toBe(leaf);
    expect([table.writer.newChunkOf(255), table.writer.stateOf(255), table.writer.count()]).toEqual([5, Visible, 201]);
  });
});

describe("what is removed (C-37)", () => {
  test("goes in place from the end of a run, and by another leaf from its beginning and middle", () => {
    const table = make(256);
    const columns = { oldLow: Uint32Array.of(10, 11, 12, 13, 14), newLow: Uint32Array.of(50, 51, 52, 53, 54) };
    table.writer.loadSettled({ count: 5, ...columns });
    const places = [14, 10, 12, 13, 11].map((chunk) => {
      const before = table.leaf(0);
      table.writer.remove(chunk);
      return table.leaf(0) === before ? "in place" : table.leaf(0) === 0 ? "empty" : "anew";
    });
    expect(places).toEqual(["in place", "anew", "anew", "in place", "empty"]);
    expect([table.writer.count(), [...table.writer.runs()]]).toEqual([0, []]);
  });
});

describe("runs", () => {
  test("join over groups where they are settled alike and go on in both numbers", () => {
    const { writer } = make(4096);
    const run = (oldChunk: number, newChunk: number, count: number, state: EntryState): void => {
      for (let i = 0; i < count; i++) writer.publish(oldChunk + i, newChunk + i, state);
    };
    run(250, 1000, 6, Settled);
    run(256, 1006, 6, Settled);
    run(262, 1012, 1, Visible);
    run(263, 1013, 1, Settled);
    run(264, 1015, 1, Settled);
    run(266, 1016, 1, Settled);
    run(511, 7, 2, Visible);
    run(1023, 1, 1, Settled);
    run(1024, 3, 1, Settled);
    const runs = [...writer.runs()].map((one) => [one.oldChunk, one.newChunk, one.count, one.settled]);
    expect(runs).toEqual([
      [250, 1000, 12, true],
      [262, 1012, 1, false],
      [263, 1013, 1, true],
      [264, 1015, 1, true],
      [266, 1016, 1, true],
      [511, 7, 2, false],
      [1023, 1, 1, true],
      [1024, 3, 1, true],
    ]);
  });

  test("are found wherever the origin has them: in its first and last chunk, and beside a region without any", () => {
    const chunks = 4 * REGION_CHUNKS + 300;
    const { writer } = make(chunks);
    const places = [0, REGION_CHUNKS - 1, 3 * REGION_CHUNKS, 4 * REGION_CHUNKS - 1, chunks - 1];
    for (const [i, place] of places.entries()) writer.publish(place, 100 - 2 * i, Settled);
    expect([...writer.runs()].map(({ oldChunk }) => oldChunk)).toEqual(places);
    writer.remove(chunks - 1);
    expect([...writer.runs()].map(({ oldChunk }) => oldChunk)).toEqual(places.slice(0, -1));
    const { writer: loaded } = make(chunks);
    const oldLow = Uint32Array.from(places);
    expect(loaded.loadSettled({ count: 5, oldLow, newLow: Uint32Array.of(9, 7, 5, 3, 1) })).toBe(-1);
    expect([...loaded.runs()].map(({ oldChunk }) => oldChunk)).toEqual(places);
  });
});

test("a table that has lost an exception, or a block of its heap, is found", () => {
  for (const words of [0, -1]) {
    const table = make(512);
    table.writer.publish(3, 4, Settled);
    table.writer.verify();
    layout.viewOf(table.memory)[table.leaf(0) + words] = 0;
    expect(() => table.writer.verify()).toThrow(words === 0 ? "count disagrees with the leaves" : "block has no size");
  }
});

describe("behind the end of the directory", () => {
  const loaded = (groups: number, old: readonly number[], fresh: (chunk: number, i: number) => number): number[] => {
    const { writer } = make(groups * 256);
    const columns = { oldLow: Uint32Array.from(old), newLow: Uint32Array.from(old, fresh) };
    expect(writer.loadSettled({ count: old.length, ...columns })).toBe(-1);
    return [...writer.runs()].map(({ oldChunk }) => oldChunk);
  };
  const everyOther = (group: number): number[] => Array.from({ length: 128 }, (_, i) => group * 256 + 2 * i + 1);

  test("new chunks are taken for no leaves, where the last region has no exception", () => {
    // Word 16 + 8192 is the new chunk of place 233 of group 7; 4129 is the leaf of group 0.
    const old = Array.from({ length: 10 }, (_, group) => everyOther(group)).flat();
    expect(loaded(4097, old, (chunk, i) => (chunk === 7 * 256 + 233 ? 4129 : 50_000 + 2 * i))).toEqual(old);
  });

  test("the tag of a block is taken for no leaf, where the last region is a whole one", () => {
    // Word 16 + 8192 is the tag of a direct leaf: 519, among the words of the directory.
    const old = [...everyOther(0), ...Array.from({ length: 900 }, (_, group) => (group + 1) * 256 + 5)];
    expect(loaded(8192, old, (_, i) => 50_000 + 2 * i)).toEqual(old);
  });
});

describe("room", () => {
  test("is a leaf's reach for each exception that may come, and there before it is asked for", () => {
    const { writer, memory } = make(256);
    const spare = memory.maxByteLength / 4 - layout.LEAF_REACH - 32;
    const most = Math.floor(spare / layout.LEAF_REACH);
    expect([writer.hasRoomFor(most), writer.hasRoomFor(most + 1)]).toEqual([true, false]);
    expect(writer.makeRoomFor(0)).toBe(true);
    expect(memory.byteLength).toBe((32 + layout.LEAF_REACH) * 4);
    expect(writer.makeRoomFor(1000)).toBe(true);
    expect(memory.byteLength).toBe((32 + 1001 * layout.LEAF_REACH) * 4);
    // Sized for every chunk of its origin: it has room whatever is asked for.
    expect(writer.makeRoomFor(2 ** 30)).toBe(true);
    expect(memory.byteLength).toBe(memory.maxByteLength);
    expect(writer.memoryBytes()).toBe(32 * 4);
  });

  test("is enough when it is exactly what is asked for", () => {
    const { writer, memory } = make(64 * 256);
    const spare = (): number => memory.maxByteLength / 4 - layout.LEAF_REACH - writer.memoryBytes() / 4;
    // Leaves of four words, until what is left is whole reaches.
    for (let group = 0; spare() % layout.LEAF_REACH !== 0; group++) writer.publish(group * 256, group, Settled);
    const most = spare() / layout.LEAF_REACH;
    expect([writer.hasRoomFor(most), writer.hasRoomFor(most + 1)]).toEqual([true, false]);
  });

  test("a table of the largest size may be full before every chunk has its exception", () => {
    const { writer, memory } = make(TABLE_CHUNKS_MAX);
    const bytes = memory.byteLength;
    expect([writer.makeRoomFor(2 ** 24), memory.byteLength]).toEqual([false, bytes]);
    expect(writer.makeRoomFor(10)).toBe(true);
  });

  test("what finds none changes nothing", () => {
    const { writer, memory } = make(2 ** 20);
    const grow = (): never => {
      throw new RangeError("no memory");
    };
    Object.defineProperty(memory, "grow", { value: grow });
    expect([writer.makeRoomFor(0), writer.makeRoomFor(1)]).toEqual([true, false]);
    expect(() => writer.publish(3, 4, Visible)).toThrow(expect.objectContaining({ code: "ENOMEM" }));
    expect([writer.stateOf(3), writer.count()]).toEqual([None, 0]);
    writer.verify();
  });

  test("leaves stay as they are where there is no memory to fold them", () => {
    const table = make(2 ** 16);
    publish(table.writer, 8, 1, Visible);
    // The wilderness that is there is used up, but for less than a leaf and its reach.
    const end = table.memory.byteLength / 4 - 2 * layout.LEAF_REACH;
    for (let chunk = 256; table.writer.memoryBytes() / 4 <= end; chunk++)
      table.writer.publish(chunk, 3 * chunk, Visible);
    const grow = (): never => {
      throw new RangeError("no memory");
    };
    Object.defineProperty(table.memory, "grow", { value: grow });
    for (let i = 0; i < 8; i++) table.writer.settle(i);
    expect(table.entries(0)[0]).toBe(8);
    expect(table.writer.stateOf(7)).toBe(Settled);
  });
});
