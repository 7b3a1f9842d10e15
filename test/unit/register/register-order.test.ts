/** Changes of the register that are asked for while another one is on its way: each is whole, and fails for itself alone. */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type * as RegisterFile from "../../../src/register/register-file.ts";
import { Register } from "../../../src/register/register.ts";
import { RegisteredSet } from "../../../src/engine/registered-set.ts";
import { VolumeDevice } from "../../../src/engine/volume-device.ts";
import { completeOptions } from "../../../src/engine/volume-options.ts";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { NOTHING_SEEN } from "../../../src/register/seen-store.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { storeImage } from "../../support/store-image.ts";

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

test.each(["gone", "invalid", "merging"] as const)(
  "a look at a store does not bring back what is %s meanwhile",
  async (what) => {
    const [origin, cow] = [scratch.file("origin"), scratch.file("a.cow")];
    writeFileSync(origin, new Uint8Array(16 * CHUNK_BYTES));
    writeFileSync(cow, storeImage(16 * CHUNK_BYTES, CHUNK_BYTES / 512, [[1, 2]]));
    using file = new DeviceFile(cow, "write", "COW device");
    const device = new VolumeDevice({ path: origin, what: "origin", readOnly: false, unlocked: false, direct: false });
    try {
      const set = await RegisteredSet.open(device, completeOptions({ origin }));
      const one = { name: "a", file, chunkBytes: CHUNK_BYTES };
      await set.record(one, "active");
      const look = set.see([one], false);
      await (what === "gone" ? set.remove(one) : set.record(one, what));
      await look;
      const entry = (await Register.read(path, false))?.snapshots.get("a");
      expect(entry?.state).toBe(what === "gone" ? undefined : what);
    } finally {
      device.close();
    }
  },
);
