/**
 * The register's looks at what the stores hold, beside snapshots that come and go meanwhile.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RegisteredSet, type Registrand } from "../../../src/engine/registered-set.ts";
import { VolumeDevice } from "../../../src/engine/volume-device.ts";
import { inlineOpenings } from "../../support/inline-openings.ts";
import { openDevice } from "../../../src/opening/open-device.ts";
import { completeOptions } from "../../../src/engine/complete-options.ts";
import type * as Marks from "../../../src/register/mark.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { storeImage } from "../../support/store-image.ts";

/** No descriptor is left for what is to be marked. */
const machine = vi.hoisted(() => ({ isShort: false }));

vi.mock("../../../src/register/mark.ts", async (importOriginal) => {
  const real = await importOriginal<typeof Marks>();
  const orRefused =
    <A extends unknown[], R>(body: (...given: A) => R) =>
    (...given: A): R => {
      if (machine.isShort) throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
      return body(...given);
    };
  return { ...real, ensureMark: orRefused(real.ensureMark), removeMark: orRefused(real.removeMark) };
});

const CHUNK_SECTORS = 8;
const CHUNK = CHUNK_SECTORS * 512;

let scratch: Scratch;
let origin: VolumeDevice;
let set: RegisteredSet;
const devices: VolumeDevice[] = [];

beforeEach(async () => {
  scratch = await makeScratch();
  const path = scratch.file("origin");
  writeFileSync(path, new Uint8Array(2 ** 20));
  origin = new VolumeDevice(openDevice({ path, what: "origin", readOnly: false, direct: false, unlocked: false }));
  set = await RegisteredSet.open(origin, completeOptions({ origin: path, listen: [] }), inlineOpenings);
});

afterEach(async () => {
  for (const device of devices.splice(0)) device.close();
  origin.close();
  machine.isShort = false;
  await scratch.remove();
});

/** A registered snapshot whose store has so many exceptions, of which the register knows none so far. */
async function registered(name: string, cow: string, exceptions: number): Promise<Registrand> {
  const path = scratch.file(cow);
  writeFileSync(path, storeImage(2 ** 20, CHUNK_SECTORS));
  const device = new VolumeDevice(
    openDevice({ path, what: "COW device", readOnly: false, direct: false, unlocked: false }),
  );
  devices.push(device);
  const one = { name, cow: device, chunkBytes: CHUNK };
  await set.record(one, "active");
  writeFileSync(
    path,
    storeImage(
      2 ** 20,
      CHUNK_SECTORS,
      Array.from({ length: exceptions }, (_, i) => [i, i + 2]),
    ),
  );
  return one;
}

function registeredOnDisk(): Record<string, { state: string; seen: { exceptions: number } }> {
  const path = `${scratch.file("origin")}.snapshots`;
  if (!existsSync(path)) return {};
  return JSON.parse(readFileSync(path, "utf8")).snapshots;
}

/** By name: how many exceptions were seen last. */
function onDisk(): Record<string, number> {
  return Object.fromEntries(Object.entries(registeredOnDisk()).map(([name, { seen }]) => [name, seen.exceptions]));
}

test("what a store holds is seen", async () => {
  const a = await registered("a", "a.cow", 5);
  expect(onDisk()).toEqual({ a: 0 });
  await set.see([a], false);
  expect(onDisk()).toEqual({ a: 5 });
});

test.each(["gone", "invalid", "merging"] as const)(
  "a look at the stores does not bring back what is %s meanwhile, and sees the others",
  async (what) => {
    // It was registered again, active, by the look that had begun before: the next opening asked for a snapshot that nobody had.
    const kept = await registered("kept", "kept.cow", 3);
    const one = await registered("one", "one.cow", 4);
    const look = set.see([one, kept], false);
    await (what === "gone" ? set.remove(one) : set.record(one, what));
    await look;
    expect(onDisk()["kept"]).toBe(3);
    expect(registeredOnDisk()["one"]?.state).toBe(what === "gone" ? undefined : what);
  },
);

test("another store under the name is not taken for the one that was looked at", async () => {
  const first = await registered("a", "first.cow", 4);
  const look = set.see([first], false);
  await set.remove(first);
  const second = await registered("a", "second.cow", 9);
  await look;
  expect(onDisk()).toEqual({ a: 0 });
  await set.see([second], false);
  expect(onDisk()).toEqual({ a: 9 });
});

test("what has been registered, or taken out, is so although its mark cannot be made", async () => {
  // The order failed, and its COW file was removed: the next opening missed a snapshot that there never was.
  machine.isShort = true;
  const one = await registered("a", "a.cow", 1);
  expect(onDisk()).toEqual({ a: 0 });
  await set.remove(one);
  expect(onDisk()).toEqual({});
});
