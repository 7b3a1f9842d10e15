/** Calls that a thread makes itself: the same answers and errors as by node's helpers. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { callInThisThread, fileCalls } from "../../../src/device/file-calls.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;

beforeAll(() => callInThisThread());

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(() => scratch.remove());

it("a file is closed once: its number may be another one's by the second time", async () => {
  // Where a new file's mode could not be set, its folder was closed twice, and with it whatever another thread had opened meanwhile.
  writeFileSync(scratch.file("one"), "1");
  const file = await fileCalls().open(scratch.file("one"), 0);
  const number = file.fd;
  await file.close();
  const other = openSync(scratch.file("one"), "r");
  expect(other).toBe(number);
  await file.close();
  expect(readFileSync(other, "utf8")).toBe("1");
  closeSync(other);
});

it("reads and writes what it is told, and rejects with what the system says", async () => {
  const path = scratch.file("two");
  const file = await fileCalls().open(path, 0o102, 0o600);
  expect(await file.write(Buffer.from("abcdef"), 1, 4, 0)).toEqual({ bytesWritten: 4 });
  await file.sync();
  const bytes = Buffer.alloc(8);
  expect(await file.read(bytes, 2, 6, 1)).toEqual({ bytesRead: 3 });
  expect(bytes.toString("latin1")).toBe("\0\0cde\0\0\0");
  await file.truncate(2);
  expect((await file.stat()).size).toBe(2);
  await file.close();
  await expect(fileCalls().open(scratch.file("none"), 0)).rejects.toMatchObject({ code: "ENOENT" });
  await fileCalls().rename(path, scratch.file("three"));
  await expect(fileCalls().lstat(path)).rejects.toMatchObject({ code: "ENOENT" });
  await fileCalls().rm(scratch.file("three"));
});
