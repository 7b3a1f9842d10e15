import { describe, expect, test } from "vitest";
import { EXTENDED, SIMPLE, STRUCTURED } from "../../../src/nbd/wire/dialect.ts";
import type { OfferedExport } from "../../../src/nbd/wire/offered-export.ts";
import { CloseReason, Handshake } from "../../../src/nbd/wire/handshake.ts";
import {
  clientFlags,
  drive,
  hex,
  infoData,
  join,
  lookup,
  monday,
  option,
  origin,
  reply,
  replyTypes,
  takeAll,
  text,
  u16,
  u32,
} from "./handshake-stream.ts";

const EXPORT_NAME = 1;
const ABORT = 2;
const LIST = 3;
const INFO = 6;
const GO = 7;
const ACK = 1;
const UNSUP = 0x8000_0001;
const INVALID = 0x8000_0003;
const UNKNOWN = 0x8000_0006;
const TOO_BIG = 0x8000_0009;

/** HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, CAN_MULTI_CONN, SEND_CACHE. */
const WRITABLE = "056d";
const READ_ONLY = "056f";
const ORIGIN_SIZE = "0000012345 6789ab";

function negotiate(...options: readonly Uint8Array[]): ReturnType<typeof drive> {
  return drive(join(clientFlags(3), ...options));
}

test("the greeting is the two magics and the handshake flags FIXED_NEWSTYLE and NO_ZEROES", () => {
  const handshake = new Handshake(lookup);
  expect(takeAll(handshake)).toEqual(hex("4e42444d41474943 49484156454f5054 0003"));
  expect(handshake.state).toBe("negotiating");
});

describe("client flags", () => {
  test.each([0, 1, 2, 3])("%i are accepted", (flags) => {
    expect(drive(join(clientFlags(flags), option(GO, infoData("")))).handshake.state).toBe("transmission");
  });

  test.each([4, 7, 0x8000_0000, 0xffff_ffff])("%i close the connection without a word", (flags) => {
    const { handshake, output } = drive(join(clientFlags(flags), option(LIST)));
    expect(handshake.state).toBe("closing");
    expect(handshake.closeReason).toBe(CloseReason.UnknownClientFlags);
    expect(output.length).toBe(0);
  });
});

describe("EXPORT_NAME", () => {
  test("it answers size and flags alone after NO_ZEROES", () => {
    const { handshake, output } = negotiate(option(EXPORT_NAME, text("monday")));
    expect(output).toEqual(hex(`0000000000100000 ${READ_ONLY}`));
    expect(handshake.state).toBe("transmission");
    expect(handshake.chosen).toBe(monday);
  });

  test("it answers with 124 zeroes more without NO_ZEROES", () => {
    const { handshake, output } = drive(join(clientFlags(1), option(EXPORT_NAME, text("origin"))));
    expect(output).toEqual(join(hex(`${ORIGIN_SIZE} ${WRITABLE}`), new Uint8Array(124)));
    expect(handshake.chosen).toBe(origin);
  });

  test("the empty name is the default export", () => {
    expect(negotiate(option(EXPORT_NAME)).handshake.chosen).toBe(origin);
  });

  test.each([
    ["an unknown name", text("tuesday")],
    ["a name that is not UTF-8", hex("ff fe")],
    ["a name with a NUL", text("origin\0")],
    ["a name above 4096 bytes", new Uint8Array(4097).fill(0x61)],
  ])("%s closes the connection", (_name, data) => {
    const { handshake, output } = negotiate(option(EXPORT_NAME, data));
    expect(handshake.state).toBe("closing");
    expect(handshake.closeReason).toBe(CloseReason.UnknownExport);
    expect(handshake.chosen).toBe(undefined);
    expect(output.length).toBe(0);
  });
});

