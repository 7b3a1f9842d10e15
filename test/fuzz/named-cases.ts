/**
 * Hand-made nasty streams, each by its name: what generators seldom hit, and what other servers have fallen over.
 *
 * A case is one attack: its connections play at the same time.
 */
import { dataPattern } from "../support/data-pattern.ts";
import { Cmd, encodeRequest, type Request } from "../support/nbd-client.ts";
import { infoData, Opt, u16, u32 } from "../support/nbd-negotiation.ts";
import { option } from "./grammar.ts";
import { plainScript as plain, type Script } from "./script.ts";

const MIB = 2 ** 20;
const LARGEST = 32 * MIB;
const FLAGS = u32(3);
const GO = option(Opt.Go, infoData("origin", 3));
const GO_MONDAY = option(Opt.Go, infoData("monday", 3));

let cookies = 1n;
function ask(request: Request): Buffer {
  return encodeRequest(request, cookies++);
}

function write(offset: number, length: number, seed: number): Buffer {
  return Buffer.concat([ask({ type: Cmd.Write, offset, length }), dataPattern(length, seed)]);
}

function all(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

function enteredAnd(...parts: readonly Uint8Array[]): Buffer {
  return all(FLAGS, GO, ...parts);
}

/** The same stream, cut off behind each of its bytes. */
function everyCut(what: string, stream: Buffer): Script[] {
  return Array.from({ length: stream.length }, (_, i) =>
    plain(`${what}, ${i} bytes of it`, stream, {
      sends: [i],
      end: i % 2 === 0 ? "vanish" : "finish",
      tcp: i % 3 === 0,
    }),
  );
}

/** One send per byte. */
function bytewise(stream: Buffer): number[] {
  return Array.from({ length: stream.length }, (_, i) => i + 1);
}

const READ: Request = { type: Cmd.Read, offset: 4096, length: 4096 };
const SESSION = enteredAnd(ask(READ), write(5000, 300, 7), ask({ type: Cmd.Flush }), ask({ type: Cmd.Disc }));

export const NAMED_CASES: readonly (readonly [name: string, scripts: readonly Script[]])[] = [
  [
    "nothing at all",
    [plain("FIN", Buffer.alloc(0), { sends: [0] }), plain("close", Buffer.alloc(0), { sends: [0], end: "vanish" })],
  ],
  [
    "other protocols",
    [
      plain("HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")),
      plain("TLS", Buffer.from("16030100c8010000c40303", "hex")),
      plain("SSH", Buffer.from("SSH-2.0-OpenSSH_9.2\r\n")),
      plain("the oldstyle greeting, sent back", Buffer.from("NBDMAGIC\0\0\x42\x02\x81\x86\x12\x53", "latin1")),
      plain("zeroes", Buffer.alloc(100_000), { polite: false }),
    ],
  ],
  ["a session cut behind every byte", everyCut("a session", SESSION)],
  ["a session byte by byte", [plain("slowly", SESSION, { sends: bytewise(SESSION) })]],
  ["a session in one send, DISC and all, before the greeting is read", [plain("at once", SESSION, { polite: false })]],
  [
    "lengths that no option has",
    [0xffff_ffff, 0x8000_0000, MIB + 1].flatMap((length) =>
      [Opt.ExportName, Opt.Go, Opt.Info, Opt.List, 77].map((number) =>
        plain(
          `option ${number} of ${length}`,
          all(FLAGS, Buffer.from("IHAVEOPT"), u32(number), u32(length), Buffer.alloc(1000)),
        ),
      ),
    ),
  ],
  [
    "names and counts that lie about their length",
    [0, 1, 5, 6, 7, 4096, 0x7fff_ffff, 0xffff_ffff].map((length) =>
      plain(
        `a name of ${length}`,
        all(FLAGS, option(Opt.Go, all(u32(length), Buffer.from("origin"), u16(0xffff))), GO, ask(READ)),
      ),
    ),
  ],
  [
    "an option of a mebibyte, thrice, then a proper one",
    [
      plain(
        "long options",
        all(FLAGS, ...Array.from({ length: 3 }, () => option(99, Buffer.alloc(MIB))), GO, ask(READ)),
      ),
    ],
  ],
  [
    "more options than a handshake may have",
    [
      plain("1030 × LIST", all(FLAGS, ...Array.from({ length: 1030 }, () => option(Opt.List, Buffer.alloc(0)))), {
        polite: false,
      }),
    ],
  ],
  [
    "LIST without end, and nobody reads",
    Array.from({ length: 8 }, () =>
      plain("deaf", all(FLAGS, ...Array.from({ length: 1000 }, () => option(Opt.List, Buffer.alloc(0)))), {
        deaf: true,
        end: "linger",
      }),
    ),
  ],
  [
    "a payload that stops one byte early writes nothing",
    [1, 512, 40_000, LARGEST].map((length, i) => {
      const stream = enteredAnd(write(i * 100_000, length, 90 + i));
      return plain(`${length}`, stream, { sends: [stream.length - 1], end: i % 2 === 0 ? "finish" : "vanish" });
    }),
  ],
  [
    "a payload that looks like requests is data",
    [
      plain(
        "requests inside",
        enteredAnd(
          ask({ type: Cmd.Write, offset: 700, length: 84 }),
          ask(READ),
          ask(READ),
          ask({ type: Cmd.Disc }),
          ask(READ),
        ),
      ),
    ],
  ],
  [
    "ends of the 64-bit world",
    [2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 4096n, 2n ** 53n, 2n ** 32n].map((offset) =>
      plain(
        `${offset}`,
        enteredAnd(
          ...[Cmd.Read, Cmd.Trim, Cmd.WriteZeroes, Cmd.Cache].flatMap((type) =>
            [0, 1, 4096, 0xffff_ffff].map((length) => ask({ type, offset, length })),
          ),
          ask({ type: Cmd.Write, offset, length: 3, payload: Buffer.alloc(3) }),
          Buffer.alloc(3),
          ask(READ),
        ),
      ),
    ),
  ],
  [
    "four gibibytes of everything",
    [
      plain(
        "no payload",
        enteredAnd(
          ...[Cmd.Read, Cmd.Trim, Cmd.WriteZeroes, Cmd.Cache, Cmd.BlockStatus].map((type) =>
            ask({ type, length: 0xffff_ffff }),
          ),
          ask(READ),
        ),
      ),
      plain("a write", enteredAnd(ask(READ), ask({ type: Cmd.Write, length: 0xffff_ffff }), Buffer.alloc(5000))),
    ],
  ],
  [
    "a refused write of 64 MiB is read past",
    [
      plain(
        "64 MiB",
        enteredAnd(
          ask({ type: Cmd.Write, length: 64 * MIB }),
          Buffer.alloc(64 * MIB),
          ask(READ),
          ask({ type: Cmd.Disc }),
        ),
      ),
    ],
  ],
  [
    "the largest reads, many of them, and nobody reads the replies",
    Array.from({ length: 4 }, () =>
      plain("deaf", enteredAnd(...Array.from({ length: 50 }, () => ask({ type: Cmd.Read, length: LARGEST }))), {
        deaf: true,
        end: "linger",
      }),
    ),
  ],
  [
    "a thousand small reads, and nobody reads the replies",
    Array.from({ length: 4 }, () =>
      plain("deaf", all(FLAGS, GO_MONDAY, ...Array.from({ length: 1000 }, () => ask(READ))), {
        deaf: true,
        end: "linger",
      }),
    ),
  ],
  [
    "one cookie for 700 flushes",
    [
      plain(
        "flushes",
        enteredAnd(
          ...Array.from({ length: 700 }, () => encodeRequest({ type: Cmd.Flush }, 7n)),
          ask({ type: Cmd.Disc }),
        ),
      ),
    ],
  ],
  [
    "flags that were not negotiated",
    [2, 4, 8, 16, 32, 0x8000, 0xffff].map((flags) =>
      plain(
        `${flags}`,
        enteredAnd(
          ...[0, 1, 3, 4, 5, 6, 7].map((type) =>
            all(ask({ type, flags, length: 512 }), type === Cmd.Write ? Buffer.alloc(512) : Buffer.alloc(0)),
          ),
          ask(READ),
        ),
      ),
    ),
  ],
  [
    "everybody writes the same place",
    Array.from({ length: 6 }, (_, i) =>
      plain(
        `writer ${i}`,
        all(
          FLAGS,
          i % 2 === 0 ? GO : GO_MONDAY,
          ...Array.from({ length: 30 }, (__, k) => write(100_000 + k, 9000 + i, 1000 + 40 * i + k)),
        ),
      ),
    ),
  ],
  [
    "half-closed right behind the last request: everything is answered",
    [
      plain(
        "FIN",
        enteredAnd(
          write(0, 50_000, 3),
          ...Array.from({ length: 200 }, (_, i) => ask({ type: Cmd.Read, offset: i * 512, length: 60_000 })),
        ),
      ),
    ],
  ],
];
