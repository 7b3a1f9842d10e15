/**
 * A volume knows its own (E-46): what happens on real files when a store is missing, blank, another one, moved, copied, or of another
 * origin; the cells of the table (register/tie.ts) as users meet them. The oracle is the view that the snapshot had on the first day.
 *
 * Whether it opens, and what is written down, is decided before a thread is started and after the last has ended. So the days that serve
 * nobody are opened without threads (register-world.ts); where clients write, or a snapshot is created, the whole volume is there.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { link } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { openVolume, type SnapshotOptions, type Volume, type VolumeOptions } from "../../src/index.ts";
import { createStore } from "../../src/offline/create-store.ts";
import { SnapshotView } from "../../src/offline/snapshot-view.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { snapring as runCommand } from "../support/fake-terminal.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { CHUNK, contents, eachTestHasPlace, lines, log, Opening, scratch } from "../support/register-world.ts";
import { runOk } from "../support/run-command.ts";
import { storeImage } from "../support/store-image.ts";

const MIB = 2 ** 20;
const SIZE = 2 * MIB;
const BEFORE = dataPattern(SIZE, 1);

eachTestHasPlace();

function options(
  folder: string,
  snapshots: readonly SnapshotOptions[],
  more: Partial<VolumeOptions> = {},
): VolumeOptions {
  const listen = [`unix:${scratch.file("socket")}`];
  return { origin: join(folder, "disk.img"), workers: 1, log, listen, snapshots, ...more };
}

/** As a unit file says it every day. */
const daily = (folder: string): SnapshotOptions => ({
  name: "s",
  cow: join(folder, "s.cow"),
  size: 4 * MIB,
  chunkSize: 4096,
});

async function use(
  volume: Volume,
  body: (client: NbdClient) => Promise<void> = async () => {},
  name = "",
): Promise<void> {
  try {
    const client = await NbdClient.open({ path: scratch.file("socket") }, name);
    await body(client);
    await client.disconnect();
  } finally {
    await volume.close();
  }
}

const write =
  (seed: number) =>
  async (client: NbdClient): Promise<void> =>
    client.write(seed * 65_536, dataPattern(40_000, seed));

/** An origin that has been written since its snapshot was made, and the store that kept what was there, as a volume leaves them. */
async function firstDay(folder: string, cow = daily(folder).cow): Promise<void> {
  const written = Buffer.from(BEFORE);
  dataPattern(10 * CHUNK, 2).copy(written, 32 * CHUNK);
  const image = Buffer.from(
    storeImage(
      4 * MIB,
      CHUNK / 512,
      Array.from({ length: 10 }, (_, i) => [32 + i, 2 + i]),
    ),
  );
  BEFORE.copy(image, 2 * CHUNK, 32 * CHUNK, 42 * CHUNK);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "disk.img"), written);
  writeFileSync(cow, image);
  expect(await openAndClose(folder, {}, cow)).toBe("active");
}

/** Opened, served to nobody, and closed in good order; returns the state of the snapshot. Without a COW file no snapshot is given. */
async function openAndClose(folder: string, words: Partial<VolumeOptions>, cow?: string): Promise<string> {
  const origin = join(folder, "disk.img");
  await using volume = await Opening.open({ origin, log, ...words }, cow, false, false);
  await volume.settle();
  const { state } = volume;
  if (cow !== undefined) await volume.set.see([volume.registrand], true);
  return state;
}

/** It opens, and the snapshot shows what the origin was on the first day. */
async function showsFirstDay(
  folder: string,
  words: Partial<VolumeOptions> = {},
  cow = daily(folder).cow,
): Promise<void> {
  expect(await openAndClose(folder, words, cow)).toBe("active");
  const origin = words.origin ?? join(folder, "disk.img");
  using view = new SnapshotView({ origin, cow });
  for (const { position, bytes } of view.pieces())
    expect(bytes.equals(BEFORE.subarray(position, position + bytes.length))).toBe(true);
}

