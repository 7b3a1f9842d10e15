import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Dialect, EXTENDED, SIMPLE, STRUCTURED } from "../../../src/nbd/wire/dialect.ts";
import type { RequestFields } from "../../../src/nbd/wire/request.ts";
import { newRequestFields } from "../../../src/nbd/wire/request.ts";
import { judgeRequest, payloadBytes, Verdict } from "../../../src/nbd/wire/validate.ts";

const SIZE = 1_000_003;
const BIG = 2 ** 40;
const MIB = 1024 * 1024;
const READ = 0;
const WRITE = 1;
const DISC = 2;
const FLUSH = 3;
const TRIM = 4;
const CACHE = 5;
const ZEROES = 6;
const EPERM = 1;
const EINVAL = 22;
const ENOSPC = 28;

function request(fields: Partial<RequestFields>): RequestFields {
  return { ...newRequestFields(), magicOk: true, hasPayload: fields.type === WRITE, ...fields };
}

function judge(fields: Partial<RequestFields>, size = SIZE, readOnly = false): number {
  return judgeRequest(request(fields), size, readOnly);
}

describe.each([
  ["READ", READ, EINVAL],
  ["WRITE", WRITE, ENOSPC],
  ["WRITE_ZEROES", ZEROES, ENOSPC],
  ["TRIM", TRIM, EINVAL],
  ["CACHE", CACHE, EINVAL],
])("%s", (_name, type, beyond) => {
  test("a range inside the export is executed, down to one byte and up to its end", () => {
    expect(judge({ type, offset: 0, length: 512 })).toBe(Verdict.Execute);
    expect(judge({ type, offset: SIZE - 1, length: 1 })).toBe(Verdict.Execute);
    expect(judge({ type, offset: 7, length: SIZE - 7 })).toBe(Verdict.Execute);
  });

  test("a range that ends or starts beyond the export has its own error", () => {
    expect(judge({ type, offset: SIZE - 1, length: 2 })).toBe(beyond);
    expect(judge({ type, offset: SIZE, length: 1 })).toBe(beyond);
    expect(judge({ type, offset: SIZE + 1, length: 0 })).toBe(beyond);
    expect(judge({ type, offset: Number.MAX_SAFE_INTEGER, length: 0xffff })).toBe(beyond);
    expect(judge({ type, offset: Number.POSITIVE_INFINITY, length: 0 })).toBe(beyond);
    expect(judge({ type, offset: Number.MAX_SAFE_INTEGER, length: 1 }, Number.MAX_SAFE_INTEGER)).toBe(beyond);
  });

  test("a length of 0 inside the export succeeds at once", () => {
    expect(judge({ type, offset: 5, length: 0 })).toBe(0);
    expect(judge({ type, offset: SIZE, length: 0 })).toBe(0);
  });

  test("FUA is accepted, every flag that was not negotiated is EINVAL", () => {
    expect(judge({ type, flags: 1, length: 512 })).toBe(Verdict.Execute);
    for (const bit of [2, 3, 4, 5, 8, 15]) expect(judge({ type, flags: 1 << bit, length: 512 })).toBe(EINVAL);
  });

  test("on a read-only export it is EPERM if it modifies, whatever its range", () => {
    const modifies = type !== READ && type !== CACHE;
    expect(judge({ type, length: 512 }, SIZE, true)).toBe(modifies ? EPERM : Verdict.Execute);
    expect(judge({ type, offset: SIZE, length: 1 }, SIZE, true)).toBe(modifies ? EPERM : beyond);
  });
});

test("NO_HOLE goes with WRITE_ZEROES only", () => {
  expect(judge({ type: ZEROES, flags: 2, length: 512 })).toBe(Verdict.Execute);
  expect(judge({ type: ZEROES, flags: 3, length: 512 })).toBe(Verdict.Execute);
  for (const type of [READ, WRITE, FLUSH, TRIM, CACHE]) expect(judge({ type, flags: 2 })).toBe(EINVAL);
});

test("64 MiB of payload are executed, one byte more is EINVAL", () => {
  for (const type of [READ, WRITE]) {
    expect(judge({ type, length: 64 * MIB }, BIG)).toBe(Verdict.Execute);
    expect(judge({ type, length: 64 * MIB + 1 }, BIG)).toBe(EINVAL);
  }
  expect(judge({ type: READ, length: 0xffff_ffff }, BIG)).toBe(EINVAL);
});

