import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { dataPattern } from "../../support/data-pattern.ts";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("the pattern is the kernel oracle's", () => {
  expect(sha256(dataPattern(512, 1))).toBe("15dce415898deace476cdd0dbb853cbb94ebb2cb09922e77dad30f5fb2239bf5");
  expect(sha256(dataPattern(1048576, 7))).toBe("301bf36eafa85b3747117808c096a776ec5e532feacb23d069ed63ac56f2a69d");
});

test("seed 0 is all zeroes", () => {
  expect(dataPattern(1000, 0).equals(Buffer.alloc(1000))).toBe(true);
});

test("a shorter piece of a seed is the beginning of a longer one", () => {
  expect(dataPattern(1300, 9).equals(dataPattern(4096, 9).subarray(0, 1300))).toBe(true);
});

test("no two sectors of a seed are alike", () => {
  const bytes = dataPattern(512 * 1000, 3);
  const sectors = Array.from({ length: 1000 }, (_, s) => bytes.toString("latin1", 512 * s, 512 * (s + 1)));
  expect(new Set(sectors).size).toBe(1000);
});