/** The same, as a client sees it. */
async function servesFirstDay(volume: Volume): Promise<void> {
  expect(volume.status("s").state).toBe("active");
  await use(volume, async (client) => expect(BEFORE.equals(await client.read(0, SIZE))).toBe(true), "s");
}

/** Refused before anything has changed: neither file nor register. */
async function refused(
  wanted: Partial<VolumeOptions> & { folder: string },
  code: string,
  message: RegExp,
): Promise<void> {
  const { folder, snapshots = [daily(folder)], ...more } = wanted;
  const before = contents(scratch.path);
  await expect(openVolume(options(folder, snapshots, more))).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
  expect(contents(scratch.path)).toEqual(before);
}

function register(folder: string): {
  snapshots: Record<string, { cow: string; state: string; seen: { exceptions: number } }>;
  version: number;
} {
  return JSON.parse(readFileSync(join(folder, "disk.img.snapshots"), "utf8"));
}

test("a store that is missing, or blank, is not made anew: its disk may not be mounted", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  renameSync(join(folder, "s.cow"), join(folder, "away"));
  await refused({ folder }, "ENOENT", /s\.cow is missing, and snapshot 's' is active/);
  writeFileSync(join(folder, "s.cow"), Buffer.alloc(4 * MIB));
  await refused({ folder }, "EBUSY", /has no store in it/);
  rmSync(join(folder, "s.cow"));
  renameSync(join(folder, "away"), join(folder, "s.cow"));
  await showsFirstDay(folder);
});

test("an older state of the store is not the store: the origin was written since", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const cow = join(folder, "s.cow");
  const old = readFileSync(cow);
  await use(await openVolume(options(folder, [daily(folder)])), write(5));
  const now = readFileSync(cow);
  writeFileSync(cow, old);
  await refused({ folder, moved: true }, "EINVAL", /10 exceptions where it had 20|exceptions where it had/);
  writeFileSync(cow, now);
  await showsFirstDay(folder);
});

test("a folder that is moved goes on by itself, under whatever path it is seen", async () => {
  await firstDay(scratch.file("a"));
  expect(register(scratch.file("a")).snapshots["s"].cow).toBe("s.cow");
  renameSync(scratch.file("a"), scratch.file("b"));
  const folder = scratch.file("b");
  await showsFirstDay(folder);
});

test.for([true, false])("a folder that is copied opens with its own store; the original there: %s", async (there) => {
  await firstDay(scratch.file("a"));
  await runOk("cp", "-a", scratch.file("a"), scratch.file("b"));
  const folder = scratch.file("b");
  if (!there) rmSync(scratch.file("a"), { recursive: true });
  const original = contents(scratch.path);
  await showsFirstDay(folder);
  await use(await openVolume(options(folder, [daily(folder)])), write(7));
  await showsFirstDay(folder);
  await use(await openVolume(options(folder, [], { abandon: ["s"] })), write(9));
  for (const [path, md5] of Object.entries(contents(scratch.path)))
    if (!path.startsWith(folder)) expect(md5).toBe(original[path]);
  if (there) await showsFirstDay(scratch.file("a"));
});

test("a copy does not reach a store of the original that lies elsewhere, whatever is said of it", async () => {
  const elsewhere = scratch.file("cows/s.cow");
  mkdirSync(dirname(elsewhere));
  await firstDay(scratch.file("a"), elsewhere);
  await runOk("cp", "-a", scratch.file("a"), scratch.file("b"));
  const folder = scratch.file("b");
  await refused({ folder, snapshots: [] }, "EBUSY", /has a snapshot 's'/);
  await refused(
    { folder, snapshots: [{ name: "s", cow: elsewhere }] },
    "EBUSY",
    /store of the origin that this one was copied from/,
  );
  await refused(
    { folder, snapshots: [{ name: "s", cow: elsewhere }], moved: true },
    "EBUSY",
    /store of the origin that this one was copied from/,
  );
  const original = readFileSync(elsewhere);
  await use(await openVolume(options(folder, [], { abandon: ["s"] })), write(3));
  expect(lines.join("\n")).toContain("is the original's, and is left as it is");
  expect(readFileSync(elsewhere).equals(original)).toBe(true);
  await showsFirstDay(scratch.file("a"), {}, elsewhere);
});

