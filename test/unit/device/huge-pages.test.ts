import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { useHugePages } from "../../../src/device/huge-pages.ts";
import { loadNative } from "../../../src/device/native.ts";

const MIB = 2 ** 20;

/** Bytes of address space for which huge pages were asked. */
function advised(): number {
  let sum = 0;
  let size = 0;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (line.startsWith("Size:")) size = Number.parseInt(line.slice(5), 10) * 1024;
    if (line.startsWith("VmFlags:") && line.includes(" hg")) sum += size;
  }
  return sum;
}

const madvised = /\[madvise\]/.test(readIfThere("/sys/kernel/mm/transparent_hugepage/enabled"));

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

describe("huge pages", () => {
  it.runIf(loadNative().native !== undefined && madvised)("are asked for all that memory may grow to", () => {
    const before = advised();
    const memory = new SharedArrayBuffer(MIB, { maxByteLength: 64 * MIB });
    useHugePages(memory);
    expect(advised() - before).toBeGreaterThanOrEqual(63 * MIB);
    memory.grow(32 * MIB);
    const words = new Int32Array(memory, 0, 8 * MIB);
    expect(words.every((word) => word === 0)).toBe(true);
  });

  it("leave what is in the memory as it is", () => {
    const bytes = new Uint8Array(8 * MIB).fill(7);
    useHugePages(bytes.buffer);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
  });
});