test("commands without payload may be as long as a length can say", () => {
  for (const type of [TRIM, ZEROES, CACHE]) expect(judge({ type, length: 0xffff_ffff }, BIG)).toBe(Verdict.Execute);
});

test("a write payload is skipped up to 128 MiB, a longer one ends the connection", () => {
  expect(judge({ type: WRITE, length: 128 * MIB }, BIG)).toBe(EINVAL);
  expect(judge({ type: WRITE, length: 128 * MIB + 1 }, BIG)).toBe(Verdict.Disconnect);
  expect(judge({ type: WRITE, length: 128 * MIB + 1, flags: 0x8000 }, SIZE, true)).toBe(Verdict.Disconnect);
});

test("what is followed by payload is, refused or not", () => {
  expect(payloadBytes(request({ hasPayload: true, length: 77, offset: Number.POSITIVE_INFINITY, flags: 0xffff }))).toBe(
    77,
  );
  expect(payloadBytes(request({ type: READ, length: 77 }))).toBe(0);
});

test("a read in chunks may ask for one piece, an extended write says that it has a payload; elsewhere both are EINVAL", () => {
  const [DF, PAYLOAD] = [4, 32];
  const of = (dialect: Dialect, type: number, flags: number): number =>
    judgeRequest(request({ type, flags, length: 512 }), SIZE, false, dialect);
  for (const dialect of [STRUCTURED, EXTENDED]) expect(of(dialect, READ, DF | 1)).toBe(Verdict.Execute);
  expect([of(SIMPLE, READ, DF), of(STRUCTURED, WRITE, PAYLOAD), of(EXTENDED, READ, PAYLOAD)]).toEqual([
    EINVAL,
    EINVAL,
    EINVAL,
  ]);
  expect(of(EXTENDED, WRITE, PAYLOAD | 1)).toBe(Verdict.Execute);
  for (const type of [TRIM, ZEROES, CACHE, FLUSH]) expect(of(EXTENDED, type, DF)).toBe(EINVAL);
});

test("a flush is executed on any export, with FUA too, but has neither offset nor length", () => {
  expect(judge({ type: FLUSH }, SIZE, true)).toBe(Verdict.Execute);
  expect(judge({ type: FLUSH, flags: 1 })).toBe(Verdict.Execute);
  expect(judge({ type: FLUSH, offset: 1 })).toBe(EINVAL);
  expect(judge({ type: FLUSH, length: 1 })).toBe(EINVAL);
});

test("DISC is a goodbye, however odd its fields", () => {
  expect(judge({ type: DISC })).toBe(Verdict.Goodbye);
  expect(judge({ type: DISC, flags: 0xffff, offset: 9, length: 9 })).toBe(Verdict.Goodbye);
});

test("an unknown command is EINVAL, also BLOCK_STATUS, which nobody negotiated", () => {
  for (const type of [7, 8, 99, 0xffff]) expect(judge({ type, length: 512 })).toBe(EINVAL);
});

test("a wrong magic ends the connection before any field is believed", () => {
  expect(judge({ magicOk: false, type: DISC })).toBe(Verdict.Disconnect);
  expect(judge({ magicOk: false, type: WRITE, length: 512 })).toBe(Verdict.Disconnect);
});

test("whatever is executed lies inside the export", () => {
  const u32 = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 0xffff_ffff }));
  const offset = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.maxSafeNat(), fc.constant(Number.POSITIVE_INFINITY));
  fc.assert(
    fc.property(
      fc.nat(9),
      fc.nat(31),
      offset,
      u32,
      fc.oneof(fc.nat(2000), fc.maxSafeNat()),
      (type, flags, at, length, size) => {
        const fields = request({ type, flags, offset: at, length });
        if (judgeRequest(fields, size, false) !== Verdict.Execute) return;
        expect(BigInt(at) + BigInt(length) <= BigInt(size)).toBe(true);
        expect(type === FLUSH || length > 0).toBe(true);
        expect(payloadBytes(fields)).toBeLessThanOrEqual(64 * MIB);
      },
    ),
    { numRuns: 2000 },
  );
});