describe("LIST", () => {
  test("it names every export with its description, then acknowledges", () => {
    expect(negotiate(option(LIST)).output).toEqual(
      join(
        reply(LIST, 2, join(u32(6), text("origin"), text("live volume"))),
        reply(LIST, 2, join(u32(6), text("monday"))),
        reply(LIST, ACK),
      ),
    );
  });

  test("with data it is invalid, and the step is kept", () => {
    expect(replyTypes(negotiate(option(LIST, text("surplus")), option(LIST)).output)).toEqual([INVALID, 2, 2, ACK]);
  });

  test("a list of the most exports with the longest names fits", () => {
    const many = Array.from(
      { length: 258 },
      (_, i): OfferedExport => ({ ...monday, name: String(i).padStart(4096, "x") }),
    );
    const { output } = drive(join(clientFlags(3), option(LIST)), [], { find: () => undefined, list: () => many });
    expect(replyTypes(output).filter((type) => type === 2).length).toBe(258);
    expect(replyTypes(output).at(-1)).toBe(ACK);
  });

  test("a list that is longer than any answer may be is refused whole", () => {
    const many = Array.from({ length: 600 }, (): OfferedExport => ({ ...monday, name: "x".repeat(4096) }));
    const { output, handshake } = drive(join(clientFlags(3), option(LIST)), [], {
      find: () => undefined,
      list: () => many,
    });
    expect(replyTypes(output)).toEqual([TOO_BIG]);
    expect(handshake.state).toBe("negotiating");
  });
});

describe.each([
  ["INFO", INFO, "negotiating"],
  ["GO", GO, "transmission"],
])("%s", (_name, number, after) => {
  const exportInfo = reply(number, 3, hex(`0000 ${ORIGIN_SIZE} ${WRITABLE}`));

  test("it describes the export, then acknowledges", () => {
    const { handshake, output } = negotiate(option(number, infoData("origin")));
    expect(output).toEqual(join(exportInfo, reply(number, ACK)));
    expect(handshake.state).toBe(after);
    expect(handshake.chosen).toBe(after === "transmission" ? origin : undefined);
  });

  test("it answers name, description and block size when asked, once each, and ignores what it does not know", () => {
    const { output } = negotiate(option(number, infoData("", 1, 2, 3, 3, 0, 77)));
    expect(output).toEqual(
      join(
        exportInfo,
        reply(number, 3, join(u16(1), text("origin"))),
        reply(number, 3, join(u16(2), text("live volume"))),
        reply(number, 3, hex("0003 00000001 00001000 04000000")),
        reply(number, ACK),
      ),
    );
  });

  test("it leaves out a description that does not exist, and prefers the export's chunk size", () => {
    const { output } = negotiate(option(number, infoData("monday", 2, 3)));
    expect(output).toEqual(
      join(
        reply(number, 3, hex(`0000 0000000000100000 ${READ_ONLY}`)),
        reply(number, 3, hex("0003 00000001 00004000 04000000")),
        reply(number, ACK),
      ),
    );
  });

  test("an unknown export is an error, and the negotiation goes on", () => {
    const { handshake, output } = negotiate(option(number, infoData("tuesday", 3)), option(LIST));
    expect(replyTypes(output)).toEqual([UNKNOWN, 2, 2, ACK]);
    expect(handshake.state).toBe("negotiating");
  });

  test.each([
    ["no data", new Uint8Array()],
    ["data shorter than its frame", hex("00000000 00")],
    ["a name longer than the data", join(u32(7), text("origin"), u16(0))],
    ["a name length near 2^32", join(u32(0xffff_fffc), text("origin"), u16(0))],
    ["more requests than data", join(u32(6), text("origin"), u16(2), u16(3))],
    ["fewer requests than data", join(u32(6), text("origin"), u16(0), u16(3))],
    ["half a request", join(u32(6), text("origin"), u16(1), hex("00"))],
    ["a name that is not UTF-8", join(u32(2), hex("c328"), u16(0))],
    ["a name with a NUL", join(u32(7), text("origin\0"), u16(0))],
  ])("%s is invalid, and the step is kept", (_case, data) => {
    const { handshake, output } = negotiate(option(number, data), option(INFO, infoData("")));
    expect(replyTypes(output)).toEqual([INVALID, 3, ACK]);
    expect(handshake.state).toBe("negotiating");
  });

  test.each([
    ["a name of 4097 bytes", infoData("x".repeat(4097))],
    ["more data than is kept", infoData("", ...Array.from({ length: 5000 }, (_, i) => i))],
    ["1 MiB of data", new Uint8Array(1024 * 1024)],
  ])("%s is too big, and the step is kept", (_case, data) => {
    const { output } = negotiate(option(number, data), option(INFO, infoData("")));
    expect(replyTypes(output)).toEqual([TOO_BIG, 3, ACK]);
  });

  test("the longest name is looked up", () => {
    const name = "ä".repeat(2048);
    const found: OfferedExport = { ...monday, name };
    const { output } = drive(join(clientFlags(3), option(number, infoData(name, 1))), [], {
      find: (asked) => (asked === name ? found : undefined),
      list: () => [found],
    });
    expect(replyTypes(output)).toEqual([3, 3, ACK]);
  });

  test("a byte order mark belongs to the name", () => {
    expect(replyTypes(negotiate(option(number, infoData("\ufefforigin"))).output)).toEqual([UNKNOWN]);
  });
});

