import { describe, expect, it } from "vitest";
import { matchesAny, patternsOf } from "../../../bench/glob.ts";

describe("patterns", () => {
  it("a star stands for any run of characters, also none", () => {
    expect(matchesAny("cow-first-4k-qd32", ["cow-*"])).toBe(true);
    expect(matchesAny("cow-first-4k-qd32", ["*-4k-*32*"])).toBe(true);
    expect(matchesAny("origin-write-cow", ["cow-*"])).toBe(false);
  });

  it("everything else stands for itself", () => {
    expect(matchesAny("a.b", ["a.b"])).toBe(true);
    expect(matchesAny("axb", ["a.b"])).toBe(false);
    expect(matchesAny("a(b", ["a(b"])).toBe(true);
  });

  it("without a star the whole name must match", () => {
    expect(matchesAny("snapring-16k-written", ["snapring-16k"])).toBe(false);
  });

  it("a list is taken apart at commas", () => {
    expect(patternsOf(" a*, b ,,c")).toEqual(["a*", "b", "c"]);
  });
});
