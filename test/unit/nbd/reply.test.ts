import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeSimpleReply } from "../../../src/nbd/wire/reply.ts";
import { decodeRequest, newRequestFields } from "../../../src/nbd/wire/request.ts";
import { hex } from "./handshake-stream.ts";

test("a simple reply has the magic, the error and the cookie, and touches nothing else", () => {
  const bytes = new Uint8Array(24).fill(0xee);
  encodeSimpleReply(new DataView(bytes.buffer), 3, 0, 0x55667788, 0x11223344);
  expect(bytes).toEqual(hex("eeeeee 67446698 00000000 1122334455667788 eeeeeeeeee"));
});

test("a simple reply carries an error in NBD's words, whatever its sign here", () => {
  const bytes = new Uint8Array(16);
  encodeSimpleReply(new DataView(bytes.buffer), 0, -28, 0, 0);
  expect(bytes).toEqual(hex("67446698 0000001c 0000000000000000"));
  encodeSimpleReply(new DataView(bytes.buffer), 0, 30, 0, 0);
  expect(bytes).toEqual(hex("67446698 00000001 0000000000000000"));
});

test("a cookie comes back as it was sent, bit for bit", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (cookie) => {
      const request = new Uint8Array(28);
      request.set(cookie, 8);
      const fields = newRequestFields();
      decodeRequest(new DataView(request.buffer), 0, fields);
      const reply = new Uint8Array(16);
      encodeSimpleReply(new DataView(reply.buffer), 0, 0, fields.cookieLow, fields.cookieHigh);
      expect(reply.subarray(8)).toEqual(cookie);
    }),
  );
});