test("another name of the origin finds the register: hard link, rename", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const [disk, hard, moved] = ["disk.img", "hard.img", "moved.img"].map((name) => join(folder, name));
  await link(disk, hard);
  await refused({ folder, origin: hard, snapshots: [] }, "EBUSY", /has a snapshot 's'/);
  await showsFirstDay(folder, { origin: hard });
  expect(existsSync(`${hard}.snapshots`)).toBe(false);
  rmSync(hard);
  renameSync(disk, moved);
  await refused({ folder, origin: moved, snapshots: [] }, "EBUSY", /has a snapshot 's'/);
  await showsFirstDay(folder, { origin: moved });
  expect([existsSync(`${moved}.snapshots`), existsSync(`${disk}.snapshots`)]).toEqual([true, false]);
});

test("an origin whose register cannot be seen from here is refused, unless that is said", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const [disk, alone] = [join(folder, "disk.img"), scratch.file("alone.img")];
  await link(disk, alone);
  renameSync(folder, scratch.file("hidden"));
  await refused(
    { folder, origin: alone, snapshots: [] },
    "EBUSY",
    /has snapshots; they are registered in .*cannot be seen/,
  );
  await openAndClose(folder, { origin: alone, unregistered: true });
  await openAndClose(folder, { origin: alone });
});

test("a COW file that was renamed is known; one that came from elsewhere is if it is exactly that, else it takes a word", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const [here, there] = [join(folder, "s.cow"), join(folder, "t.cow")];
  renameSync(here, there);
  await showsFirstDay(folder, {}, there);
  expect(register(folder).snapshots["s"].cow).toBe("t.cow");
  await runOk("cp", there, here);
  await refused({ folder }, "EBUSY", /is a copy: something is still where it was registered/);
  rmSync(there);
  await showsFirstDay(folder);
});

test("an empty store that was moved to another file cannot be told from others: it takes a word", async () => {
  const folder = scratch.file("a");
  mkdirSync(folder);
  writeFileSync(join(folder, "disk.img"), BEFORE);
  await use(await openVolume(options(folder, [daily(folder)])));
  await runOk("mv", join(folder, "s.cow"), scratch.file("kept"));
  await runOk("cp", scratch.file("kept"), join(folder, "s.cow"));
  await refused({ folder }, "EBUSY", /another file than the one that was registered/);
  await showsFirstDay(folder, { moved: true });
});

test("an origin that was replaced at its place does not take the store that stayed, but for a word", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  await runOk("cp", join(folder, "disk.img"), scratch.file("kept"));
  await runOk("mv", scratch.file("kept"), join(folder, "disk.img"));
  await refused({ folder }, "EBUSY", /belongs to an origin that is not this file/);
  await showsFirstDay(folder, { moved: true });
  await showsFirstDay(folder);
});

test("one wrong name among those to be given up: nothing is", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  await refused({ folder, snapshots: [], abandon: ["s", "ss"] }, "ENOENT", /no registered snapshot 'ss'/);
  await refused({ folder, abandon: ["s"] }, "EINVAL", /asked for and given up at once/);
  await refused(
    { folder, snapshots: [{ name: "t", cow: join(folder, "t.cow") }], abandon: ["s"] },
    "ENOENT",
    /t\.cow of snapshot .t. does not exist/,
  );
  await showsFirstDay(folder);
});

