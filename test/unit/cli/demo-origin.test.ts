/** The demo's image, in a folder in which somebody else may have put something. */
import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureDemoOrigin } from "../../../src/cli/demo-origin.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const SIZE = 2 ** 20;
let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("origin.img");
});

afterEach(() => scratch.remove());

test("is made under a name that nobody knows, and leaves nothing else", () => {
  // A link at origin.img.new, a name that nobody had typed, was followed, and what it led to overwritten.
  const victim = scratch.file("victim");
  writeFileSync(victim, "secret");
  for (const name of [`${path}.new`, `${path}.new.content`]) symlinkSync(victim, name);
  expect(ensureDemoOrigin(path, SIZE).isNew).toBe(true);
  expect(readFileSync(victim, "utf8")).toBe("secret");
  expect([lstatSync(path).isFile(), statSync(path).size, statSync(path).mode & 0o777]).toEqual([true, SIZE, 0o600]);
  expect(readdirSync(scratch.path).sort()).toEqual([
    "origin.img",
    "origin.img.new",
    "origin.img.new.content",
    "victim",
  ]);
  expect(ensureDemoOrigin(path, SIZE).isNew).toBe(false);
});

test("does not take the place of a link that leads nowhere", () => {
  symlinkSync(scratch.file("nothing"), path);
  expect(() => ensureDemoOrigin(path, SIZE)).toThrow("EEXIST");
  expect(readdirSync(scratch.path)).toEqual(["origin.img"]);
});
