/**
 * The examples of docs/LIBRARY.md run as they are, each as an ES module of its own in a folder with a disk.img, a system.img and a data.img, on the node of this test. The one in the
 * README runs in the installed package (package.test.ts).
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { runCommand } from "../support/run-command.ts";

const ROOT = join(import.meta.dirname, "../..");

const examples = readFileSync(join(ROOT, "docs/LIBRARY.md"), "utf8")
  .split(/^## /m)
  .flatMap((section) =>
    [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, text]) => [section.split("\n")[0], text]),
  );

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
  mkdirSync(scratch.file("node_modules"));
  symlinkSync(ROOT, scratch.file("node_modules/snapring"));
  for (const name of ["disk", "system", "data"]) writeFileSync(scratch.file(`${name}.img`), Buffer.alloc(2 ** 20));
});

afterEach(() => scratch.remove());

const PRINTS: Readonly<Record<string, readonly RegExp[]>> = {
  "Take, read and drop a snapshot": [/^nbd\+unix:\/\/\/before\?socket=\/.*\/snapring\.sock 64\/131072 64$/m],
  "Roll the origin back": [/^merged active$/m],
  "When a store runs full": [],
  "When something goes wrong": [
    /^true ERR_OUT_OF_RANGE workers options\.workers must be a whole number from 1 to 16; received 0$/m,
    /^ENOENT .*missing\.img.*check the path$/m,
  ],
  "Many volumes": [/^nbd\+unix:\/\/\/data%40nightly\?socket=\/.*\/engine\.sock$/m, /^\[ 'data' \] 2$/m],
  "Several volumes at one moment": [/^clients could not write for \d+ µs$/m],
  "Addresses, and who may connect": [/^660$/m],
  Close: [],
};

it("there is an example for each of these, and no other", () => {
  expect(examples.map(([title]) => title)).toEqual(Object.keys(PRINTS));
});

it.each(examples)("%s", async (title, text) => {
  writeFileSync(scratch.file("example.mjs"), text);
  const { code, stdout, stderr } = await runCommand("env", `--chdir=${scratch.path}`, process.execPath, "example.mjs");
  expect({ code, stderr: stderr.replace(/^before: .*\n/gm, "") }).toEqual({ code: 0, stderr: "" });
  for (const pattern of PRINTS[title]) expect(stdout).toMatch(pattern);
});