test("a snapshot that is given up while its store is away: it is said that it must not come back", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  renameSync(join(folder, "s.cow"), join(folder, "away"));
  await openAndClose(folder, { abandon: ["s"] });
  expect(lines.join("\n")).toMatch(/s: given up.*s\.cow is not there: it must not be used again/);
  expect(register(folder).snapshots).toEqual({});
});

test("an Invalid snapshot is said to be; a store that is made anew in its place is a new snapshot", async () => {
  const folder = scratch.file("a");
  const small = { ...daily(folder), size: 20 * 4096 };
  mkdirSync(folder);
  writeFileSync(join(folder, "disk.img"), BEFORE);
  await use(await openVolume(options(folder, [small])), write(2));
  await use(await openVolume(options(folder, [small])), async (client) => client.write(MIB, dataPattern(MIB, 8)));
  const volume = await openVolume(options(folder, [small]));
  expect(volume.exports.map(({ name, state }) => [name, state])).toEqual([
    ["origin", "active"],
    ["s", "invalid"],
  ]);
  await use(volume);
  await createStore({ cow: small.cow, chunkSectors: 8, force: true });
  const anew = await openVolume(options(folder, [small]));
  expect(anew.status("s").state).toBe("active");
  await use(anew, async (client) => client.write(0, dataPattern(4096, 3)));
  expect(register(folder).snapshots["s"].state).toBe("active");
  const again = await openVolume(options(folder, [small]));
  expect(again.status("s").state).toBe("active");
  await use(again);
});

test("nothing that may be missed is formatted, by an opening or a creation, and no store in memory is put over it", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const foreign = scratch.file("swap.img");
  const late = scratch.file("late.img");
  for (const path of [foreign, late]) writeFileSync(path, Buffer.alloc(4 * MIB));
  spawnSync("mkswap", [foreign]);
  writeFileSync(late, Buffer.concat([Buffer.alloc(4 * MIB - 4096), Buffer.alloc(4096, 7)]));
  for (const cow of [foreign, late]) {
    await refused(
      { folder, snapshots: [daily(folder), { name: "t", cow }] },
      "EEXIST",
      /holds swap space|is not blank/,
    );
    const volume = await openVolume(options(folder, [daily(folder)]));
    await expect(volume.createSnapshot({ name: "t", cow })).rejects.toMatchObject({ code: "EEXIST" });
    await use(volume);
  }
  const inMemory = { name: "n", cow: foreign, store: "N", chunkSize: 4096 } as const;
  await refused({ folder, snapshots: [daily(folder), inMemory] }, "EEXIST", /holds swap space: a store in memory/);
});

test("the store of one origin is neither another's, nor an origin", async () => {
  await firstDay(scratch.file("a"));
  const cow = scratch.file("a/s.cow");
  const folder = scratch.file("b");
  mkdirSync(folder);
  writeFileSync(join(folder, "disk.img"), BEFORE);
  await refused(
    { folder, snapshots: [{ name: "t", cow }] },
    "EBUSY",
    /is the store of snapshot 's', registered in .*a\/disk\.img\.snapshots/,
  );
  await refused({ folder, origin: cow, snapshots: [] }, "EBUSY", /is the COW store of snapshot 's'/);
  const volume = await openVolume(options(folder, []));
  await expect(volume.createSnapshot({ name: "t", cow })).rejects.toMatchObject({
    code: expect.stringMatching(/EEXIST|EBUSY/),
  });
  await use(volume);
  await showsFirstDay(scratch.file("a"));
});

test("a register of version 1 is read, and replaced; one from the future is refused", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const path = join(folder, "disk.img.snapshots");
  writeFileSync(
    path,
    JSON.stringify({ version: 1, snapshots: { s: { cow: join(folder, "s.cow"), state: "active" } } }),
  );
  await refused({ folder, snapshots: [] }, "EBUSY", /has a snapshot 's'/);
  await showsFirstDay(folder);
  expect(register(folder)).toMatchObject({ version: 2, snapshots: { s: { cow: "s.cow", state: "active" } } });
  writeFileSync(path, JSON.stringify({ ...register(folder), version: 3 }));
  await refused({ folder }, "EINVAL", /made by a newer snapring/);
});

