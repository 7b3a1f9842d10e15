import fc from "fast-check";
import { expect, test } from "vitest";
import { MetadataArea } from "../../../src/format/metadata-area.ts";

test("an exception is old then new, little-endian, 16 bytes (S-1)", () => {
  const area = new MetadataArea(new Uint8Array(512));
  area.set(1, 0x0102, 3);
  expect([...area.bytes.subarray(16, 32)]).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
});

test("exceptions of up to 2^53 - 1 come back as they were written (S-39)", () => {
  const chunk = fc.maxSafeNat();
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          chunk,
          chunk.filter((n) => n > 0),
        ),
        { maxLength: 32 },
      ),
      (pairs) => {
        const area = new MetadataArea(new Uint8Array(512));
        pairs.forEach(([oldChunk, newChunk], slot) => area.set(slot, oldChunk, newChunk));
        expect(pairs.map((_, slot) => [area.oldChunk(slot), area.newChunk(slot)])).toEqual(pairs);
      },
    ),
  );
});

test("a value above 2^53 - 1 is Infinity, and its text is exact (S-39)", () => {
  const area = new MetadataArea(new Uint8Array(512).fill(0xff));
  expect(area.newChunk(0)).toBe(Number.POSITIVE_INFINITY);
  expect(area.newChunkText(0)).toBe("18446744073709551615");
});

test("clearing from a slot zeroes it and all behind it, and tells whether anything was there (S-7)", () => {
  const area = new MetadataArea(new Uint8Array(512));
  area.set(0, 5, 6);
  expect(area.clearFrom(1)).toBe(false);
  area.bytes[511] = 1;
  expect(area.clearFrom(1)).toBe(true);
  expect(area.bytes[511]).toBe(0);
  expect(area.newChunk(0)).toBe(6);
});

test("a new chunk of 0 would end the list, so it cannot be set (S-3)", () => {
  expect(() => new MetadataArea(new Uint8Array(512)).set(0, 1, 0)).toThrow();
});

test("any byte from the slot on makes the rest of an area stale, and none before it does (S-7)", () => {
  for (let at = 0; at < 64; at++) {
    const area = new MetadataArea(new Uint8Array(64));
    area.bytes[at] = 0x80;
    expect([at, area.isClearFrom(2)]).toEqual([at, at < 32]);
  }
  expect(new MetadataArea(new Uint8Array(64)).isClearFrom(4)).toBe(true);
});

test("the texts of a slot are those of its own words, old and new (S-39)", () => {
  const area = new MetadataArea(new Uint8Array(64));
  new Uint32Array(area.bytes.buffer).set([1, 0, 2, 0, 3, 0x8000_0000, 4, 0x4000_0000]);
  expect([area.oldChunkText(0), area.newChunkText(0)]).toEqual(["1", "2"]);
  expect([area.oldChunkText(1), area.newChunkText(1)]).toEqual(["9223372036854775811", "4611686018427387908"]);
});

test("a slot outside of the area cannot be set, the last one can", () => {
  const area = new MetadataArea(new Uint8Array(64));
  expect(area.slots).toBe(4);
  expect(() => area.set(4, 1, 2)).toThrow("slot inside the area");
  expect(() => area.set(-1, 1, 2)).toThrow("slot inside the area");
  area.set(3, 1, 2);
  expect([area.oldChunk(3), area.newChunk(3)]).toEqual([1, 2]);
});

test("an area lies anywhere in its memory", () => {
  const memory = new Uint8Array(128);
  const area = new MetadataArea(memory.subarray(48, 112));
  area.set(0, 7, 9);
  expect([memory[48], memory[56], area.slots]).toEqual([7, 9, 4]);
});
