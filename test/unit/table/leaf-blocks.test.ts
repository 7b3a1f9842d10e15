/** Blocks of a table's heap: which one is given, how free ones are joined, how far the memory grows, and what a broken heap is found by. */
import { describe, expect, test } from "vitest";
import { TABLE_CHUNKS_MAX } from "../../../src/base/constants.ts";
import { LeafHeap } from "../../../src/table/leaf-heap.ts";
import { createTable, DIRECT_LEAF_WORDS, DIRECTORY_WORD, LEAF_REACH } from "../../../src/table/table-layout.ts";

const STEP_MIN = 256 * 1024;
const STEP_MAX = 64 * 1024 * 1024;

function make(originChunks = 256): { heap: LeafHeap; memory: SharedArrayBuffer } {
  const memory = createTable({ originChunks });
  return { heap: new LeafHeap(memory), memory };
}

/** Leaves of these sizes, each with a smaller one behind it, which keeps them apart. */
function apart(heap: LeafHeap, sizes: readonly number[]): { leaves: number[]; guards: number[] } {
  const pairs = sizes.map((size) => [heap.allocate(size), heap.allocate(3)] as const);
  return { leaves: pairs.map(([leaf]) => leaf), guards: pairs.map(([, guard]) => guard) };
}

function free(heap: LeafHeap, leaves: readonly number[]): void {
  for (const leaf of leaves) {
    heap.retire(leaf);
    heap.releaseQuarantine();
    heap.verify();
  }
}

function take(heap: LeafHeap, sizes: readonly number[]): number[] {
  return sizes.map((size) => {
    const leaf = heap.allocate(size);
    heap.verify();
    return leaf;
  });
}

