/** A register that somebody else has written, on the terminal of whoever opens its origin. */
import { mkdirSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { printable } from "../../../src/base/printable.ts";
import type { Sector } from "../../../src/base/units.ts";
import { shown } from "../../../src/cli/terminal.ts";
import { createStore } from "../../../src/offline/create-store.ts";
import { howToGive } from "../../../src/register/how-to-give.ts";
import type { OriginRegister } from "../../../src/register/origin-register.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { snapring } from "../../support/fake-terminal.ts";

const NAME = "x\u001b]0;owned\u0007'; touch /tmp/owned; '\n\u202e";
const COW = "/v/\u009b2J\r$(id).cow";

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(() => scratch.remove());

test.each([[], ["--json"]])(
  "names of a register are shown, not obeyed, also in the words of a refusal %s",
  async (...flags) => {
    const [origin, cow] = [scratch.file("disk.img"), scratch.file("s.cow")];
    writeFileSync(origin, Buffer.alloc(8192));
    await createStore({ cow, sectors: 2048 as Sector });
    const snapshots = { [NAME]: { cow: COW, state: "active" } };
    writeFileSync(`${origin}.snapshots`, JSON.stringify({ version: 1, snapshots }));
    const ran = await snapring("merge", origin, cow, "--unregistered", ...flags);
    const all = ran.stdout + ran.stderr;
    expect(all).toContain("owned");
    expect(printable(all)).toBe(all);
    expect(all.trim().split("\n")).toHaveLength(1);
    if (flags.length > 0) expect(JSON.parse(ran.stdout).error.message).toContain("owned");
  },
);

test("the command that a hint offers is safe to paste", () => {
  const entry = { cow: COW, isBeside: true, state: "active" };
  const register = { snapshots: new Map([[NAME, entry]]), origin: undefined };
  const hint = howToGive(NAME, { register, standing: "home" } as unknown as OriginRegister).command;
  expect(hint).toContain("--abandon $'x\\u001b]0;owned\\u0007\\'; touch /tmp/owned; \\'\\u000a\\u202e'");
  expect(hint).toContain("\\u009b2J\\u000d$(id).cow'");
});

test("a path that the command line names is shown likewise", async () => {
  const folder = scratch.file("\u001b[31mred");
  mkdirSync(folder);
  const { stderr, code } = await snapring("status", folder);
  expect(code).toBe(1);
  expect(stderr).toContain("\\u001b[31mred");
});

test("only our own line is drawn anew", () => {
  expect(shown("\r\u001b[Kread 50 %\u001b[2J")).toBe("\r\u001b[Kread 50 %\\u001b[2J");
  expect(shown("x\r\u001b[K")).toBe("x\\u000d\\u001b[K");
});
