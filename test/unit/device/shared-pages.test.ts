import { describe, expect, it } from "vitest";
import { loadNative } from "../../../src/device/native.ts";
import { SHARED_PAGES_MAX_BYTES, newSharedPages } from "../../../src/device/shared-pages.ts";

describe("shared pages", () => {
  const { native } = loadNative();

  it.runIf(native !== undefined)("begin on a page, which a plain SharedArrayBuffer need not", () => {
    for (const bytes of [1, 4096, 65536, 65537, 10_000_000]) {
      expect(native?.pageOffset(new Uint8Array(newSharedPages(bytes)))).toBe(0);
    }
  });

  it("are at least as large as asked for, of fixed length, shared, and zero", () => {
    for (const bytes of [1, 65536, 65537, 3_000_000]) {
      const pages = newSharedPages(bytes);
      expect(pages).toBeInstanceOf(SharedArrayBuffer);
      expect(pages.byteLength).toBe(Math.ceil(bytes / 65536) * 65536);
      expect(new Uint8Array(pages).every((byte) => byte === 0)).toBe(true);
    }
  });

  it("of a large size cost nothing before they are used", () => {
    const before = process.memoryUsage().rss;
    const pages = newSharedPages(SHARED_PAGES_MAX_BYTES);
    expect(pages.byteLength).toBe(2 ** 32);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });

  it("of no size, and of more than an arena offset reaches, are refused", () => {
    for (const bytes of [0, -1, 0.5, Number.NaN, SHARED_PAGES_MAX_BYTES + 1]) {
      expect(() => newSharedPages(bytes)).toThrow();
    }
  });
});