describe("a block", () => {
  test("is the smallest free one that holds the leaf, the one that was freed last; what is too much stays free", () => {
    const { heap } = make();
    const { leaves } = apart(heap, [3, 7, 11, 7]);
    const top = heap.topWord;
    free(heap, leaves);
    expect(take(heap, [7, 7, 7])).toEqual([leaves[3], leaves[1], leaves[2]]);
    expect(take(heap, [3, 3])).toEqual([leaves[2]! + 8, leaves[0]]);
    expect(heap.topWord).toBe(top);
    expect(take(heap, [3])).toEqual([top + 1]);
  });

  test.each([3, 127, 131, 255, 259, 383, 387, 511, DIRECT_LEAF_WORDS])(
    "of %i words is found among larger and smaller ones",
    (size) => {
      const { heap } = make();
      const other = size === 3 ? 7 : size - 4;
      const { leaves } = apart(heap, [other, size, DIRECT_LEAF_WORDS]);
      free(heap, leaves);
      expect(take(heap, [size])).toEqual([size === DIRECT_LEAF_WORDS ? leaves[2] : leaves[1]]);
      expect(take(heap, [size])).toEqual([size === DIRECT_LEAF_WORDS ? leaves[1] : size === 3 ? leaves[0] : leaves[2]]);
    },
  );

  test("larger than any leaf comes of many that were joined, and is given piece by piece", () => {
    const { heap } = make();
    const { leaves, guards } = apart(heap, [3, 3]);
    const many = Array.from({ length: 6 }, () => heap.allocate(DIRECT_LEAF_WORDS));
    heap.allocate(3);
    const top = heap.topWord;
    free(heap, [...many.slice(0, 2), ...many.slice(4)]);
    free(heap, [leaves[0]!, many[3]!, many[2]!]);
    const got = take(heap, [3, ...many.map(() => DIRECT_LEAF_WORDS)]);
    expect(got).toEqual([leaves[0], ...many]);
    expect([heap.topWord, guards.length]).toEqual([top, 2]);
  });

  test.each([
    ["before", [0, 1]],
    ["behind", [1, 0]],
    ["on both sides", [0, 2, 1]],
  ])("joins the free ones %s of it", (_, order) => {
    const { heap } = make();
    const leaves = take(heap, [7, 11, 15, 3]);
    const sizes = [8, 12, 16];
    free(
      heap,
      order.map((i) => leaves[i]!),
    );
    const words = order.reduce((sum, i) => sum + sizes[i]!, 0);
    expect(take(heap, [words - 1])).toEqual([leaves[0]]);
    expect(take(heap, [3])[0]).toBe(order.length === 3 ? leaves[3]! + 4 : heap.topWord - 3);
  });

  test("leaves its list from the front, the middle and the end", () => {
    for (const first of [0, 1, 2]) {
      const { heap } = make();
      const { leaves, guards } = apart(heap, [7, 7, 7]);
      heap.allocate(3);
      free(heap, leaves);
      // Joined with what is behind it, it is in its list no more.
      free(heap, [guards[first]!]);
      const rest = [2, 1, 0].filter((i) => i !== first).map((i) => leaves[i]!);
      const top = heap.topWord;
      const got = first === 2 ? take(heap, [7, 7]) : take(heap, [7]);
      expect(rest).toEqual(expect.arrayContaining(got));
      expect(heap.topWord).toBe(top);
    }
  });

  test("at the end goes back to the wilderness, with the free ones before it", () => {
    const { heap } = make();
    const bottom = heap.topWord;
    const leaves = take(heap, [3, 7, 11]);
    free(heap, [leaves[2]!]);
    expect(heap.topWord).toBe(leaves[2]! - 1);
    free(heap, [leaves[0]!]);
    expect(heap.topWord).toBe(leaves[2]! - 1);
    free(heap, [leaves[1]!]);
    expect(heap.topWord).toBe(bottom);
    expect(take(heap, [3])).toEqual([bottom + 1]);
  });

  test("joins the wilderness, whatever words are there: they are of blocks that were free", () => {
    const { heap } = make();
    const [other, , first, middle, last] = take(heap, [7, 7, 7, 7, 7]);
    free(heap, [other!, middle!, last!]);
    expect(heap.topWord).toBe(middle! - 1);
    free(heap, [first!]);
    expect(heap.topWord).toBe(first! - 1);
    expect(take(heap, [7])).toEqual([other]);
  });

  test("writes nothing before the heap", () => {
    const { heap } = make();
    const before = heap.words.slice(DIRECTORY_WORD - 14, DIRECTORY_WORD);
    const { leaves } = apart(heap, [7, 7, 7]);
    free(heap, leaves);
    take(heap, [7, 7, 7]);
    expect(heap.words.slice(DIRECTORY_WORD - 14, DIRECTORY_WORD)).toEqual(before);
  });
});

