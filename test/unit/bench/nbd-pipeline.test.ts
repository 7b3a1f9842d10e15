/** The bytes of the client that does not wait. */
import { describe, expect, test } from "vitest";
import { exportRequest, ReplyCounter, writeRequest } from "../../../bench/nbd-pipeline.ts";

test("a write is a header of 28 bytes, and its payload", () => {
  const request = writeRequest(5 * 2 ** 32 + 4096, 8, 7);
  expect(request.toString("hex")).toBe(
    ["25609513", "0000", "0001", "0000000000000000", "0000000500001000", "00000008", "0707070707070707"].join(""),
  );
});

test("an export is asked for by name, without the zeroes behind its size", () => {
  expect(exportRequest("snap").toString("hex")).toBe(
    "00000003" + "49484156454f5054" + "00000001" + "00000004" + "736e6170",
  );
});

describe("replies", () => {
  const reply = (error: number): Buffer => {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32BE(0x67446698, 0);
    bytes.writeUInt32BE(error, 4);
    return bytes;
  };

  test("are counted wherever the stream is cut", () => {
    const stream = Buffer.concat([reply(0), reply(5), reply(0)]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const counter = new ReplyCounter();
      counter.take(stream.subarray(0, cut));
      counter.take(stream.subarray(cut));
      expect([counter.replies, counter.errors]).toEqual([3, 1]);
    }
  });

  test("what is none is refused", () => {
    expect(() => new ReplyCounter().take(Buffer.alloc(16))).toThrow("no reply");
  });
});