test("what is planted in the register's place is not followed, waited for, or taken for an empty one", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const path = join(folder, "disk.img.snapshots");
  const victim = scratch.file("victim");
  writeFileSync(victim, "root:secret\n");
  const plants: readonly (readonly [() => void, RegExp])[] = [
    [() => symlinkSync(victim, path), /is a symbolic link/],
    [() => void spawnSync("mkfifo", [path]), /is no regular file/],
    [() => mkdirSync(path), /is no regular file/],
    [() => void spawnSync("truncate", ["-s", "1G", path]), /has 1073741824 bytes/],
  ];
  for (const [plant, message] of plants) {
    rmSync(path, { recursive: true, force: true });
    plant();
    await expect(openVolume(options(folder, [daily(folder)]))).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringMatching(message),
    });
  }
  rmSync(path);
  symlinkSync(victim, `${path}.new`);
  await openAndClose(folder, { unregistered: true }, daily(folder).cow);
  expect(readFileSync(victim, "utf8")).toBe("root:secret\n");
});

test("a loop device is known by its file, whatever its number; a mounted one is no origin", async (context) => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const setUp = spawnSync("losetup", ["-f", "--show", join(folder, "disk.img")], { encoding: "utf8" });
  context.skip(setUp.status !== 0, "no loop devices");
  const loop = setUp.stdout.trim();
  try {
    await refused({ folder, origin: loop, snapshots: [] }, "EBUSY", /has a snapshot 's'/);
    await showsFirstDay(folder, { origin: loop });
    expect(existsSync(`/var/lib/snapring/${loop.slice(5)}.snapshots`)).toBe(false);
    const byFile = await openVolume(options(folder, [daily(folder)]));
    await refused({ folder, origin: loop, listen: [] }, "EBUSY", /the file of origin .* is in use/);
    await use(byFile);
    await runOk("mkfs.ext4", "-q", "-F", loop);
    mkdirSync(scratch.file("mounted"));
    await runOk("mount", loop, scratch.file("mounted"));
    try {
      await expect(openVolume(options(folder, [daily(folder)], { origin: loop }))).rejects.toMatchObject({
        code: "EBUSY",
        message: expect.stringMatching(/in use: it is mounted/),
      });
    } finally {
      await runOk("umount", scratch.file("mounted"));
    }
  } finally {
    spawnSync("losetup", ["-d", loop]);
  }
});

test("readers are told the same, and leave everything as it is", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const before = contents(scratch.path);
  await showsFirstDay(folder, { readOnly: true });
  expect(contents(scratch.path)).toEqual(before);
  renameSync(join(folder, "s.cow"), join(folder, "away"));
  await refused({ folder, readOnly: true }, "ENOENT", /s\.cow is missing/);
  writeFileSync(join(folder, "s.cow"), Buffer.alloc(4 * MIB));
  await refused({ folder, readOnly: true }, "EBUSY", /has no store in it/);
});

test("the offline view is the same as the volume's after a move", async () => {
  await firstDay(scratch.file("a"));
  renameSync(scratch.file("a"), scratch.file("b"));
  using view = new SnapshotView({ origin: scratch.file("b/disk.img"), cow: scratch.file("b/s.cow") });
  for (const { position, bytes } of view.pieces())
    expect(bytes.equals(BEFORE.subarray(position, position + bytes.length))).toBe(true);
  expect(statSync(scratch.file("b/disk.img")).size).toBe(SIZE);
});

/** A command, and all that it said. */
async function snapring(...argv: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await runCommand(...argv);
  return { code, text: stdout + stderr };
}

