/** Changes of the register that are asked for while another one is on its way: each is whole, and fails for itself alone. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type * as RegisterFile from "../../../src/register/register-file.ts";
import { Register } from "../../../src/register/register.ts";
import { NOTHING_SEEN } from "../../../src/register/seen-store.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

/** How the next writes of the register end: after what it is to be is there already, as where the folder's flush fails. */
const disk = vi.hoisted(() => ({ failures: [] as boolean[] }));

vi.mock("../../../src/register/register-file.ts", async (importOriginal) => {
  const real = await importOriginal<typeof RegisterFile>();
  return {
    ...real,
    replaceRegisterFile: async (path: string, text: string): Promise<void> => {
      const fails = disk.failures.shift() ?? false;
      await real.replaceRegisterFile(path, text);
      if (fails) throw new Error("cannot flush the folder");
    },
  };
});

const CHUNK_BYTES = 4096;
let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("origin.snapshots");
  disk.failures = [];
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
