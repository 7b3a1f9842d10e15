/**
 * Descriptors that must never be started: out of the arena, out of the file table, on the wrong kind of file, with bits that
 * mean nothing. Both native rings answer alike, and nothing in memory or file changes.
 */
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { FileKind } from "../../src/device/port.ts";
import { AllocateMode, IoFlag, IoOp } from "../../src/ring/io-descriptor.ts";
import { ARENA_BYTES, PAGE, RingBench, modes, nop } from "./ring-bench.ts";
import type { Descriptor } from "./ring-bench.ts";

const TOP = 0xffff_ffff;
const DISK = 0;
const SOCKET = 1;
const EVENT = 3;
const EMPTY = 9;

const INVALID: readonly (readonly [string, Descriptor])[] = [
  ["an offset behind the arena", { op: IoOp.Read, at: ARENA_BYTES, length: 1 }],
  ["a range over the arena's end", { op: IoOp.Read, at: ARENA_BYTES - PAGE, length: PAGE + 1 }],
  ["a length that wraps around 2^32", { op: IoOp.Write, at: PAGE, length: TOP }],
  ["an offset near 2^32", { op: IoOp.Write, at: TOP, length: 2 }],
  ["a negative position", { op: IoOp.Read, length: 8, position: -1 }],
  ["an unknown write argument", { op: IoOp.Write, length: 8, argument: 1 }],
  ["an unknown read argument", { op: IoOp.Read, length: 8, argument: 2 }],
  ["an unknown operation", { op: 14 }],
  ["an operation far out", { op: 255 }],
  ["an unknown flag", { op: IoOp.Nop, flags: 4 }],
  ["a read of a socket", { op: IoOp.Read, file: SOCKET, length: 8 }],
  ["a sync of a socket", { op: IoOp.Sync, file: SOCKET }],
  ["a receive from a file", { op: IoOp.Receive, file: DISK, length: 8 }],
  ["an event read of a file", { op: IoOp.EventRead, file: DISK }],
  ["a read of an event", { op: IoOp.Read, file: EVENT, length: 8 }],
  ["an event read over the arena's end", { op: IoOp.EventRead, file: EVENT, at: ARENA_BYTES - 7 }],
  ["a receive of nothing", { op: IoOp.Receive, file: SOCKET, length: 0 }],
  ["a receive with MSG_TRUNC", { op: IoOp.Receive, file: SOCKET, length: 8, argument: 0x20 }],
  ["a send with MSG_OOB", { op: IoOp.Send, file: SOCKET, length: 8, argument: 1 }],
  ["an unknown fallocate mode", { op: IoOp.Allocate, length2: PAGE, argument: 8 }],
  ["a hole that changes the size", { op: IoOp.Allocate, length2: PAGE, argument: AllocateMode.PunchHole }],
  ["an allocation of nothing", { op: IoOp.Allocate, length2: 0 }],
  ["an allocation up to 2^63", { op: IoOp.Allocate, length2: 2 ** 53, position: 2 ** 63 - 2 ** 53 }],
  ["a vector of nothing", { op: IoOp.ReadVector, at: 0, length: 0 }],
  ["a vector off its alignment", { op: IoOp.ReadVector, at: 2, length: 1 }],
  ["a vector over the arena's end", { op: IoOp.ReadVector, at: ARENA_BYTES - 8, length: 2 }],
  ["a vector behind the arena", { op: IoOp.SendVector, file: SOCKET, at: ARENA_BYTES, length: 1 }],
  ["a vector that is too long", { op: IoOp.WriteVector, at: 0, length: 1025 }],
  ["a vector whose length wraps", { op: IoOp.WriteVector, at: 0, length: 0x2000_0001 }],
];

const ABSENT: readonly (readonly [string, Descriptor])[] = [
  ["an empty index", { op: IoOp.Read, file: EMPTY, length: 8 }],
  ["an index behind the table", { op: IoOp.Write, file: 16, length: 8 }],
  ["an index near 2^32", { op: IoOp.Sync, file: TOP }],
];

function prepared(mode: ConstructorParameters<typeof RingBench>[0], kind: number): { bench: RingBench; path: string } {
  const bench = new RingBench(mode);
  const fd = bench.file(DISK, PAGE, 0x61, kind);
  bench.sockets(SOCKET);
  bench.event(EVENT);
  bench.arena.fill(0x2e);
  return { bench, path: `/proc/self/fd/${fd}` };
}

const kinds = modes().flatMap((mode) => [
  { mode, kind: FileKind.Async, name: `${mode}, asynchronous` },
  { mode, kind: FileKind.Inline, name: `${mode}, inline` },
]);