test("offline: an origin is merged with its own store, not with any of the right size", async () => {
  await firstDay(scratch.file("a"));
  await firstDay(scratch.file("b"));
  const [disk, cow] = [scratch.file("a/disk.img"), scratch.file("a/s.cow")];
  const before = contents(scratch.path);
  const other = await snapring("merge", scratch.file("b/disk.img"), cow, "--unregistered");
  expect(other).toMatchObject({
    code: 1,
    text: expect.stringMatching(/other snapshots that a merge would destroy: s/),
  });
  writeFileSync(scratch.file("stray.img"), BEFORE);
  for (const words of [[], ["--unregistered"]]) {
    const stray = await snapring("merge", scratch.file("stray.img"), cow, ...words);
    expect(stray).toMatchObject({
      code: 1,
      text: expect.stringMatching(/is the store of snapshot 's', registered in/),
    });
  }
  await runOk("cp", cow, scratch.file("copy.cow"));
  const copy = await snapring("merge", scratch.file("stray.img"), scratch.file("copy.cow"));
  expect(copy).toMatchObject({ code: 1, text: expect.stringMatching(/no register says.*--unregistered/) });
  rmSync(scratch.file("stray.img"));
  rmSync(scratch.file("copy.cow"));
  expect(contents(scratch.path)).toEqual(before);
  expect(await snapring("merge", disk, cow)).toMatchObject({ code: 0 });
  expect(readFileSync(disk).equals(BEFORE)).toBe(true);
  expect(register(scratch.file("a")).snapshots["s"]).toMatchObject({ state: "active", seen: { exceptions: 0 } });
  await showsFirstDay(scratch.file("a"));
});

test("offline: a view is read of the snapshot's own origin; without a register it is said that nothing ties the two", async () => {
  await firstDay(scratch.file("a"));
  await firstDay(scratch.file("b"));
  const [cow, view] = [scratch.file("a/s.cow"), scratch.file("view")];
  expect(await snapring("read", scratch.file("a/disk.img"), cow, "--output", view)).toEqual({ code: 0, text: "" });
  expect(readFileSync(view).equals(BEFORE)).toBe(true);
  const other = ["read", scratch.file("b/disk.img"), cow, "--output", view];
  expect(await snapring(...other)).toMatchObject({
    code: 1,
    text: expect.stringMatching(/is the store of snapshot 's'/),
  });
  expect(await snapring(...other, "--unregistered")).toMatchObject({ code: 0 });
  await runOk("cp", scratch.file("a/disk.img"), scratch.file("rescued.img"));
  await runOk("cp", cow, scratch.file("rescued.cow"));
  const rescue = ["read", scratch.file("rescued.img"), scratch.file("rescued.cow"), "--output", view];
  expect(await snapring(...rescue)).toMatchObject({
    code: 0,
    text: expect.stringMatching(/warning: no register says/),
  });
  expect(readFileSync(view).equals(BEFORE)).toBe(true);
});

test("offline: what only the register calls Invalid is neither merged nor read", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const path = join(folder, "disk.img.snapshots");
  writeFileSync(path, readFileSync(path, "utf8").replace('"active"', '"invalid"'));
  for (const command of ["merge", "read"]) {
    const ended = await snapring(
      command,
      join(folder, "disk.img"),
      join(folder, "s.cow"),
      ...(command === "read" ? ["--output", scratch.file("v")] : []),
    );
    expect(ended).toMatchObject({ code: 1, text: expect.stringMatching(/the snapshot is Invalid/) });
  }
});

test("offline: a registered store is not made anew, not even by force, until it is given up", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const create = ["create", join(folder, "s.cow"), "--force"];
  const before = contents(scratch.path);
  expect(await snapring(...create)).toMatchObject({
    code: 1,
    text: expect.stringMatching(/store of snapshot 's', registered in .*--abandon s/),
  });
  expect(contents(scratch.path)).toEqual(before);
  await openAndClose(folder, { abandon: ["s"] });
  expect(await snapring(...create)).toMatchObject({ code: 0 });
});

