/** What somebody else has put in a register's place: what is read, what is believed, and what is done on its word. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SnapringError } from "../../../src/base/errno.ts";
import type { Sector } from "../../../src/base/units.ts";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { loadNative } from "../../../src/device/native.ts";
import { createStore } from "../../../src/offline/create-store.ts";
import { abandonAll, givenUp } from "../../../src/register/abandon.ts";
import { identityOfStore } from "../../../src/register/known-store.ts";
import { writeMark } from "../../../src/register/mark.ts";
import { findRegister, type OriginRegister } from "../../../src/register/origin-register.ts";
import { Register } from "../../../src/register/register.ts";
import { mayGiveUp, refuseForeignRegister } from "../../../src/register/register-owner.ts";
import type { RegisteredSnapshot } from "../../../src/register/register-text.ts";
import { NOTHING_SEEN } from "../../../src/register/seen-store.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const ROOT = 0;
const US = 1000;
const SERVICE = 2000;
const STRANGER = 65_534;
const isRoot = process.getuid?.() === ROOT;
const hasMarks = loadNative().native !== undefined;
const SILENT = { moved: false, unregistered: false };

let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("origin.snapshots");
});

afterEach(() => scratch.remove());

function verdict(owner: number, about: number, user: number): string {
  try {
    refuseForeignRegister("/v/o.snapshots", owner, about, user);
    return "believed";
  } catch (error) {
    return (error as SnapringError).code;
  }
}

test.each([
  ["ours, of anybody's origin", US, STRANGER, US, "believed"],
  ["root's", ROOT, US, US, "believed"],
  ["a stranger's", STRANGER, US, US, "EPERM"],
  ["a stranger's, opened by root", STRANGER, ROOT, ROOT, "EPERM"],
  ["a stranger's, of a service's origin, opened by root", STRANGER, SERVICE, ROOT, "EPERM"],
  ["the service's own, of its origin, opened by root", SERVICE, SERVICE, ROOT, "believed"],
])("whose register is believed: %s", (_, owner, about, user, what) => {
  expect(verdict(owner, about, user)).toBe(what);
});

test.each([
  ["ours", US, STRANGER, US, true],
  ["root's", ROOT, STRANGER, US, true],
  ["a service's, its own store", SERVICE, SERVICE, ROOT, true],
  ["a service's, root's store", SERVICE, ROOT, ROOT, false],
])("whose register may have a store marked Invalid: %s", (_, owner, store, user, may) => {
  expect(mayGiveUp(owner, store, user)).toBe(may);
});

test.skipIf(!isRoot)("a register that another user has planted is refused in words, and left as it is", async () => {
  writeFileSync(path, '{"version":1,"snapshots":{"a":{"cow":"/v/a","state":"active"}}}');
  chownSync(path, STRANGER, STRANGER);
  await expect(Register.read(path, true)).rejects.toMatchObject({
    code: "EPERM",
    message: expect.stringContaining(`belongs to user ${STRANGER}`),
  });
  // As the owner of the origin, that user may say so.
  expect((await Register.read(path, true, STRANGER))?.snapshots.has("a")).toBe(true);
});

test("what is no register of a few MiB is neither waited for nor read: links, FIFOs, folders, devices, gigabytes", async () => {
  const put: readonly [string, () => void][] = [
    ["is a symbolic link", () => symlinkSync("/etc/passwd", path)],
    ["is a symbolic link", () => symlinkSync("/dev/zero", path)],
    ["is no regular file", () => void spawnSync("mkfifo", [path])],
    ["is no regular file", () => mkdirSync(path)],
    ["bytes", () => ftruncateSync(openSync(path, "w"), 2 ** 30)],
  ];
  for (const [what, plant] of put) {
    plant();
    await expect(Register.read(path, true)).rejects.toMatchObject({ message: expect.stringContaining(what) });
    renameSync(path, scratch.file(`was-${readdirSync(scratch.path).length}`));
  }
});

test("a link that is planted beside it under the name of its next state is not followed", async () => {
  const victim = scratch.file("victim");
  writeFileSync(victim, "secret");
  for (const name of [`${path}.new`, `${path}.tmp`]) symlinkSync(victim, name);
  const register = Register.fresh(path, { path: "/v/origin", identity: "file 1 1000", bytes: 4096 });
  await register.change([{ name: "a", entry: entryOf("/v/a.cow", "file 2 1000") }]);
  expect(readFileSync(victim, "utf8")).toBe("secret");
  expect(lstatSync(path).isFile()).toBe(true);
  // And one in its own place is replaced, not written through.
  renameSync(path, scratch.file("before"));
  symlinkSync(victim, path);
  await register.change([{ name: "b", entry: entryOf("/v/b.cow", "file 3 1000") }]);
  expect([readFileSync(victim, "utf8"), lstatSync(path).isFile()]).toEqual(["secret", true]);
});

test("owner and mode stay when it is replaced", async () => {
  const register = Register.fresh(path, { path: "/v/origin", identity: "file 1 1000", bytes: 4096 });
  await register.change([{ name: "a", entry: entryOf("/v/a.cow", "file 2 1000") }]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  chmodSync(path, 0o640);
  const owner = isRoot ? SERVICE : statSync(path).uid;
  chownSync(path, owner, statSync(path).gid);
  const again = await Register.read(path, true, owner);
  await again?.change([{ name: "b", entry: entryOf("/v/b.cow", "file 3 1000") }]);
  const { mode, uid } = statSync(path);
  expect([mode & 0o777, uid]).toEqual([0o640, owner]);
});

function entryOf(cow: string, identity: string): RegisteredSnapshot {
  const known = { store: "", chunkBytes: 4096, seen: NOTHING_SEEN, isFinal: false };
  return { cow, isBeside: false, identity, state: "active", ...known };
}

/** An origin whose register, of this user, says that a store is its snapshot `a`; and that store. */
async function registered(owner?: number): Promise<{ found: OriginRegister; cow: string }> {
  const cow = scratch.file("a.cow");
  await createStore({ cow, sectors: 2048 as Sector });
  const origin = scratch.file("origin");
  writeFileSync(origin, Buffer.alloc(4096));
  const register = Register.fresh(path, { path: origin, identity: "", bytes: 4096 });
  await register.change([{ name: "a", entry: entryOf(cow, identityAt(cow)) }]);
  if (owner !== undefined) for (const file of [path, origin]) chownSync(file, owner, owner);
  return { found: await find(origin), cow };
}

