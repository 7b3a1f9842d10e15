/** The folder of a register that has to be made, as /var/lib/snapring: nobody else may put one there. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { replaceRegisterFile } from "../../../src/register/register-file.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(() => scratch.remove());

it.each([0o000, 0o022])("is its owner's alone, and so is the register, whatever the umask (%i)", async (umask) => {
  const path = scratch.file("lib/snapring/disk.snapshots");
  const before = process.umask(umask);
  try {
    await replaceRegisterFile(path, "{}");
  } finally {
    process.umask(before);
  }
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
