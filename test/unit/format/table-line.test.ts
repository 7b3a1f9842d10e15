import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTableLine, parseTableLine, type TableLine } from "../../../src/format/table-line.ts";

const plain = {
  origin: "/dev/a",
  cow: "/dev/b",
  chunkSectors: 8,
  discardZeroesCow: false,
  discardPassdownOrigin: false,
};

test.each([
  ["P", "P"],
  ["p", "P"],
  ["PO", "PO"],
  ["po", "PO"],
  ["pOverflow", "PO"],
  ["N", "N"],
  ["nothing", "N"],
])("store type %s is %s (S-10, S-11, S-13)", (word, store) => {
  expect(parseTableLine(`/dev/a /dev/b ${word} 8`)).toEqual({ ...plain, store });
});

test.each([
  ["a b Persistent 8", "Unsupported persistent store option: ersistent"],
  ["a b X 8", "Exception store type is not P or N"],
  ["a b P eight", "Invalid chunk size"],
  ["a b N 0", "Chunk size not set"],
  ["a b P", "requires 4 or more arguments"],
  ["a b P 8 3 x y z", "Invalid number of feature arguments"],
  ["a b P 8 two", "Invalid number of feature arguments"],
  ["a b P 8 2 discard_zeroes_cow", "Invalid number of feature arguments"],
  ["a b P 8 1 discard_nothing", "Unrecognised feature requested"],
  ["a b P 8 1 discard_passdown_origin", "discard_passdown_origin feature depends on discard_zeroes_cow"],
])("%s: %s (S-12, S-13, S-14, S-15, S-20)", (line, message) => {
  expect(() => parseTableLine(line)).toThrow(expect.objectContaining({ code: "EINVAL", message }));
});

test("the type is checked before the chunk size, and that before the option (S-12)", () => {
  expect(() => parseTableLine("a b Xx bad")).toThrow("Exception store type is not P or N");
  expect(() => parseTableLine("a b Persistent bad")).toThrow("Invalid chunk size");
});

test("features are case-insensitive, in any order (S-20)", () => {
  const line = parseTableLine("a b P 8 2 Discard_Passdown_Origin DISCARD_ZEROES_COW");
  expect([line.discardZeroesCow, line.discardPassdownOrigin]).toEqual([true, true]);
});

test("the forms of S-73 are printed", () => {
  const line: TableLine = { ...plain, store: "PO" };
  expect(formatTableLine(line)).toBe("/dev/a /dev/b PO 8");
  expect(formatTableLine({ ...line, discardZeroesCow: true })).toBe("/dev/a /dev/b PO 8 1 discard_zeroes_cow");
  expect(formatTableLine({ ...line, discardZeroesCow: true, discardPassdownOrigin: true })).toBe(
    "/dev/a /dev/b PO 8 2 discard_zeroes_cow discard_passdown_origin",
  );
});

test("what is printed parses to the same line (S-73)", () => {
  const lines = fc.record({
    origin: fc.stringMatching(/^[\w/:.]+$/),
    cow: fc.stringMatching(/^[\w/:.]+$/),
    store: fc.constantFrom("P" as const, "PO" as const, "N" as const),
    chunkSectors: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    features: fc.nat(2),
  });
  fc.assert(
    fc.property(lines, ({ features, ...rest }) => {
      const line = { ...rest, discardZeroesCow: features > 0, discardPassdownOrigin: features > 1 };
      expect(parseTableLine(formatTableLine(line))).toEqual(line);
    }),
  );
});

test("words are separated by any white space (S-10)", () => {
  expect(parseTableLine("  /dev/a\t /dev/b  P 8 ")).toEqual({ ...plain, store: "P" });
});

test.each(["+1", "1.0", "1e0", "x1", "1x", "-1"])("%s is no number of features (S-20)", (count) => {
  expect(() => parseTableLine(`a b P 8 ${count} discard_zeroes_cow`)).toThrow("Invalid number of feature arguments");
});

test("no features, and one of them alone (S-20)", () => {
  expect(parseTableLine("a b P 8 01 discard_zeroes_cow").discardZeroesCow).toBe(true);
  expect(parseTableLine("/dev/a /dev/b P 8 0")).toEqual({ ...plain, store: "P" });
  expect(parseTableLine("/dev/a /dev/b P 8 1 discard_zeroes_cow")).toEqual({
    ...{ ...plain, store: "P" },
    discardZeroesCow: true,
  });
});

test("only a transient store needs its chunk size said (S-13, S-16)", () => {
  expect(parseTableLine("/dev/a /dev/b P 0")).toEqual({ ...plain, store: "P", chunkSectors: 0 });
  expect(parseTableLine("/dev/a /dev/b PO 0")).toEqual({ ...plain, store: "PO", chunkSectors: 0 });
});
