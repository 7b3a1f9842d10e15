import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TABLE_QUARANTINE_LEAVES } from "../../../src/base/constants.ts";
import { LeafHeap } from "../../../src/table/leaf-heap.ts";
import { createTable, DIRECT_LEAF_WORDS, LIST_CAPACITIES, TGEN_WORD } from "../../../src/table/table-layout.ts";

function heapOf(originChunks: number): LeafHeap {
  return new LeafHeap(createTable({ originChunks }));
}

describe("leaf heap", () => {
  test("a retired leaf keeps its words until tgen has stepped (C-3)", () => {
    const heap = heapOf(256);
    const leaf = heap.allocate(DIRECT_LEAF_WORDS);
    heap.allocate(3);
    for (let i = 0; i < DIRECT_LEAF_WORDS; i++) heap.words[leaf + i] = 1000 + i;
    heap.retire(leaf);
    for (let i = 1; i < TABLE_QUARANTINE_LEAVES; i++) heap.retire(heap.allocate(DIRECT_LEAF_WORDS));
    expect(heap.words[TGEN_WORD]).toBe(0);
    for (let i = 0; i < DIRECT_LEAF_WORDS; i++) expect(heap.words[leaf + i]).toBe(1000 + i);
    heap.retire(heap.allocate(DIRECT_LEAF_WORDS));
    expect(heap.words[TGEN_WORD]).toBe(1);
    expect(heap.allocate(DIRECT_LEAF_WORDS)).toBe(leaf);
    heap.verify();
  });

  test("an empty quarantine does not step tgen", () => {
    const heap = heapOf(256);
    heap.releaseQuarantine();
    expect(heap.words[TGEN_WORD]).toBe(0);
  });

  test("neighbours that are free become one block, and the wilderness takes the last one", () => {
    const heap = heapOf(256);
    const top = heap.topWord;
    const leaves = Array.from({ length: 100 }, () => heap.allocate(3));
    for (const leaf of leaves) heap.retire(leaf);
    heap.releaseQuarantine();
    expect(heap.topWord).toBe(top);
    heap.verify();
  });

  test("a full table says so, after it has tried what the quarantine holds", () => {
    const heap = heapOf(256);
    const leaves: number[] = [];
    expect(() => {
      for (;;) leaves.push(heap.allocate(DIRECT_LEAF_WORDS));
    }).toThrow(expect.objectContaining({ code: "ENOMEM" }));
    heap.retire(leaves[5]);
    expect(heap.allocate(DIRECT_LEAF_WORDS)).toBe(leaves[5]);
    heap.verify();
  });

  test("blocks never overlap and always add up, whatever comes and goes", () => {
    const sizes = [...LIST_CAPACITIES.map((capacity) => 1 + 2 * capacity), DIRECT_LEAF_WORDS];
    const action = fc.record({
      size: fc.constantFrom(...sizes),
      victim: fc.nat(),
      take: fc.boolean(),
      release: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const heap = heapOf(2 ** 14);
        const live: { leaf: number; size: number; stamp: number }[] = [];
        let stamp = 1;
        for (const a of actions) {
          if (a.take || live.length === 0) {
            const leaf = heap.allocate(a.size);
            heap.words.fill(++stamp, leaf, leaf + a.size);
            live.push({ leaf, size: a.size, stamp });
          } else {
            const [gone] = live.splice(a.victim % live.length, 1);
            heap.retire(gone.leaf);
          }
          if (a.release === 0) heap.releaseQuarantine();
          heap.verify();
        }
        for (const { leaf, size, stamp: mark } of live) {
          expect(heap.words.subarray(leaf, leaf + size).every((word) => word === mark)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});