test("bytes after GO are left: they are requests", () => {
  const { handshake, rest } = negotiate(option(GO, infoData("")), text("request"));
  expect(handshake.state).toBe("transmission");
  expect(rest).toBe(7);
  expect(handshake.feed(text("more"), 0, 4)).toBe(0);
});

test("ABORT is acknowledged, with surplus data too, then the connection closes", () => {
  for (const data of [new Uint8Array(), text("goodbye")]) {
    const { handshake, output } = negotiate(option(ABORT, data), option(LIST));
    expect(output).toEqual(reply(ABORT, ACK));
    expect(handshake.state).toBe("closing");
    expect(handshake.closeReason).toBe(CloseReason.Abort);
  }
});

test.each([
  ["PEEK_EXPORT", 4],
  ["STARTTLS", 5],
  ["LIST_META_CONTEXT", 9],
  ["SET_META_CONTEXT", 10],
  ["an option of the future", 0xdead_beef],
  ["option 0", 0],
])("%s is not supported, and its data is stepped over", (_name, number) => {
  for (const length of [0, 1, 16, 8193, 1024 * 1024]) {
    const data = new Uint8Array(length).fill(0x49);
    const { handshake, output } = negotiate(option(number, data), option(GO, infoData("monday")));
    expect(output.subarray(0, 20)).toEqual(reply(number, UNSUP, text("option is not supported")).subarray(0, 20));
    expect(replyTypes(output)).toEqual([UNSUP, 3, ACK]);
    expect(handshake.chosen).toBe(monday);
  }
});

