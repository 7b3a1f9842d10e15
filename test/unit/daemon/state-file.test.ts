/**
 * The daemon's state: one daemon's, replaced as a whole, and never taken for what it is not.
 */
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateFile } from "../../../src/daemon/state-file.ts";

let folder: string;
const open: StateFile[] = [];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "snapring-state-")), "made");
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await rm(join(folder, ".."), { recursive: true, force: true });
});

async function opened(): Promise<StateFile> {
  const state = await StateFile.open(folder);
  open.push(state);
  return state;
}

async function closed(): Promise<void> {
  for (const one of open.splice(0)) await one.close();
}

function addVolume(state: StateFile, name: string): Promise<void> {
  return state.change((now) => {
    now.volumes[name] = { origin: `/dev/${name}` };
  });
}

test("a folder where no daemon has been is made, and holds nothing", async () => {
  const { now } = await opened();
  expect(now).toMatchObject({ version: 1, volumes: {}, snapshots: {}, groups: {}, pools: {}, operations: [] });
});

test("what was changed is there after a restart, and the former state beside it", async () => {
  const state = await opened();
  await addVolume(state, "a");
  await Promise.all([addVolume(state, "b"), addVolume(state, "10"), addVolume(state, "2")]);
  await closed();
  expect(Object.keys((await opened()).now.volumes).sort()).toEqual(["10", "2", "a", "b"]);
  const former = JSON.parse(await readFile(join(folder, "state.former"), "utf8")) as { volumes: object };
  expect(Object.keys(former.volumes)).toHaveLength(3);
});

test("a name that objects have by themselves is one like any other: nothing of it is forgotten at the next start", async () => {
  // The schema left out what was called `constructor` or `prototype`: a volume of that name was not there any more.
  const names = ["constructor", "prototype", "toString", "hasOwnProperty", "a"];
  const state = await opened();
  await state.change((now) => {
    for (const name of names) {
      now.volumes[name] = { origin: `/dev/${name}` };
      now.snapshots[name] = Object.fromEntries(names.map((one) => [one, { size: 512 }]));
      now.pools[name] = { dir: "/pool", space: "reserved" };
      now.groups[name] = { created: "now", members: [{ volume: name, snapshot: name }] };
    }
  });
  const { now } = state;
  await closed();
  const again = (await opened()).now;
  expect(again).toEqual(now);
  expect([Object.keys(again.volumes), Object.keys(again.snapshots["constructor"]!)]).toEqual([names, names]);
});

test("a change that throws changes nothing, and those behind it are made", async () => {
  const state = await opened();
  const wrong = state.change((now) => {
    now.volumes["a"] = { origin: "/a" };
    throw new Error("no");
  });
  const right = addVolume(state, "b");
  await expect(wrong).rejects.toThrow("no");
  await right;
  expect(Object.keys(state.now.volumes)).toEqual(["b"]);
});

test("where it cannot be written it stays as it was, here too, and is written when it can be again", async () => {
  const state = await opened();
  await addVolume(state, "a");
  await rename(folder, `${folder}.away`);
  await expect(addVolume(state, "b")).rejects.toMatchObject({ code: "state-unwritable" });
  expect(Object.keys(state.now.volumes)).toEqual(["a"]);
  await rename(`${folder}.away`, folder);
  await addVolume(state, "c");
  await closed();
  expect(Object.keys((await opened()).now.volumes)).toEqual(["a", "c"]);
});

test("what a killed daemon had begun to write is taken away by the next one, and its path is told from the root", async () => {
  await opened();
  await closed();
  const part = join(folder, ".snapring-0a.part");
  await writeFile(part, "");
  const state = await StateFile.open(relative(process.cwd(), folder));
  open.push(state);
  expect(state.folder).toBe(folder);
  await expect(readFile(part)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a second daemon is refused, and its folder is free when the first has gone", async () => {
  await opened();
  await expect(StateFile.open(folder)).rejects.toMatchObject({ code: "EBUSY" });
  await closed();
  await opened();
});

test.each([
  ["cut", (text: string) => text.slice(0, text.length / 2)],
  ["of another content than its checksum's", (text: string) => text.replace("/dev/a", "/dev/b")],
  ["empty", () => ""],
  ["of another kind", () => "[]"],
])("one that is %s is refused in words, and left as it is", async (_, damage) => {
  await addVolume(await opened(), "a");
  await closed();
  const path = join(folder, "state.json");
  const damaged = damage(await readFile(path, "utf8"));
  await writeFile(path, damaged);
  await expect(StateFile.open(folder)).rejects.toMatchObject({
    code: "EINVAL",
    message: expect.stringMatching("damaged"),
  });
  expect(await readFile(path, "utf8")).toBe(damaged);
});

test("one of a newer version is left to that one", async () => {
  await opened();
  await closed();
  await writeFile(join(folder, "state.json"), JSON.stringify({ version: 2 }));
  await expect(StateFile.open(folder)).rejects.toMatchObject({ message: expect.stringMatching("version 2") });
});

test("a folder that is a file is refused", async () => {
  await writeFile(folder, "");
  await expect(StateFile.open(folder)).rejects.toMatchObject({ code: "EEXIST" });
  await rm(folder);
});
