/** Requests and replies as bytes, in each of the three dialects. */
import { describe, expect, test } from "vitest";
import { REPLY_BYTES_MAX } from "../../../src/base/constants.ts";
import { EXTENDED, SIMPLE, STRUCTURED } from "../../../src/nbd/wire/dialect.ts";
import { NbdError } from "../../../src/nbd/wire/protocol.ts";
import { newRequestFields } from "../../../src/nbd/wire/request.ts";

const TO = {
  cookieHigh: 0x01020304,
  cookieLow: 0x05060708,
  offsetHigh: 0,
  offsetLow: 0x1000,
  first: 0x1000,
  last: 0x3000,
  offset: 0x1000,
};
const COOKIE = "0102030405060708";
const DIALECTS = { SIMPLE, STRUCTURED, EXTENDED };
const EIO = 5;

function bytesOf(length: number, write: (view: DataView) => unknown): string {
  const bytes = Buffer.alloc(length);
  write(new DataView(bytes.buffer, bytes.byteOffset, length));
  return bytes.toString("hex");
}

describe("the header in front of data", () => {
  test("simple: magic, no error, cookie; of a part and of all alike", () => {
    const hex = bytesOf(SIMPLE.dataHeaderBytes, (view) => SIMPLE.encodeData(view, 0, TO, 0x2000));
    expect(hex).toBe(`6744669800000000${COOKIE}`);
  });

  test("structured: a chunk with its offset and length, done with the last byte of the request", () => {
    const { dataHeaderBytes: length } = STRUCTURED;
    const part = bytesOf(length, (view) => STRUCTURED.encodeData(view, 0, TO, 0x2000));
    expect(part).toBe(`668e33ef00000001${COOKIE}00001008${"0000000000001000"}`);
    const last = bytesOf(length, (view) => STRUCTURED.encodeData(view, 0, { ...TO, offset: 0x2000 }, 0x3000));
    expect(last).toBe(`668e33ef00010001${COOKIE}00001008${"0000000000002000"}`);
  });

  test("extended: the same with the request's offset, and 64 bits of length", () => {
    const { dataHeaderBytes: length } = EXTENDED;
    const last = bytesOf(length, (view) => EXTENDED.encodeData(view, 0, { ...TO, offset: 0x2000 }, 0x3000));
    expect(last).toBe(`6e8a278c00010001${COOKIE}${"0000000000001000"}${"0000000000001008"}${"0000000000002000"}`);
  });
});

describe("a reply without data", () => {
  const end = (dialect: typeof SIMPLE, error: number, isRead: boolean): string => {
    let length = 0;
    const hex = bytesOf(REPLY_BYTES_MAX, (view) => (length = dialect.encodeEnd(view, 0, TO, error, isRead)));
    return hex.slice(0, 2 * length);
  };

  test("simple: the error, of either sign, as NBD has it", () => {
    expect(end(SIMPLE, 0, false)).toBe(`6744669800000000${COOKIE}`);
    expect(end(SIMPLE, -EIO, true)).toBe(`6744669800000005${COOKIE}`);
  });

  test("structured: simple where all is well and nobody reads; of a read an empty chunk, or an error that says why", () => {
    expect(end(STRUCTURED, 0, false)).toBe(`6744669800000000${COOKIE}`);
    expect(end(STRUCTURED, 0, true)).toBe(`668e33ef00010000${COOKIE}00000000`);
    const text = Buffer.from("a device has failed, or the snapshot is invalid").toString("hex");
    const length = (6 + text.length / 2).toString(16).padStart(8, "0");
    const textLength = (text.length / 2).toString(16).padStart(4, "0");
    for (const isRead of [true, false])
      expect(end(STRUCTURED, EIO, isRead)).toBe(`668e33ef00018001${COOKIE}${length}00000005${textLength}${text}`);
  });

  test("extended: the offset is the request's own, also where no export has so many bytes", () => {
    const far = { ...TO, offsetHigh: -1, offsetLow: -2, first: Number.POSITIVE_INFINITY };
    const hex = bytesOf(REPLY_BYTES_MAX, (view) => EXTENDED.encodeEnd(view, 0, far, EIO, true));
    expect(hex.slice(32, 48)).toBe("fffffffffffffffe");
  });

  test("extended: always a chunk", () => {
    expect(end(EXTENDED, 0, false)).toBe(`6e8a278c00010000${COOKIE}${"0000000000001000"}${"0".repeat(16)}`);
    expect(end(EXTENDED, EIO, false)).toMatch(new RegExp(`^6e8a278c00018001${COOKIE}0{12}1000`));
  });

  test.each(Object.entries(DIALECTS))(
    "%s: every error has room, and a text where there is a place for it",
    (name, dialect) => {
      for (const error of Object.values(NbdError)) {
        const hex = end(dialect, error, true);
        expect(hex.length / 2).toBeLessThanOrEqual(REPLY_BYTES_MAX);
        if (name !== "SIMPLE") expect(Buffer.from(hex, "hex").toString("latin1")).toMatch(/[a-z ,-]{20}$/);
      }
    },
  );
});

describe("a request", () => {
  test("extended: 64 bits of length, Infinity where no number can hold them; another dialect's magic is out of step", () => {
    const decode = (hex: string, dialect = EXTENDED): ReturnType<typeof newRequestFields> => {
      const bytes = Buffer.from(hex, "hex");
      const fields = newRequestFields();
      dialect.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, fields);
      return fields;
    };
    const header = `21e41c7100010004${COOKIE}${"0000000000001000"}`;
    expect(decode(`${header}0000010000000000`)).toEqual({
      ...{ magicOk: true, flags: 1, type: 4, cookieHigh: TO.cookieHigh, cookieLow: TO.cookieLow },
      ...{ offset: 0x1000, offsetHigh: 0, offsetLow: 0x1000, length: 2 ** 40, hasPayload: false },
    });
    expect(decode(`${header}ffffffffffffffff`).length).toBe(Number.POSITIVE_INFINITY);
    expect(decode(`${header}0000010000000000`, STRUCTURED).magicOk).toBe(false);
    expect(decode(`2560951300010004${COOKIE}${"0".repeat(32)}`).magicOk).toBe(false);
  });

  test("extended: of a write, and of whatever says so, a payload follows", () => {
    const hasPayload = (flags: string, type: string): boolean => {
      const bytes = Buffer.from(`21e41c71${flags}${type}${COOKIE}${"0".repeat(32)}`, "hex");
      const fields = newRequestFields();
      EXTENDED.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, fields);
      return fields.hasPayload;
    };
    expect([hasPayload("0000", "0001"), hasPayload("0020", "0001")]).toEqual([true, true]);
    expect([hasPayload("0000", "0000"), hasPayload("0020", "0000"), hasPayload("0020", "0007")]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
