import fc from "fast-check";
import { expect, test } from "vitest";
import { ReplyBuffer } from "../../../src/nbd/wire/reply-buffer.ts";
import { hex } from "./handshake-stream.ts";

test("numbers, bytes and zeroes are appended big-endian, in order", () => {
  const buffer = new ReplyBuffer();
  buffer.appendU16(0x0102);
  buffer.appendU32(0x80000001);
  buffer.appendU64(0x1f_2233_4455_6677);
  buffer.appendBytes(hex("aabb"));
  buffer.appendZeroes(3);
  const taken = new Uint8Array(19);
  expect(buffer.take(taken, 0, 100)).toBe(19);
  expect(taken).toEqual(hex("0102 80000001 001f223344556677 aabb 000000"));
  expect(buffer.length).toBe(0);
});

test("what was appended after a mark can be cut off, also when some has been taken", () => {
  const buffer = new ReplyBuffer();
  buffer.appendBytes(hex("010203"));
  buffer.take(new Uint8Array(1), 0, 1);
  const mark = buffer.length;
  buffer.appendBytes(new Uint8Array(1000));
  buffer.cutTo(mark);
  buffer.appendU16(0x0909);
  const taken = new Uint8Array(4);
  buffer.take(taken, 0, 4);
  expect(taken).toEqual(hex("0203 0909"));
});

test("zeroes are zeroes where other bytes have been before", () => {
  const buffer = new ReplyBuffer();
  buffer.appendBytes(new Uint8Array(300).fill(0xff));
  buffer.take(new Uint8Array(300), 0, 300);
  buffer.appendZeroes(200);
  const taken = new Uint8Array(200).fill(0xee);
  buffer.take(taken, 0, 200);
  expect(taken).toEqual(new Uint8Array(200));
});

test("bytes come out as they went in, through any growth and in any pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), fc.integer({ min: 1, max: 900 }), (parts, room) => {
      const buffer = new ReplyBuffer();
      for (const part of parts) buffer.appendBytes(part);
      const expected = Buffer.concat(parts);
      const taken = Buffer.alloc(expected.length);
      for (let at = 0; at < expected.length; ) at += buffer.take(taken, at, room);
      expect(taken.equals(expected)).toBe(true);
    }),
  );
});

test("an answer above 2 MiB is refused beforehand and asserted against", () => {
  const buffer = new ReplyBuffer();
  expect(buffer.hasRoom(2 * 1024 * 1024)).toBe(true);
  buffer.appendU16(1);
  expect(buffer.hasRoom(2 * 1024 * 1024)).toBe(false);
  expect(() => buffer.appendZeroes(2 * 1024 * 1024)).toThrow("too long");
});

// The view was read before the place was taken: the number that made the buffer grow went to the old one.
test.each([2, 4, 8])("a number of %i bytes that makes the buffer grow is in the new one", (size) => {
  const buffer = new ReplyBuffer();
  buffer.appendZeroes(512);
  if (size === 2) buffer.appendU16(0x0102);
  else if (size === 4) buffer.appendU32(0x0102);
  else buffer.appendU64(0x0102);
  const taken = new Uint8Array(512 + size);
  buffer.take(taken, 0, taken.length);
  expect(taken.subarray(-2)).toEqual(hex("0102"));
});
