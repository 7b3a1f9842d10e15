/**
 * A machine that refuses what an opening takes (threads, eventfds, rings, memory, files, sockets): the opening fails in words, and nothing
 * of it is left; not a thread, a descriptor, a COW file that was made for it, a socket or a register. The process ends by itself.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { probeUring } from "../../src/device/native.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";

const PROGRAM = fileURLToPath(new URL("../support/opening-faults.mjs", import.meta.url));
const REGISTER = new URL("../support/register-fault.mjs", import.meta.url).href;
const run = promisify(execFile);

let scratch: Scratch;
afterEach(() => scratch.remove());

interface Opening {
  readonly k: number;
  readonly what: string;
  readonly opened: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly left: readonly string[];
  readonly files: number;
  readonly threads: number;
}

const CODES: Readonly<Record<string, string>> = {
  thread: "EAGAIN",
  eventfd: "EMFILE",
  file: "EMFILE",
  socket: "EMFILE",
  watch: "ENOMEM",
  memory: "ENOMEM",
  pages: "ENOMEM",
  register: "ENOSPC",
};

async function openings(...words: string[]): Promise<Opening[]> {
  scratch = await makeScratch();
  await writeFile(scratch.file("origin"), Buffer.alloc(2 ** 20));
  const { stdout } = await run(process.execPath, ["--import", REGISTER, PROGRAM, scratch.file("."), ...words]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Opening);
}

test("a register that cannot be written at all: its refusal is the word, and no file, lock or descriptor is left", async () => {
  // Taking the opening back failed at the register as well: devices stayed open and locked, and the COW files lay there.
  const refused = await openings("register");
  expect(refused.length).toBeGreaterThan(0);
  for (const { what, opened, code, left, files, threads } of refused)
    expect({ what, opened, code, left, files, threads }).toEqual({
      what: "register",
      opened: false,
      code: "ENOSPC",
      left: [],
      files: 0,
      threads: 0,
    });
});

test.runIf(probeUring().reason?.includes("addon") !== true)(
  "the k-th thing that an opening takes is refused, for every k: words, and nothing left",
  async () => {
    const refused = await openings();
    for (const { k, what, opened, code, message, hint, left, files, threads } of refused) {
      const where = `${k}: ${what}`;
      expect({ where, opened, code }).toEqual({ where, opened: false, code: CODES[what] });
      expect(message, where).toMatch(/^[^\n]{10,}$/);
      if (what === "thread") expect(hint, where).toContain("TasksMax");
      expect({ where, left, files, threads }).toEqual({ where, left: [], files: 0, threads: 0 });
    }
    expect(new Set(refused.map(({ what }) => what))).toEqual(new Set(Object.keys(CODES)));
    // The opening thread, metadata, two export workers, two copy workers.
    expect(refused.filter(({ what }) => what === "thread")).toHaveLength(6);
  },
);