test("the stores of two snapshots that were exchanged are told, also where their lists are equal", async () => {
  const folder = scratch.file("a");
  const both = ["s", "t"].map((name) => ({ ...daily(folder), name, cow: join(folder, `${name}.cow`) }));
  mkdirSync(folder);
  writeFileSync(join(folder, "disk.img"), BEFORE);
  await use(await openVolume(options(folder, both)), write(2));
  const [s, t, kept] = ["s.cow", "t.cow", "kept"].map((name) => join(folder, name));
  renameSync(s, kept);
  renameSync(t, s);
  renameSync(kept, t);
  for (const moved of [false, true])
    await refused({ folder, snapshots: both, moved }, "EBUSY", /is the store of snapshot '[ts]' of the same origin/);
  await servesFirstDay(
    await openVolume(
      options(folder, [
        { ...both[0], cow: t },
        { ...both[1], cow: s },
      ]),
    ),
  );
});

test.each([false, true])(
  "the stores of two snapshots that were exchanged, one of which is Invalid, are told (the files were: %s)",
  async (files) => {
    const folder = scratch.file("a");
    const both = ["s", "t"].map((name) => ({ ...daily(folder), name, cow: join(folder, `${name}.cow`) }));
    mkdirSync(folder);
    writeFileSync(join(folder, "disk.img"), BEFORE);
    await use(await openVolume(options(folder, both)), write(2));
    const [s, t, kept, register] = ["s.cow", "t.cow", "kept", "disk.img.snapshots"].map((name) => join(folder, name));
    const header = readFileSync(t);
    header.writeUInt32LE(0, 4);
    writeFileSync(t, header);
    await use(await openVolume(options(folder, both)));
    expect(JSON.parse(readFileSync(register, "utf8")).snapshots).toMatchObject({
      s: { state: "active" },
      t: { state: "invalid" },
    });
    if (files)
      for (const [from, to] of [
        [s, kept],
        [t, s],
        [kept, t],
      ] as const)
        renameSync(from, to);
    const given = files
      ? both
      : [
          { ...both[0], cow: t },
          { ...both[1], cow: s },
        ];
    for (const moved of [false, true])
      await refused(
        { folder, snapshots: given, moved },
        "EBUSY",
        /of snapshot 't' of the same origin, which is Invalid/,
      );
    const own = files
      ? [
          { ...both[0], cow: t },
          { ...both[1], cow: s },
        ]
      : both;
    await servesFirstDay(await openVolume(options(folder, own)));
  },
);

test("a store in memory does not stand for a registered snapshot, by its name or on its COW file", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  writeFileSync(join(folder, "tmp.cow"), Buffer.alloc(4 * MIB));
  const inMemory = { name: "s", cow: join(folder, "tmp.cow"), store: "N", chunkSize: 4096 } as const;
  await refused({ folder, snapshots: [inMemory] }, "EBUSY", /has a snapshot 's'/);
  const onIt = { ...inMemory, name: "n", cow: join(folder, "s.cow") };
  await refused({ folder, snapshots: [daily(folder), onIt] }, "EBUSY", /no store in memory can take its place/);
});

test("an origin that is smaller than it was is refused", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  truncateSync(join(folder, "disk.img"), MIB);
  await refused({ folder }, "EBUSY", /has 1 MiB, and had 2 MiB/);
});

test("snapshots whose register can be read are given up by their names only", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const elsewhere = scratch.file("x.img");
  renameSync(join(folder, "disk.img"), elsewhere);
  await refused(
    { folder, origin: elsewhere, snapshots: [], unregistered: true },
    "EBUSY",
    /has snapshots, registered in .*: s/,
  );
});

