/** Sizes on the command line. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { exactSize, formatSize } from "../../../src/base/size-text.ts";
import { parseSectors, parseSize } from "../../../src/cli/size.ts";

describe("a size", () => {
  it.each([
    ["0", 0],
    ["65536", 65536],
    ["16K", 16384],
    ["16k", 16384],
    ["3M", 3 * 2 ** 20],
    ["10G", 10 * 2 ** 30],
    ["2T", 2 * 2 ** 40],
    ["1P", 2 ** 50],
    ["32s", 16384],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(["", " 1", "1 K", "-1", "+1", "1.5G", "1KiB", "1KB", "32S", "K", "0x10", "1e3", "١", "16K\n"])(
    "refuses %j",
    (text) => {
      expect(() => parseSize(text)).toThrow("is not a size");
    },
  );

  it("refuses what no safe integer holds", () => {
    expect(() => parseSize("9007199254740992")).toThrow("too large");
    expect(() => parseSize("8388608G")).toThrow("too large");
    expect(parseSize("9007199254740991")).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("in sectors must be a multiple of 512 bytes", () => {
    expect(parseSectors("16K")).toBe(32);
    expect(() => parseSectors("1000")).toThrow("not a multiple of 512");
  });

  it("written in any unit is the same as its product", () => {
    const unit = fc.constantFrom(["K", 10] as const, ["M", 20] as const, ["G", 30] as const, ["s", 9] as const);
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 20 }), unit, (count, [letter, bits]) => {
        expect(parseSize(`${count}${letter}`)).toBe(count * 2 ** bits);
      }),
    );
  });
});

describe("a size for people", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [256 * 2 ** 20, "256 MiB"],
    [1234567890, "1.1 GiB"],
  ])("%d is %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

test("a size that is compared is exact", () => {
  expect([512, 1536, 2 ** 30, 10 * 2 ** 30 + 512, 1.5 * 2 ** 30].map(exactSize)).toEqual([
    "512 B",
    "1.5 KiB",
    "1 GiB",
    "10.0 GiB (10737418752 bytes)",
    "1.5 GiB",
  ]);
});
