import fc from "fast-check";
import { expect, test } from "vitest";
import { ChunkSet } from "../../../src/core/chunk-set.ts";

test.each([["bitmap", 5000], ["hash", Number.POSITIVE_INFINITY]])("a %s tells first from second sight, like a Set (S-38)", (_, limit) => {
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
