import { expect, test } from "vitest";
import { formatStatus } from "../../../src/format/status-line.ts";

const usage = { allocatedSectors: 64, totalSectors: 2048, metadataSectors: 64 };

test("a fresh 16 KiB store is 64/total 64 (S-72)", () => {
  expect(formatStatus({ invalid: false, mergeFailed: false, overflow: false, usage })).toBe("64/2048 64");
});

test("the words take precedence: Invalid, Merge failed, Overflow, numbers (S-72)", () => {
  expect(formatStatus({ invalid: true, mergeFailed: true, overflow: true, usage })).toBe("Invalid");
  expect(formatStatus({ invalid: false, mergeFailed: true, overflow: true, usage })).toBe("Merge failed");
  expect(formatStatus({ invalid: false, mergeFailed: false, overflow: true, usage })).toBe("Overflow");
});

test("a store without usage is Unknown (S-72)", () => {
  expect(formatStatus({ invalid: false, mergeFailed: false, overflow: false, usage: undefined })).toBe("Unknown");
});