describe("the memory of a heap", () => {
  test("grows by what is needed, at least by a step: 256 KiB, then an eighth, at most 64 MiB", () => {
    const { heap, memory } = make(2 ** 24);
    const first = memory.byteLength;
    heap.allocate(3);
    expect(memory.byteLength).toBe(first + STEP_MIN);
    const room = heap.words.length - heap.topWord - LEAF_REACH;
    expect([heap.reserve(room), memory.byteLength]).toEqual([true, first + STEP_MIN]);
    expect([heap.reserve(room + 1), memory.byteLength]).toEqual([true, first + 2 * STEP_MIN]);
    heap.reserve(2 ** 21);
    const large = (heap.topWord + 2 ** 21 + LEAF_REACH) * 4;
    expect([memory.byteLength, heap.words.length]).toEqual([large, large / 4]);
    heap.reserve(2 ** 21 + 1);
    expect(memory.byteLength).toBe(large + Math.floor(large / 32) * 4);
  });

  test("grows to its very end where so much is asked for", () => {
    const { heap, memory } = make();
    expect([heap.reserve(2 ** 30), memory.byteLength]).toEqual([true, memory.maxByteLength]);
  });

  test("grows by no more than 64 MiB at a time where it is large", () => {
    const { heap, memory } = make(TABLE_CHUNKS_MAX);
    const first = memory.byteLength;
    heap.allocate(3);
    expect([memory.byteLength - first, heap.isLargest]).toEqual([STEP_MAX, true]);
    expect(make().heap.isLargest).toBe(false);
  });

  test("is full when no leaf and a lost reader's reach would fit, and not before (C-3)", () => {
    const { heap, memory } = make();
    const spare = memory.maxByteLength / 4 - LEAF_REACH - heap.topWord;
    expect(heap.spareWords).toBe(spare);
    const leaves: number[] = [];
    for (let i = 0; i < Math.floor(spare / 516); i++) leaves.push(heap.allocate(DIRECT_LEAF_WORDS));
    const small = Math.floor(heap.spareWords / 4);
    for (let i = 0; i < small; i++) heap.allocate(3);
    expect(heap.spareWords).toBe((spare % 516) % 4);
    expect(() => heap.allocate(3)).toThrow(
      expect.objectContaining({ code: "ENOMEM", hint: "use a larger chunk size" }),
    );
    expect(heap.reserve(2 ** 20)).toBe(true);
    heap.retire(leaves.at(-1)!);
    heap.retire(leaves[7]!);
    expect([heap.allocate(DIRECT_LEAF_WORDS), heap.allocate(DIRECT_LEAF_WORDS)]).toEqual([leaves[7], leaves.at(-1)]);
    heap.verify();
  });

  test("that the machine does not have is refused, and nothing has changed", () => {
    const { heap, memory } = make(2 ** 24);
    const refuse = (): never => {
      throw new RangeError("no memory");
    };
    Object.defineProperty(memory, "grow", { value: refuse });
    const [top, length] = [heap.topWord, heap.words.length];
    expect([heap.reserve(0), heap.reserve(1)]).toEqual([true, false]);
    expect(() => heap.allocate(3)).toThrow("exception table is full");
    expect([heap.topWord, heap.words.length]).toEqual([top, length]);
  });
});

describe("a broken heap is found by", () => {
  /** Used blocks of 8 words; the second one is free. */
  function broken(change: (words: Int32Array, blocks: readonly number[]) => void): LeafHeap {
    const { heap } = make();
    const leaves = take(heap, [7, 7, 7, 7, 7]);
    free(heap, [leaves[1]!]);
    const blocks = leaves.map((leaf) => leaf - 1);
    change(heap.words, blocks);
    return heap;
  }

  test.each<[string, (words: Int32Array, blocks: readonly number[]) => void]>([
    ["block has no size", (words, blocks) => (words[blocks[3]!] = 3)],
    ["block has no size", (words, blocks) => (words[blocks[4]!] = 12 | 3)],
    ["tag disagrees with the block before", (words, blocks) => (words[blocks[3]!] = 8 | 1)],
    ["tag disagrees with the block before", (words, blocks) => (words[blocks[2]!] = 8 | 3)],
    ["free neighbours were not joined", (words, blocks) => (words[blocks[2]!] = 8)],
    ["free block ends in another size", (words, blocks) => (words[blocks[1]! + 7] = 12)],
    [
      "a free block touches the wilderness",
      (words, blocks) => {
        words[blocks[4]!] = 8 | 2;
        words[blocks[4]! + 7] = 8;
      },
    ],
    [
      "bins disagree with the free blocks",
      (words, blocks) => {
        words[blocks[3]!] = 8 | 2;
        words[blocks[3]! + 7] = 8;
        words[blocks[4]!] = 8 | 1;
      },
    ],
  ])("%s", (message, change) => {
    expect(() => broken(change).verify()).toThrow(message);
  });

  test("a leaf that is given back after its block was freed", () => {
    const { heap } = make();
    const [leaf] = take(heap, [7, 7]);
    heap.retire(leaf!);
    heap.retire(leaf!);
    expect(() => heap.releaseQuarantine()).toThrow("leaf is freed twice");
  });
});