async function find(origin: string): Promise<OriginRegister> {
  using file = DeviceFile.open(origin, "look", "origin");
  return findRegister(file, SILENT, true);
}

function identityAt(cow: string): string {
  using file = DeviceFile.open(cow, "look", "cow");
  return identityOfStore(file);
}

/** The line, once it is done; and whether the store is good still. */
function giveUp({ found, cow }: { found: OriginRegister; cow: string }): [string, boolean] {
  const [line] = abandonAll({ all: [givenUp("a", found)], words: SILENT, unlocked: false });
  return [line, readFileSync(cow).readUInt32LE(4) === 1];
}

test("a snapshot of ours that is given up is marked Invalid", async () => {
  expect(giveUp(await registered())).toEqual([expect.stringContaining("given up"), false]);
});

test.skipIf(!hasMarks)(
  "what is given up must name this origin: a store of another register is left as it is",
  async () => {
    // --abandon a, which the refusal had offered, made any store Invalid that a planted register called `a`.
    const made = await registered();
    const fd = openSync(made.cow, "r+");
    writeMark(fd, { role: "cow", self: identityAt(made.cow), register: "/v/other.snapshots", id: "other", name: "a" });
    expect(giveUp(made)).toEqual([
      expect.stringContaining("is the store of another origin, and is left as it is"),
      true,
    ]);
  },
);

test.skipIf(!isRoot)("a service's register does not have root's store marked Invalid", async () => {
  const made = await registered(SERVICE);
  expect(made.found.register.owner).toBe(SERVICE);
  expect(giveUp(made)).toEqual([expect.stringContaining("belongs to another user"), true]);
});

test.skipIf(!hasMarks)("a mark leads to no register of another origin", async () => {
  // Whoever owns a file may mark it as he likes: the register of the other would have been taken over, and removed.
  const { found } = await registered();
  await found.register.change([], () => ({ path, origin: found.place.origin, isCopy: false }));
  const planted = scratch.file("sub/planted");
  mkdirSync(scratch.file("sub"));
  writeFileSync(planted, Buffer.alloc(4096));
  const fd = openSync(planted, "r+");
  writeMark(fd, { role: "origin", self: identityAt(planted), register: path, id: found.register.id });
  await expect(find(planted)).rejects.toMatchObject({ code: "EBUSY", message: expect.stringContaining(path) });
  expect(existsSync(path)).toBe(true);
});
