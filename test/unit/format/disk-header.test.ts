import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeHeader, encodeHeader, SNAP_MAGIC } from "../../../src/format/disk-header.ts";

test("a fresh header is SnAp, valid 1, version 1, chunk size, then zeroes (S-1)", () => {
  const bytes = encodeHeader(true, 32, 512);
  expect([...bytes.subarray(0, 16)]).toEqual([0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, 32, 0, 0, 0]);
  expect(bytes.subarray(16).every((byte) => byte === 0)).toBe(true);
});

test("a dropped store has valid 0 and keeps the rest (S-1, S-70)", () => {
  expect(decodeHeader(encodeHeader(false, 8))).toEqual({ magic: SNAP_MAGIC, valid: 0, version: 1, chunkSectors: 8 });
});

test("what is encoded is decoded, whatever stands around it (S-1)", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(2 ** 22),
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      (valid, chunkSectors, before) => {
        const bytes = new Uint8Array(before.length + 16);
        bytes.set(before);
        bytes.set(encodeHeader(valid, chunkSectors), before.length);
        const header = decodeHeader(bytes.subarray(before.length));
        expect(header).toEqual({ magic: SNAP_MAGIC, valid: valid ? 1 : 0, version: 1, chunkSectors });
      },
    ),
  );
});

test("sixteen bytes of anything decode without judgement (S-34 judges)", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const header = decodeHeader(bytes);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      expect([header.magic, header.valid, header.version, header.chunkSectors]).toEqual(
        [0, 4, 8, 12].map((at) => view.getUint32(at, true)),
      );
    }),
  );
});

test("sixteen bytes are a header, fifteen are none", () => {
  expect(encodeHeader(true, 8)).toHaveLength(16);
  expect(() => encodeHeader(true, 8, 15)).toThrow("header of 16 bytes");
  expect(() => decodeHeader(new Uint8Array(15))).toThrow("header of 16 bytes");
});
