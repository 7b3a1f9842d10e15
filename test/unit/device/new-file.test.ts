import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { loadNative } from "../../../src/device/native.ts";
import { makeFile } from "../../../src/device/new-file.ts";

const MIB = 1024 * 1024;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snapring-new-file-"));
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

it("has its size, reads as zeroes, and is its owner's alone", () => {
  const path = join(folder, "cow");
  makeFile(path, MIB, "reserved");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path).equals(Buffer.alloc(MIB))).toBe(true);
});

it.skipIf(loadNative().native === undefined)("reserves its space (native)", () => {
  const path = join(folder, "cow");
  makeFile(path, MIB, "reserved");
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(MIB);
});

it("takes no space where it is to be sparse", () => {
  const path = join(folder, "cow");
  makeFile(path, MIB, "sparse");
  expect(statSync(path).blocks).toBe(0);
});

it("is written through where it is to be, and says how far it is", () => {
  const path = join(folder, "cow");
  const seen: number[] = [];
  makeFile(path, 5 * MIB + 512, "written", (bytes) => seen.push(bytes));
  expect(seen).toEqual([4 * MIB, 5 * MIB + 512]);
  expect(readFileSync(path).equals(Buffer.alloc(5 * MIB + 512))).toBe(true);
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(5 * MIB);
});

it("does not touch a file that is there", () => {
  const path = join(folder, "cow");
  makeFile(path, 4096, "sparse");
  expect(() => makeFile(path, MIB, "reserved")).toThrow(path);
  expect(statSync(path).size).toBe(4096);
});

it("leaves nothing behind where there is no room", () => {
  const path = join(folder, "cow");
  expect(() => makeFile(path, 2 ** 52, "reserved")).toThrow();
  expect(() => statSync(path)).toThrow("ENOENT");
});

it.skipIf(loadNative().native === undefined).each([
  ["ENOSPC", "no space left on the file system", /smaller, or sparse/],
  ["EDQUOT", "the disk quota is used up", /smaller, or sparse/],
  ["EFBIG", "files may not be of this size here", /ulimit -f/],
  ["EPERM", "not permitted", /sparse/],
] as const)("%s while its space is reserved: said as what it is, and there is no file", (code, why, hint) => {
  // All but two were EIO, and all of them "no room".
  const { native } = loadNative();
  vi.spyOn(native!, "reserveFile").mockReturnValue(-errno[code]);
  const path = join(folder, "cow");
  const message = `space for a COW file ${path} of 1 MiB cannot be reserved: ${why}`;
  expect(() => makeFile(path, MIB, "reserved")).toThrow(
    expect.objectContaining({ code, message, hint: expect.stringMatching(hint) }),
  );
  expect(existsSync(path)).toBe(false);
});
