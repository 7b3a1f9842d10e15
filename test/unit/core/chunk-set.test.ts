import fc from "fast-check";
import { expect, test } from "vitest";
import { ChunkSet } from "../../../src/core/chunk-set.ts";

test.each([
  ["flat directory", 5000],
  ["sparse directory", Number.POSITIVE_INFINITY],
])("a %s tells first from second sight, like a Set (S-38)", (_, limit) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(40), fc.nat(4999)), { maxLength: 3000 }), (values) => {
      const set = new ChunkSet(limit);
      const model = new Set<number>();
      for (const value of values) {
        expect(set.add(value)).toBe(!model.has(value));
        model.add(value);
      }
    }),
    { numRuns: 30 },
  );
});

test("large chunk numbers that share their low words stay apart (S-39)", () => {
  const set = new ChunkSet(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 5000; i++) expect(set.add(7 + i * 2 ** 36)).toBe(true);
  for (let i = 0; i < 5000; i++) expect(set.add(7 + i * 2 ** 36)).toBe(false);
});

test("numbers spread thin over a huge origin turn the bitmap into a hash, and none is forgotten (S-38)", () => {
  const set = new ChunkSet(Number.POSITIVE_INFINITY);
  const value = (i: number): number => i * 2 ** 20 + (i % 32);
  let wrong = 0;
  // Two numbers of one word, too.
  if (!set.add(5)) wrong += 1;
  for (let i = 0; i < 40_000; i++) if (!set.add(value(i))) wrong += 1;
  if (set.add(5) || !set.add(4) || !set.add(2 ** 15 - 1)) wrong += 1;
  for (let i = 0; i < 40_000; i++) if (set.add(value(i)) || !set.add(value(i) + 64 * 2 ** 20 * 40_000)) wrong += 1;
  expect(wrong).toBe(0);
});

test("a directory of pages that is used thinly turns over as well, wherever in its page a number stands (S-38)", () => {
  const set = new ChunkSet(2 ** 32);
  const value = (i: number): number => i * 2 ** 17 + ((i * 37) % 2 ** 15);
  let wrong = 0;
  for (let i = 0; i < 16_500; i++) if (!set.add(value(i))) wrong += 1;
  for (let i = 0; i < 16_500; i++) if (set.add(value(i))) wrong += 1;
  for (let i = 0; i < 16_500; i++) if (!set.add(value(i) + 2 ** 16)) wrong += 1;
  for (let i = 0; i < 16_500; i++) if (set.add(value(i) + 2 ** 16)) wrong += 1;
  expect(wrong).toBe(0);
});

test("pages that are well filled stay pages: a number is where it was, at both ends of a page (S-38)", () => {
  for (const limit of [5 * 2 ** 15, Number.POSITIVE_INFINITY]) {
    const set = new ChunkSet(limit);
    const edges = [0, 31, 32, 2 ** 15 - 1, 2 ** 15, 2 ** 16 - 1, 5 * 2 ** 15 - 1];
    expect(edges.map((edge) => set.add(edge))).toEqual(edges.map(() => true));
    expect(edges.map((edge) => set.add(edge))).toEqual(edges.map(() => false));
    expect([1, 30, 33, 2 ** 15 + 1].map((other) => set.add(other))).toEqual([true, true, true, true]);
  }
});