describe.each(kinds)("refused ($name)", ({ mode, kind }) => {
  it.each(INVALID)("%s is EINVAL, and its chain is not started", (_name, bad) => {
    const { bench, path } = prepared(mode, kind);
    using owned = bench;
    const write = { op: IoOp.Write, file: DISK, at: 0, length: 8 };
    const results = owned.results([
      { ...write, user: 1, link: true },
      { ...bad, user: 2, link: true },
      { ...write, user: 3 },
    ]);
    expect(results).toEqual([-errno.ECANCELED, -errno.EINVAL, -errno.ECANCELED]);
    expect(owned.results([bad])).toEqual([-errno.EINVAL]);
    expect(readFileSync(path, "latin1")).toBe("a".repeat(PAGE));
    expect(owned.arena.every((byte) => byte === 0x2e)).toBe(true);
  });

  it.each(ABSENT)("%s of the file table is EBADF", (_name, bad) => {
    const { bench } = prepared(mode, kind);
    using owned = bench;
    expect(owned.results([bad, nop(7)])).toEqual([-errno.EBADF, 0]);
  });

  it.each([
    ["behind the arena", ARENA_BYTES, 1],
    ["over its end", ARENA_BYTES - 1, 2],
    ["around 2^32", TOP, TOP],
    ["with a length near 2^32", PAGE, TOP],
  ])("a vector entry %s is EINVAL", (_name, at, length) => {
    const { bench, path } = prepared(mode, kind);
    using owned = bench;
    owned.vector(0, [
      [PAGE, 8],
      [at, length],
    ]);
    for (const op of [IoOp.ReadVector, IoOp.WriteVector]) {
      expect(owned.results([{ op, at: 0, length: 2 }])).toEqual([-errno.EINVAL]);
    }
    for (const op of [IoOp.SendVector, IoOp.ReceiveVector]) {
      expect(owned.results([{ op, file: SOCKET, at: 0, length: 2 }])).toEqual([-errno.EINVAL]);
    }
    expect(readFileSync(path, "latin1")).toBe("a".repeat(PAGE));
  });

  it("a vector whose sum no call can move is EINVAL", () => {
    using bench = new RingBench(mode, { arenaBytes: 4 * ARENA_BYTES });
    bench.file(DISK, PAGE, 0x61, kind);
    const entries = Array.from({ length: 512 }, () => [0, 4 * ARENA_BYTES] as const);
    const read = { op: IoOp.ReadVector, file: DISK, at: 0, length: 512, position: PAGE };
    bench.vector(0, entries);
    expect(bench.results([read])).toEqual([-errno.EINVAL]);
    expect(bench.results([{ ...read, length: 511 }])).toEqual([0]);
  });

  it("whatever is read stays inside its range (random descriptors)", () => {
    const edge = fc.oneof(
      fc.integer({ min: 0, max: ARENA_BYTES + 8192 }),
      fc.integer({ min: TOP - 8192, max: TOP }),
      fc.constantFrom(0, ARENA_BYTES, ARENA_BYTES - 1),
    );
    const { bench } = prepared(mode, kind);
    using owned = bench;
    fc.assert(
      fc.property(edge, edge, fc.integer({ min: 0, max: 2 * PAGE }), (at, length, position) => {
        owned.arena.fill(0x2e);
        const [result] = owned.results([{ op: IoOp.Read, at, length, position }]);
        const fits = at + length <= ARENA_BYTES;
        expect(result).toBe(fits ? Math.max(0, Math.min(length, PAGE - position)) : -errno.EINVAL);
        const touched = owned.arena.reduce((sum, byte) => sum + (byte === 0x2e ? 0 : 1), 0);
        expect(touched).toBe(fits ? result : 0);
      }),
      { numRuns: 40 },
    );
  });
});

describe("mixed chains", () => {
  it.runIf(modes().includes("uring"))("on io_uring, what is done within the turn cannot stand behind another", () => {
    using bench = new RingBench("uring");
    bench.file(0, PAGE, 0x61, FileKind.Async);
    const inline = bench.file(1, PAGE, 0x62, FileKind.Inline);
    const results = bench.results([
      { op: IoOp.Read, file: 0, length: 8, user: 1, link: true },
      { op: IoOp.Write, file: 1, length: 8, user: 2, flags: IoFlag.AtOnce | IoFlag.Link },
      { op: IoOp.Sync, file: 0, user: 3 },
    ]);
    expect(results).toEqual([-errno.ECANCELED, -errno.EINVAL, -errno.ECANCELED]);
    expect(readFileSync(`/proc/self/fd/${inline}`, "latin1")).toBe("b".repeat(PAGE));
  });
});
