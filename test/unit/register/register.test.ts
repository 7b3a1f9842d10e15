/** The register as a file: what is on disk after writes that fail, and what it takes for a register. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Register } from "../../../src/register/register.ts";
import type { RegisteredSnapshot } from "../../../src/register/register-text.ts";
import { NOTHING_SEEN } from "../../../src/register/seen-store.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("origin.snapshots");
});

afterEach(() => scratch.remove());

const ORIGIN = { path: "/v/origin", identity: "file 1 1000", bytes: 4096 };

function entry(name: string, state: RegisteredSnapshot["state"] = "active"): RegisteredSnapshot {
  const cow = scratch.file(`${name}.cow`);
  const known = { store: "id", chunkBytes: 4096, seen: NOTHING_SEEN, isFinal: false };
  return { cow, isBeside: true, identity: "file 2 1000", state, ...known };
}

async function onDisk(): Promise<unknown> {
  return Object.fromEntries((await Register.read(path, true))?.snapshots ?? []);
}

/** Nothing can be renamed to its place. */
async function blocked(body: () => Promise<void>): Promise<void> {
  const text = readFileSync(path);
  rmSync(path);
  mkdirSync(path);
  try {
    await body();
  } finally {
    rmdirSync(path);
    writeFileSync(path, text);
  }
}

test("what was recorded is read again, with paths that move along, and nothing else is left in the folder", async () => {
  const register = Register.fresh(path, ORIGIN);
  await register.change([{ name: "a", entry: entry("a") }]);
  await register.change([{ name: "b", entry: { ...entry("b"), cow: "/elsewhere/b.cow", isBeside: false } }]);
  expect(await onDisk()).toEqual({ a: entry("a"), b: { ...entry("b"), cow: "/elsewhere/b.cow", isBeside: false } });
  expect(readdirSync(scratch.path)).toEqual(["origin.snapshots"]);
  const text = readFileSync(path, "utf8");
  await scratch.remove();
  mkdirSync(scratch.path);
  writeFileSync(scratch.file("moved.snapshots"), text);
  const moved = await Register.read(scratch.file("moved.snapshots"), false);
  expect(moved?.snapshots.get("a")?.cow).toBe(scratch.file("a.cow"));
  expect(moved?.id).toBe(register.id);
});

test("a record that cannot be written leaves what was recorded before, and a later one does not bring it back (E-36)", async () => {
  const register = Register.fresh(path, ORIGIN);
  await register.change([{ name: "a", entry: entry("a") }]);
  await blocked(async () => {
    await expect(register.change([{ name: "a", entry: entry("a", "merging") }])).rejects.toMatchObject({
      message: expect.stringContaining(path),
    });
    await expect(register.change([{ name: "new", entry: entry("new") }])).rejects.toThrow();
  });
  expect(register.snapshots.get("a")).toEqual(entry("a"));
  expect(register.snapshots.has("new")).toBe(false);
  expect(readdirSync(scratch.path)).toEqual(["origin.snapshots"]);
  await register.change([{ name: "b", entry: entry("b") }]);
  expect(await onDisk()).toEqual({ a: entry("a"), b: entry("b") });
});

test("Invalid stays Invalid, and gone stays gone, where that cannot be written: the origin goes on without them (S-70)", async () => {
  const register = Register.fresh(path, ORIGIN);
  await register.change(["a", "gone"].map((name) => ({ name, entry: entry(name) })));
  await blocked(async () => {
    await expect(register.change([{ name: "a", entry: entry("a", "invalid") }])).rejects.toThrow();
    await expect(register.change([{ name: "gone", entry: undefined }])).rejects.toThrow();
  });
  await register.change([{ name: "b", entry: entry("b") }]);
  expect(await onDisk()).toEqual({ a: entry("a", "invalid"), b: entry("b") });
});

