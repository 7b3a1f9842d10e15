/**
 * Memory that was given back is the kernel's at once, reads as zeroes, and is what the next one gets: with the addon and without it.
 */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newSharedMemory } from "../../../src/base/shared-memory.ts";
import { dropSpares, putSpare, takeSpare } from "../../../src/base/spare-memory.ts";
import { EntryState } from "../../../src/base/states.ts";
import { returnMemory } from "../../../src/device/cleared-memory.ts";
import * as addon from "../../../src/device/native.ts";
import { newSharedPages } from "../../../src/device/shared-pages.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const MIB = 2 ** 20;
const { native } = addon.loadNative();

function residentBytes(): number {
  return Number(readFileSync("/proc/self/statm", "latin1").split(" ")[1]) * 4096;
}

const isZero = (memory: SharedArrayBuffer): boolean => Buffer.from(memory).equals(Buffer.alloc(memory.byteLength));

beforeEach(() => void dropSpares());
afterEach(() => {
  vi.restoreAllMocks();
  dropSpares();
});

describe.each(native === undefined ? ["without the addon"] : ["with the addon", "without the addon"])("%s", (how) => {
  beforeEach(() => {
    if (how === "without the addon") {
      vi.spyOn(addon, "loadNative").mockReturnValue({ native: undefined, reason: "a test" });
    }
  });

  it("pages that were given back are zeroes, and the next ones of that size", () => {
    const memory = newSharedPages(3 * MIB);
    new Uint8Array(memory).fill(0x2e, 5000, 2 * MIB);
    returnMemory(memory);
    expect(isZero(memory)).toBe(true);
    expect(newSharedPages(2 * MIB)).not.toBe(memory);
    expect(newSharedPages(3 * MIB)).toBe(memory);
    expect(newSharedPages(3 * MIB)).not.toBe(memory);
  });

  it("a table that has grown and was given back is an empty one", () => {
    const originChunks = 100_000;
    const memory = createTable({ originChunks });
    const first = new TableWriter(memory);
    for (let chunk = 0; chunk < originChunks; chunk += 7) first.publish(chunk, chunk + 2, EntryState.Settled);
    const grown = memory.byteLength;
    returnMemory(memory);
    expect(isZero(memory)).toBe(true);
    expect(createTable({ originChunks: originChunks + 256 })).not.toBe(memory);
    const again = createTable({ originChunks });
    expect(again).toBe(memory);
    expect(again.byteLength).toBe(grown);
    const second = new TableWriter(again);
    expect(second.memoryBytes()).toBe(new TableWriter(createTable({ originChunks })).memoryBytes());
    second.publish(7, 2, EntryState.Settled);
    expect([second.stateOf(7), second.stateOf(14)]).toEqual([EntryState.Settled, EntryState.None]);
  });
});

it.runIf(native !== undefined)("the kernel has the pages again at once", () => {
  const memory = newSharedPages(64 * MIB);
  new Uint8Array(memory).fill(1);
  const used = residentBytes();
  returnMemory(memory);
  expect(used - residentBytes()).toBeGreaterThan(48 * MIB);
});

it.runIf(native !== undefined)("parts of pages at the ends are cleared, and nothing beside them", () => {
  const memory = newSharedPages(65536);
  for (const [from, bytes] of [
    [100, 8192],
    [4096, 4096],
    [4000, 200],
    [5000, 100],
    [0, 0],
  ]) {
    const all = new Uint8Array(memory).fill(7);
    expect(native?.clearPages(new Uint8Array(memory, from, bytes))).toBe(0);
    expect(all.every((byte, i) => byte === (i >= from && i < from + bytes ? 0 : 7))).toBe(true);
  }
});

describe("what is kept", () => {
  it("is not given to two, nor put there twice", () => {
    const memory = newSharedPages(65536);
    putSpare(memory);
    expect(() => putSpare(memory)).toThrow("twice");
    expect(takeSpare(65536, 65536)).toBe(memory);
    expect(takeSpare(65536, 65536)).toBeUndefined();
  });

  it("has a limit, and the oldest goes", () => {
    const memories = Array.from({ length: 20 }, () => new SharedArrayBuffer(4096, { maxByteLength: 8192 }));
    for (const memory of memories) putSpare(memory);
    const kept = Array.from({ length: 20 }, () => takeSpare(4096, 8192)).filter((memory) => memory !== undefined);
    expect(kept).toEqual(memories.slice(4));
  });

  it("goes where the machine has no more memory, before anything is refused", () => {
    const memory = new SharedArrayBuffer(4096, { maxByteLength: 8192 });
    putSpare(memory);
    const Real = SharedArrayBuffer;
    let asked = 0;
    class Scarce extends Real {
      constructor(bytes: number, options?: { maxByteLength?: number }) {
        if (asked++ === 0) throw new RangeError("Array buffer allocation failed");
        super(bytes, options);
      }
    }
    globalThis.SharedArrayBuffer = Scarce as typeof Real;
    try {
      expect(newSharedMemory(65536, 2 * 65536, "a test").byteLength).toBe(65536);
    } finally {
      globalThis.SharedArrayBuffer = Real;
    }
    expect(asked).toBe(2);
    expect(takeSpare(4096, 8192)).toBeUndefined();
  });
});
