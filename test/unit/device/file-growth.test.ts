/** A COW file is made larger as what it is, sparse or reserved, or stays as it was (E-45). */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { growFile } from "../../../src/device/file-growth.ts";
import * as space from "../../../src/device/file-space.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const KIB = 1024;
let scratch: Scratch;
let path: string;
let fd: number;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("cow");
  writeFileSync(path, Buffer.alloc(64 * KIB, 7));
  fd = openSync(path, "r+");
});

afterEach(async () => {
  vi.restoreAllMocks();
  closeSync(fd);
  await scratch.remove();
});

const grow = (bytes: number, sparse = false): number => growFile({ fd, path, bytes, sparse });
const hasSpace = (): boolean => fstatSync(fd).blocks * 512 >= fstatSync(fd).size;

test("one that has its space gets more of it, and keeps what is in it", () => {
  expect(grow(256 * KIB)).toBe(256 * KIB);
  expect([fstatSync(fd).size, hasSpace()]).toEqual([256 * KIB, true]);
  const bytes = readFileSync(path);
  expect(bytes.subarray(0, 64 * KIB).every((byte) => byte === 7)).toBe(true);
  expect(bytes.subarray(64 * KIB).every((byte) => byte === 0)).toBe(true);
});

test("one with holes stays sparse, and one that is said to be", () => {
  expect(grow(128 * KIB, true)).toBe(128 * KIB);
  expect(hasSpace()).toBe(false);
  expect(grow(256 * KIB)).toBe(256 * KIB);
  expect(fstatSync(fd).blocks * 512).toBeLessThan(128 * KIB);
});

test("one that is as large already, or larger, is left alone: that is its size", () => {
  expect([grow(64 * KIB), grow(4 * KIB)]).toEqual([64 * KIB, 64 * KIB]);
  expect(fstatSync(fd).size).toBe(64 * KIB);
});

test("where nothing can be reserved zeroes are written", () => {
  vi.spyOn(space, "reserveSpace").mockReturnValue(errno.EOPNOTSUPP);
  expect(grow(256 * KIB)).toBe(256 * KIB);
  expect([fstatSync(fd).size, hasSpace()]).toEqual([256 * KIB, true]);
});

test.each(["ENOSPC", "EDQUOT", "EFBIG"] as const)(
  "%s: it is as before, also where it was made longer by half",
  (code) => {
    vi.spyOn(space, "reserveSpace").mockImplementation(() => {
      ftruncateSync(fd, 100 * KIB);
      return errno[code];
    });
    expect(() => grow(256 * KIB)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(`cannot make COW file ${path} larger`) }),
    );
    expect(fstatSync(fd).size).toBe(64 * KIB);
  },
);

test("zeroes for which there is no room are not even begun", () => {
  vi.spyOn(space, "reserveSpace").mockReturnValue(errno.EOPNOTSUPP);
  expect(() => grow(2 ** 52)).toThrow(expect.objectContaining({ code: "ENOSPC" }));
  expect(fstatSync(fd).size).toBe(64 * KIB);
});