test.each([
  ["no JSON", "{"],
  ["no object", "[]"],
  ["no version", '{"snapshots":{}}'],
  ["an unknown state", '{"version":1,"snapshots":{"a":{"cow":"/a","state":"odd"}}}'],
  ["no path", '{"version":1,"snapshots":{"a":{"cow":"","state":"active"}}}'],
  [
    "two that merge",
    '{"version":1,"snapshots":{"a":{"cow":"/a","state":"merging"},"b":{"cow":"/b","state":"merging"}}}',
  ],
  ["no origin", '{"version":2,"id":"x","snapshots":{}}'],
  [
    "a checksum that is none",
    '{"version":2,"id":"x","origin":{"path":"/o","identity":"","bytes":1},"snapshots":{"a":{"cow":"/a","state":"active","seen":{"exceptions":1,"checksum":"x","steps":[]}}}}',
  ],
])("is refused, not ignored: %s", async (_, text) => {
  writeFileSync(path, text);
  await expect(Register.read(path, false)).rejects.toMatchObject({
    code: "EINVAL",
    message: expect.stringContaining("cannot be understood"),
  });
});

test("a name that changes, and cannot be written, leaves the snapshot under its old one", async () => {
  // Its deletion was taken for final: the register on disk was empty, and the origin served without the snapshot.
  const register = Register.fresh(path, ORIGIN);
  await register.change([{ name: "a", entry: entry("a") }]);
  const rename = [
    { name: "a", entry: undefined, isRename: true },
    { name: "long", entry: entry("a") },
  ];
  await blocked(() => expect(register.change(rename)).rejects.toThrow());
  await register.change([{ name: "b", entry: entry("b") }]);
  expect(await onDisk()).toEqual({ a: entry("a"), b: entry("b") });
});

test("a move that cannot be written leaves register, path and origin as they were", async () => {
  const register = Register.fresh(path, ORIGIN);
  await register.change([{ name: "a", entry: entry("a") }]);
  const elsewhere = scratch.file("new.snapshots");
  mkdirSync(elsewhere);
  const home = { path: elsewhere, origin: { ...ORIGIN, path: "/v/new" }, isCopy: false };
  await expect(register.change([], () => home)).rejects.toThrow();
  expect([register.path, register.origin]).toEqual([path, ORIGIN]);
  rmdirSync(elsewhere);
  await register.change([], () => home);
  expect([register.path, existsSync(path), (await Register.read(elsewhere, true))?.id]).toEqual([
    elsewhere,
    false,
    register.id,
  ]);
});

test("that a store may grow again is said in place, where nothing else can be written", async () => {
  const register = Register.fresh(path, ORIGIN);
  await register.change([{ name: "a", entry: { ...entry("a"), isFinal: true } }]);
  const { size } = statSync(path);
  await register.unfinish();
  expect(statSync(path).size).toBe(size);
  expect(await onDisk()).toEqual({ a: entry("a") });
});

test("it is said of every snapshot, also where the file takes a part of it at a time", async () => {
  // What was written short was taken for whole: the snapshots behind that place were still said to be as their stores would never be again.
  const register = Register.fresh(path, ORIGIN);
  const names = ["a", "b", "c", "d"];
  await register.change(names.map((name) => ({ name, entry: { ...entry(name), isFinal: true } })));
  const handle = await open(path);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const write = prototype.write as unknown as (
    bytes: Uint8Array,
    at: number,
    length: number,
    position: number,
  ) => never;
  const short = vi.spyOn(prototype, "write").mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [data, offset, , position] = args as [string | Uint8Array, number, number, number];
    const bytes = typeof data === "string" ? Buffer.from(data) : data.subarray(offset);
    return write.call(this, bytes, 0, Math.min(100, bytes.length), position ?? 0);
  });
  try {
    await register.unfinish();
  } finally {
    short.mockRestore();
  }
  expect(await onDisk()).toEqual(Object.fromEntries(names.map((name) => [name, entry(name)])));
});
