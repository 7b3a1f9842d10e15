/** Changes of the register that are asked for while another one is on its way: each is whole, and fails for itself alone. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type * as RegisterFile from "../../../src/register/register-file.ts";
import { Register } from "../../../src/register/register.ts";
import { NOTHING_SEEN } from "../../../src/register/seen-store.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

/** How the next writes of the register end: after what it is to be is there already, as where the folder's flush fails. */
const disk = vi.hoisted(() => ({ failures: [] as boolean[], keeps: false }));

vi.mock("../../../src/register/register-file.ts", async (importOriginal) => {
  const real = await importOriginal<typeof RegisterFile>();
  return {
    ...real,
    replaceRegisterFile: async (path: string, text: string): Promise<void> => {
      const fails = disk.failures.shift() ?? false;
      await real.replaceRegisterFile(path, text);
      if (fails) throw new Error("cannot flush the folder");
    },
    removeRegisterFile: async (path: string): Promise<void> => {
      if (disk.keeps) throw new Error(`cannot remove the register of snapshots ${path}: permission denied`);
      await real.removeRegisterFile(path);
    },
  };
});

const CHUNK_BYTES = 4096;
let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("origin.snapshots");
  Object.assign(disk, { failures: [], keeps: false });
});

afterEach(() => scratch.remove());

function created(name: string): Parameters<Register["change"]>[0] {
  const known = { store: "id", chunkBytes: CHUNK_BYTES, seen: NOTHING_SEEN, isFinal: false };
  const cow = scratch.file(`${name}.cow`);
  return [{ name, entry: { cow, isBeside: true, identity: "file 2 1000", state: "active", ...known } }];
}

async function onDisk(): Promise<readonly string[]> {
  return [...((await Register.read(path, false))?.snapshots.keys() ?? [])];
}

test("a record that fails takes nothing of another one with it, and is not carried to the disk by it", async () => {
  const register = Register.fresh(path, { path: "/v/origin", identity: "file 1 1000", bytes: CHUNK_BYTES });
  disk.failures = [true, false];
  const both = [register.change(created("a")), register.change(created("b"))];
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect([...register.snapshots.keys()]).toEqual(["b"]);
  expect(await onDisk()).toEqual(["b"]);
});

test("where it cannot be taken back either, the next record makes up for it", async () => {
  const register = Register.fresh(path, { path: "/v/origin", identity: "file 1 1000", bytes: CHUNK_BYTES });
  disk.failures = [true, true, false];
  const both = [register.change(created("a")), register.change(created("b"))];
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect(await onDisk()).toEqual(["b"]);
});

test("what it says in its new place stands, although the former one cannot be taken away: that is said, and no failure", async () => {
  // The change failed, and what came next was written in the former place again.
  const origin = { path: "/v/origin", identity: "file 1 1000", bytes: CHUNK_BYTES };
  const register = Register.fresh(path, origin);
  expect(await register.change(created("a"))).toBeUndefined();
  disk.keeps = true;
  const home = scratch.file("moved.snapshots");
  const line = await register.change(created("b"), () => ({ path: home, origin, isCopy: false }));
  expect(line).toBe(
    `cannot remove the register of snapshots ${path}: permission denied: it is out of date, for ${home} has taken its place; take it away`,
  );
  await register.change(created("c"));
  expect([register.path, [...((await Register.read(home, false))?.snapshots.keys() ?? [])]]).toEqual([
    home,
    ["a", "b", "c"],
  ]);
  expect(await onDisk()).toEqual(["a"]);
});
