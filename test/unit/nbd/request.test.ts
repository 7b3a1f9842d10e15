import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRequest, newRequestFields } from "../../../src/nbd/wire/request.ts";
import { hex } from "./handshake-stream.ts";

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test("a request header is read field by field from its bytes", () => {
  const bytes = hex("25609513 0001 0001 1122334455667788 0000000123456789 00001000");
  const fields = newRequestFields();
  expect(decodeRequest(viewOf(bytes), 0, fields)).toBe(true);
  expect(fields).toEqual({
    magicOk: true,
    flags: 1,
    type: 1,
    cookieHigh: 0x11223344,
    cookieLow: 0x55667788,
    offset: 0x1_2345_6789,
    length: 4096,
    hasPayload: true,
    // Of extended requests alone.
    ...{ offsetLow: 0, offsetHigh: 0 },
  });
});

test("a request header is read at an odd place in shared memory", () => {
  const shared = new SharedArrayBuffer(64);
  new Uint8Array(shared).set(hex("25609513 0000 0006 0000000000000001 0000000000000003 fffffffe"), 13);
  const fields = newRequestFields();
  expect(decodeRequest(new DataView(shared), 13, fields)).toBe(true);
  expect(fields).toMatchObject({ type: 6, offset: 3, length: 0xffff_fffe });
});

test("a wrong magic is reported and the reused fields are overwritten", () => {
  const fields = newRequestFields();
  decodeRequest(viewOf(hex("25609513 0000 0001 0000000000000001 0000000000000003 00000200")), 0, fields);
  expect(decodeRequest(viewOf(hex("25609514 0000 0000 0000000000000000 0000000000000000 00000000")), 0, fields)).toBe(
    false,
  );
  expect(fields).toMatchObject({ magicOk: false, type: 0, offset: 0, length: 0 });
});

test("an offset that no safe integer holds is Infinity", () => {
  const fields = newRequestFields();
  for (const offset of ["0020000000000000", "8000000000000000", "ffffffffffffffff"]) {
    decodeRequest(viewOf(hex(`25609513 0000 0000 0000000000000000 ${offset} 00000200`)), 0, fields);
    expect(fields.offset).toBe(Number.POSITIVE_INFINITY);
  }
  decodeRequest(viewOf(hex("25609513 0000 0000 0000000000000000 001fffffffffffff 00000200")), 0, fields);
  expect(fields.offset).toBe(Number.MAX_SAFE_INTEGER);
});

test("every request that a client can send is read back, at any place", () => {
  const u16 = fc.integer({ min: 0, max: 0xffff });
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(
      u16,
      u16,
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.maxSafeNat(),
      u32,
      fc.nat(40),
      (flags, type, cookie, offset, length, at) => {
        const bytes = Buffer.alloc(at + 28);
        bytes.writeUInt32BE(0x25609513, at);
        bytes.writeUInt16BE(flags, at + 4);
        bytes.writeUInt16BE(type, at + 6);
        bytes.set(cookie, at + 8);
        bytes.writeBigUInt64BE(BigInt(offset), at + 16);
        bytes.writeUInt32BE(length, at + 24);
        const fields = newRequestFields();
        expect(decodeRequest(viewOf(bytes), at, fields)).toBe(true);
        expect(fields).toMatchObject({ flags, type, offset, length });
        expect(fields.cookieHigh).toBe(Buffer.from(cookie).readInt32BE(0));
        expect(fields.cookieLow).toBe(Buffer.from(cookie).readInt32BE(4));
      },
    ),
  );
});
