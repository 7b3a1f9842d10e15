/** A group's image: what it folds, how large a leaf it needs, what it writes there, and that a leaf is taken apart into the same image again. */
import { describe, expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { GroupImage, hasRoom, hasVisible, isEmpty } from "../../../src/table/group-image.ts";
import * as layout from "../../../src/table/table-layout.ts";

const { None, Visible, Settled } = EntryState;
const LEAF = 5;

type Chunk = readonly [offset: number, newChunk: number, state: EntryState];

function imageOf(chunks: readonly Chunk[]): GroupImage {
  const image = new GroupImage();
  for (const [offset, newChunk, state] of chunks) {
    image.state[offset] = state;
    image.newChunk[offset] = newChunk;
  }
  image.fold();
  return image;
}

function runsOf(image: GroupImage): number[][] {
  return Array.from({ length: image.runs }, (_, i) => [image.runOffset[i]!, image.runLength[i]!]);
}

function chunksOf(image: GroupImage): Chunk[] {
  return Array.from({ length: layout.GROUP_CHUNKS }, (_, offset) => offset)
    .filter((offset) => image.state[offset] !== None)
    .map((offset) => [offset, image.newChunk[offset]!, image.state[offset] as EntryState]);
}

/** So many chunks, each alone. */
function alone(count: number, state: EntryState = Settled): Chunk[] {
  return Array.from({ length: count }, (_, i) => [255 - i, 2 ** 32 - 60 + 2 * i, state]);
}

function written(image: GroupImage): Int32Array {
  const words = new Int32Array(LEAF + layout.DIRECT_LEAF_WORDS);
  image.put(words, LEAF);
  return words;
}

describe("folding", () => {
  test("joins chunks that are settled, neighbours, and have new chunks that are neighbours in the same order", () => {
    const runs = runsOf(
      imageOf([
        [0, 7, Settled],
        [1, 8, Settled],
        [2, 10, Settled],
        [3, 9, Settled],
        [5, 10, Settled],
        [6, 11, Visible],
        [7, 12, Visible],
        [8, 13, Settled],
        [254, 1, Settled],
        [255, 2, Settled],
      ]),
    );
    expect(runs).toEqual([
      [0, 2],
      [2, 1],
      [3, 1],
      [5, 1],
      [6, 1],
      [7, 1],
      [8, 1],
      [254, 2],
    ]);
  });

  test("as chunks are appended gives the same runs, and takes them by ascending offset only", () => {
    const image = new GroupImage();
    const chunks: Chunk[] = [
      [0, 5, Settled],
      [1, 6, Settled],
      [2, 8, Settled],
      [9, 9, Settled],
      [10, 10, Settled],
    ];
    for (const [offset, newChunk] of chunks) image.append(offset, newChunk);
    expect(runsOf(image)).toEqual([
      [0, 2],
      [2, 1],
      [9, 2],
    ]);
    expect(chunksOf(image)).toEqual(chunks);
    for (const offset of [10, 9, 3]) expect(() => image.append(offset, 1)).toThrow("by ascending offset");
    image.reset();
    expect([image.runs, chunksOf(image), image.leafWords()]).toEqual([0, [], 0]);
    image.append(0, 3);
    expect(runsOf(image)).toEqual([[0, 1]]);
  });
});

describe("the leaf of an image", () => {
  test("is the smallest that holds its runs; none for nothing", () => {
    expect(imageOf([]).leafWords()).toBe(0);
    for (const [i, capacity] of layout.LIST_CAPACITIES.entries()) {
      const least = (layout.LIST_CAPACITIES[i - 1] ?? 0) + 1;
      for (const runs of [least, capacity]) expect(imageOf(alone(runs)).leafWords()).toBe(1 + 2 * capacity);
    }
    expect(imageOf(alone(layout.LIST_CAPACITY_MAX + 1)).leafWords()).toBe(layout.DIRECT_LEAF_WORDS);
  });

  test.each([1, 2, 126, 127, 128, 256])("of %i runs is taken apart into the same image", (count) => {
    for (const state of [Visible, Settled]) {
      const chunks = alone(count, state).sort(([a], [b]) => a - b);
      const words = written(imageOf(chunks));
      const header = words[LEAF]!;
      const direct = count > layout.LIST_CAPACITY_MAX;
      const used = direct ? 0 : count;
      expect([layout.isDirect(header), layout.usedOf(header), layout.sortedOf(header)]).toEqual([direct, used, used]);
      expect(words.subarray(0, LEAF).every((word) => word === 0)).toBe(true);
      const image = imageOf([[100, 1, Visible]]);
      image.take(words, LEAF);
      expect(chunksOf(image)).toEqual(chunks);
      expect([isEmpty(words, LEAF), hasVisible(words, LEAF)]).toEqual([false, state === Visible]);
      const first = new Int32Array(words.length);
      imageOf(chunks).putFirst(first, LEAF);
      expect(first).toEqual(words);
    }
  });

  test("has its runs as entries, which are taken apart chunk by chunk; what was removed is not", () => {
    const words = written(
      imageOf([
        [3, 2 ** 32 - 1, Settled],
        [4, 2 ** 32, Settled],
        [5, 2 ** 32 + 1, Settled],
        [200, 9, Visible],
      ]),
    );
    const image = new GroupImage();
    image.take(words, LEAF);
    image.fold();
    expect(runsOf(image)).toEqual([
      [3, 3],
      [200, 1],
    ]);
    expect(image.newChunk[5]).toBe(2 ** 32 + 1);
    words[LEAF + 2] = (words[LEAF + 2]! & ~3) | layout.REMOVED;
    image.take(words, LEAF);
    expect(chunksOf(image)).toEqual([[200, 9, Visible]]);
    expect([isEmpty(words, LEAF), hasVisible(words, LEAF)]).toEqual([false, true]);
    words[LEAF + 4] = (words[LEAF + 4]! & ~3) | layout.REMOVED;
    expect([isEmpty(words, LEAF), hasVisible(words, LEAF)]).toEqual([true, false]);
    image.take(words, 0);
    expect(chunksOf(image)).toEqual([]);
  });

  test("a run beyond the end of its group is nobody's", () => {
    const words = written(
      imageOf([
        [254, 1, Settled],
        [255, 2, Settled],
      ]),
    );
    new GroupImage().take(words, LEAF);
    words[LEAF + 2]! += 1 << 10;
    expect(() => new GroupImage().take(words, LEAF)).toThrow("a run stays in its group");
  });

  test("a direct one is empty when its last place is, and shows the one that is visible wherever it is", () => {
    for (const last of [0, 255]) {
      const chunks: Chunk[] = Array.from({ length: 256 }, (_, i) => [i, 3 * i, i === last ? Visible : Settled]);
      const words = written(imageOf(chunks));
      expect(hasVisible(words, LEAF)).toBe(true);
      for (let i = 0; i < 256; i++) if (i !== last) words[LEAF + 2 + 2 * i] = layout.REMOVED;
      expect([isEmpty(words, LEAF), hasVisible(words, LEAF)]).toEqual([false, true]);
      words[LEAF + 2 + 2 * last] = 0;
      expect([isEmpty(words, LEAF), hasVisible(words, LEAF)]).toEqual([true, false]);
    }
  });

  test("ends where it ends: what lies behind is another's", () => {
    const direct = Array.from({ length: 256 }, (_, i): Chunk => [i, 3 * i, Settled]);
    for (const chunks of [direct, direct.slice(0, 1)]) {
      const words = new Int32Array(LEAF + layout.DIRECT_LEAF_WORDS + 2);
      const image = imageOf(chunks);
      image.put(words, LEAF);
      for (let i = 0; i < chunks.length; i++) words[LEAF + 2 + 2 * i] = layout.REMOVED;
      words[LEAF + 2 + 2 * chunks.length] = layout.packEntry(Visible, 0, 1, 7);
      expect([isEmpty(words, LEAF), hasVisible(words, LEAF)]).toEqual([true, false]);
    }
  });

  test("has room while it is a list with fewer entries than places", () => {
    const rooms = [6, 7].map((used) => hasRoom(layout.packHeader(false, used, 0, 7)));
    expect([...rooms, hasRoom(layout.packHeader(true, 0, 0, 7))]).toEqual([true, false, false]);
  });
});