test("a store whose register was taken away, or does not know it any more, is told when it comes back", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  rmSync(join(folder, "disk.img.snapshots"));
  await use(await openVolume(options(folder, [])), write(8));
  await refused({ folder }, "EBUSY", /was snapshot 's' in the register .*the origin may have been written without it/);
  await openAndClose(folder, { unregistered: true }, daily(folder).cow);
});

test("a store that was made anew by force where no register could be asked is not taken for the registered one", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  // As by a program that knows nothing of marks.
  await createStore({ cow: join(folder, "s.cow"), chunkSectors: 8, force: true });
  for (const moved of [false, true]) await refused({ folder, moved }, "EINVAL", /was made anew since/);
});

test("version 1 does not take any store for its own, nor reach the original from a copy", async () => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const one = { version: 1, snapshots: { s: { cow: join(folder, "s.cow"), state: "active" } } };
  writeFileSync(join(folder, "disk.img.snapshots"), JSON.stringify(one));
  const other = scratch.file("other.cow");
  await createStore({ cow: other, sectors: 8192, chunkSectors: 8 });
  await refused(
    { folder, snapshots: [{ name: "s", cow: other }] },
    "EBUSY",
    /something is still where it was registered/,
  );
  await runOk("cp", "-a", folder, scratch.file("b"));
  const original = readFileSync(join(folder, "s.cow"));
  await refused({ folder: scratch.file("b"), snapshots: [daily(folder)] }, "EBUSY", /copied from/);
  await openAndClose(scratch.file("b"), { abandon: ["s"] });
  expect(readFileSync(join(folder, "s.cow")).equals(original)).toBe(true);
});

test("a register that cannot be written does not keep what it says already from being opened; that the stores grow is noted all the same", async (context) => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const path = join(folder, "disk.img.snapshots");
  expect(readFileSync(path, "utf8")).toContain('"isFinal": true');
  // Nothing can be made in the folder, as on a full disk; what is there can be written.
  context.skip(spawnSync("chattr", ["+i", folder]).status !== 0, "no immutable folders here");
  try {
    await use(await openVolume(options(folder, [daily(folder)], { listen: [`unix:${scratch.file("socket")}`] })));
    expect(lines.join("\n")).toMatch(/cannot write the register of snapshots .*: it stays as it was/);
    expect(readFileSync(path, "utf8")).not.toContain('"isFinal": true');
  } finally {
    spawnSync("chattr", ["-i", folder]);
  }
});

test("after a crash, too, an older state of the store is not the store", async () => {
  const folder = scratch.file("a");
  mkdirSync(folder);
  writeFileSync(join(folder, "disk.img"), BEFORE);
  await use(await openVolume(options(folder, [daily(folder)])));
  const old = readFileSync(join(folder, "s.cow"));
  const volume = await openVolume(options(folder, [daily(folder)]));
  const client = await NbdClient.open({ path: scratch.file("socket") }, "");
  await write(2)(client);
  const seen = (): number => register(folder).snapshots["s"].seen.exceptions;
  for (let tries = 0; seen() === 0 && tries < 600; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen()).toBeGreaterThan(0);
  // What a crash would leave of the register.
  const text = readFileSync(join(folder, "disk.img.snapshots"));
  client.destroy();
  await volume.close();
  writeFileSync(join(folder, "disk.img.snapshots"), text);
  writeFileSync(join(folder, "s.cow"), old);
  await refused({ folder }, "EINVAL", /0 exceptions where it had/);
});

test("a part of the origin's file is no way around its snapshots", async (context) => {
  const folder = scratch.file("a");
  await firstDay(folder);
  const setUp = spawnSync("losetup", ["-f", "--show", "-o", "65536", join(folder, "disk.img")], { encoding: "utf8" });
  context.skip(setUp.status !== 0, "no loop devices");
  try {
    await refused({ folder, origin: setUp.stdout.trim(), snapshots: [] }, "EBUSY", /is a part of what has snapshots/);
  } finally {
    spawnSync("losetup", ["-d", setUp.stdout.trim()]);
  }
});
