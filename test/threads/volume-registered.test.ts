/**
 * A volume that opens what its register knows (`registered`), without being told names and paths (E-46).
 */
import { rename } from "node:fs/promises";
import { afterEach, expect, test } from "vitest";
import { type RegisteredSnapshotInfo, openVolume } from "../../src/index.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";

const MIB = 2 ** 20;

afterEach(removeVolumes);

/** Closed, with these snapshots registered. */
async function registered(...names: readonly string[]): Promise<LibraryVolume> {
  const volume = await LibraryVolume.create({ snapshots: names.map((name) => ({ name, size: MIB })) });
  await volume.close();
  return volume;
}

function namesOf(volume: LibraryVolume): string[] {
  return volume.library.exports.slice(1).map(({ name }) => name);
}

test("with true, each is opened as it was registered, and keeps what the origin loses", async () => {
  const volume = await registered("monday", "tuesday");
  await volume.open({ snapshots: [], registered: true });
  expect(namesOf(volume)).toEqual(["monday", "tuesday"]);
  const live = await volume.connect();
  await live.write(0, Buffer.alloc(65_536));
  const monday = await volume.connect("monday");
  expect((await monday.read(0, 65_536)).equals(volume.before.subarray(0, 65_536))).toBe(true);
});

test("a function is asked once for each, and says how it is opened", async () => {
  const volume = await registered("monday", "tuesday");
  const asked: RegisteredSnapshotInfo[] = [];
  await volume.open({
    snapshots: [],
    registered: (one) => {
      asked.push(one);
      return one.name === "tuesday" ? { store: "PO" } : undefined;
    },
  });
  const monday = { name: "monday", cow: volume.cowPath("monday"), state: "active" };
  expect(asked).toEqual([monday, { ...monday, name: "tuesday", cow: volume.cowPath("tuesday") }]);
  expect(["monday", "tuesday"].map((name) => volume.library.status(name).store)).toEqual(["P", "PO"]);
  expect(volume.library.status("monday")).toMatchObject({ cow: volume.cowPath("monday"), chunkSize: 16_384 });
});

test("what a function says is checked like what a program names", async () => {
  const volume = await registered("monday");
  const wrong = volume.options({ snapshots: [], registered: () => ({ chunkSize: 5 }) });
  await expect(openVolume(wrong)).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE" });
  const thrown = new Error("of the program's");
  const throws = volume.options({
    snapshots: [],
    registered: () => {
      throw thrown;
    },
  });
  await expect(openVolume(throws)).rejects.toThrow("of the program's");
});

test("what is named beside it is opened as it is named, also under a new name", async () => {
  const volume = await registered("monday", "tuesday");
  const snapshots = [
    { name: "mon", cow: volume.cowPath("monday") },
    { name: "new", size: MIB },
  ];
  await volume.open({ snapshots, registered: true });
  expect(namesOf(volume)).toEqual(["mon", "new", "tuesday"]);
  expect(await volume.registered()).toEqual({ mon: "active", new: "active", tuesday: "active" });
});

test("one that is given up is not opened", async () => {
  const volume = await registered("monday", "tuesday");
  await volume.open({ snapshots: [], registered: true, abandon: ["monday"] });
  expect(namesOf(volume)).toEqual(["tuesday"]);
  expect(await volume.validOnDisk("monday")).toBe(0);
});

test("one whose COW file is not there keeps the volume from opening; abandonMissing gives that one up, and no other", async () => {
  const volume = await registered("monday", "tuesday");
  const away = volume.scratch.file("away");
  await rename(volume.cowPath("monday"), away);
  const how = { snapshots: [], registered: true } as const;
  await expect(openVolume(volume.options(how))).rejects.toMatchObject({ code: "ENOENT" });
  expect(await volume.registered()).toEqual({ monday: "active", tuesday: "active" });
  await volume.open({ ...how, abandonMissing: true });
  expect(namesOf(volume)).toEqual(["tuesday"]);
  expect(await volume.registered()).toEqual({ tuesday: "active" });
});

test("an invalid one is shown while its COW file is there, and keeps nothing from opening when it is not", async () => {
  const volume = await LibraryVolume.create({
    snapshots: [
      { name: "small", size: 16 * 4096, chunkSize: 4096 },
      { name: "tuesday", size: 8 * MIB },
    ],
  });
  const live = await volume.connect();
  await live.write(0, Buffer.alloc(MIB));
  expect(volume.library.status("small").state).toBe("invalid");
  await volume.close();
  await volume.open({ snapshots: [], registered: true });
  expect(["small", "tuesday"].map((name) => volume.library.status(name).state)).toEqual(["invalid", "active"]);
  await volume.close();
  await rename(volume.cowPath("small"), volume.scratch.file("away"));
  await volume.open({ snapshots: [], registered: true });
  expect(namesOf(volume)).toEqual(["tuesday"]);
});

test("abandonMissing needs registered, and is no order of a reader", async () => {
  const volume = await registered("monday");
  const open = (how: object): Promise<unknown> => openVolume(volume.options({ snapshots: [], ...how }));
  await expect(open({ abandonMissing: true })).rejects.toMatchObject({ option: "abandonMissing" });
  await expect(open({ abandonMissing: true, registered: true, readOnly: true })).rejects.toMatchObject({
    option: "abandonMissing",
  });
});