describe("dialects", () => {
  const [STRUCTURED_REPLY, EXTENDED_HEADERS] = [8, 11];
  const [INVALID, EXTENDED_REQUIRED] = [0x8000_0003, 0x8000_000a];

  test("requests are simple, unless the client chooses otherwise, which it can do once each and never take back", () => {
    const chosen = (...options: readonly Uint8Array[]): unknown => negotiate(...options).handshake.dialect;
    expect(chosen(option(GO, infoData("monday")))).toBe(SIMPLE);
    expect(chosen(option(STRUCTURED_REPLY))).toBe(STRUCTURED);
    expect(chosen(option(EXTENDED_HEADERS))).toBe(EXTENDED);
    expect(chosen(option(STRUCTURED_REPLY), option(EXTENDED_HEADERS))).toBe(EXTENDED);
    const { handshake, output } = negotiate(
      ...[option(STRUCTURED_REPLY), option(STRUCTURED_REPLY)],
      ...[option(EXTENDED_HEADERS), option(EXTENDED_HEADERS), option(STRUCTURED_REPLY)],
    );
    expect(replyTypes(output)).toEqual([ACK, INVALID, ACK, INVALID, EXTENDED_REQUIRED]);
    expect(handshake.dialect).toBe(EXTENDED);
  });

  test("one with data is malformed, its data is stepped over, and nothing is chosen", () => {
    for (const number of [STRUCTURED_REPLY, EXTENDED_HEADERS]) {
      for (const length of [1, 16, 8193, 1024 * 1024]) {
        const data = new Uint8Array(length).fill(0x49);
        const { handshake, output } = negotiate(option(number, data), option(GO, infoData("monday")));
        expect(replyTypes(output)).toEqual([INVALID, 3, ACK]);
        expect([handshake.dialect, handshake.chosen]).toEqual([SIMPLE, monday]);
      }
    }
  });

  test("that reads need not be in pieces is announced where they may be: in the answers to GO and to EXPORT_NAME", () => {
    const SEND_DF = 1 << 7;
    const flags = (output: Uint8Array): number => (output.at(-22)! << 8) | output.at(-21)!;
    for (const [number, has] of [
      [STRUCTURED_REPLY, true],
      [EXTENDED_HEADERS, true],
      [99, false],
    ] as const) {
      const { output } = negotiate(option(number), option(GO, infoData("monday")));
      expect([number, (flags(output) & SEND_DF) !== 0]).toEqual([number, has]);
    }
    const { output } = negotiate(option(STRUCTURED_REPLY), option(1, text("monday")));
    expect((output.at(-1)! & SEND_DF) !== 0).toBe(true);
  });

  test("EXPORT_NAME after EXTENDED_HEADERS closes the connection: only GO may follow", () => {
    const { handshake } = negotiate(option(EXTENDED_HEADERS), option(1, text("monday")));
    expect([handshake.state, handshake.closeReason]).toEqual(["closing", CloseReason.ExportNameRefused]);
  });
});

test("a wrong option magic closes the connection", () => {
  const { handshake } = negotiate(text("IHAVENOT"), u32(3), u32(0));
  expect(handshake.state).toBe("closing");
  expect(handshake.closeReason).toBe(CloseReason.BadOptionMagic);
});

test("an option with more data than is worth reading closes the connection at its header", () => {
  for (const number of [ABORT, LIST, GO, 99]) {
    const { handshake } = negotiate(text("IHAVEOPT"), u32(number), u32(1024 * 1024 + 1));
    expect(handshake.closeReason).toBe(CloseReason.OptionTooLong);
  }
});

test("1024 options are answered, one more closes the connection", () => {
  const full = negotiate(...Array.from({ length: 1024 }, () => option(99)));
  expect(replyTypes(full.output).length).toBe(1024);
  expect(full.handshake.state).toBe("negotiating");
  const over = negotiate(...Array.from({ length: 1025 }, () => option(99)));
  expect(replyTypes(over.output).length).toBe(1024);
  expect(over.handshake.closeReason).toBe(CloseReason.TooManyOptions);
});

test("nothing is read while an answer waits, and output is taken in pieces of any size", () => {
  const handshake = new Handshake(lookup);
  const bytes = join(clientFlags(3), option(LIST), option(LIST));
  expect(handshake.feed(bytes, 0, bytes.length)).toBe(0);
  takeAll(handshake);
  expect(handshake.feed(bytes, 0, bytes.length)).toBe(20);
  const expected = drive(join(clientFlags(3), option(LIST))).output;
  const taken = new Uint8Array(expected.length);
  for (let at = 0; handshake.outputLength > 0; ) {
    expect(handshake.feed(bytes, 20, bytes.length)).toBe(20);
    at += handshake.takeOutput(taken, at, 7);
  }
  expect(taken).toEqual(expected);
  expect(handshake.feed(bytes, 20, bytes.length)).toBe(36);
});
