/**
 * The origin is rolled back to a snapshot while it is in use, on real threads (E-30 … E-36).
 *
 * The oracle: from the moment the merge is presented the live volume is an atomic register that began with the snapshot's
 * view. It stays so through stop, resume and the end; then the origin itself holds it. Other snapshots see nothing of all this.
 */
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import type { NbdClient } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const SIZE = 8 * MIB;
const USERS = 4;
const SPAN = SIZE / USERS;
const NBD_ESHUTDOWN = 108;

/** One client with a part of the volume of its own: writes, and reads back what it or the past wrote there. */
class User {
  readonly #client: NbdClient;
  readonly #first: number;
  readonly #model: Buffer;
  #seed: number;
  #using: Promise<void> = Promise.resolve();
  #stopped = true;
  requests = 0;

  constructor(client: NbdClient, index: number, model: Buffer) {
    this.#client = client;
    this.#first = index * SPAN;
    this.#model = model;
    this.#seed = 1 + index * 7919;
  }

  start(): void {
    this.#stopped = false;
    this.#using = this.#use();
    this.#using.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#using;
  }

  async #use(): Promise<void> {
    while (!this.#stopped) {
      const seed = ++this.#seed;
      const length = 1 + ((seed * 9973) % (seed % 3 === 0 ? 40_000 : 6000));
      const at = this.#first + ((seed * 104_729) % (SPAN - length));
      if (seed % 2 === 0) {
        const data = dataPattern(length, seed);
        await this.#client.write(at, data, seed % 16 === 0 ? 1 : 0);
        data.copy(this.#model, at);
      } else {
        const data = await this.#client.read(at, length);
        if (!data.equals(this.#model.subarray(at, at + length)))
          throw new Error(`read at ${at} is not what was written`);
      }
      if (seed % 64 === 1) await this.#client.flush();
      this.requests += 1;
    }
  }
}

interface Scene {
  readonly volume: LibraryVolume;
  /** What the live volume holds while "back" is presented. */
  readonly merged: Buffer;
  readonly users: readonly User[];
}

/** A snapshot "back" with exceptions of both kinds, then "other", then more of them. */
async function scene(early: boolean): Promise<Scene> {
  const size = 2 * SIZE;
  const volume = await LibraryVolume.create({
    sizeBytes: SIZE,
    early,
    snapshots: [{ name: "back", chunkSize: 4096, size }],
  });
  const origin = await volume.connect();
  const back = await volume.connect("back");
  const merged = Buffer.from(volume.before);
  for (let i = 0; i < 60; i++)
    await origin.write((i * 131_071) % (SIZE - 30_000), dataPattern(1 + ((i * 733) % 30_000), 100 + i));
  await volume.library.createSnapshot({ name: "other", cow: volume.cowPath("other"), size, chunkSize: 16_384 });
  for (let i = 0; i < 60; i++) {
    await origin.write((i * 250_007) % (SIZE - 30_000), dataPattern(1 + ((i * 577) % 30_000), 200 + i));
    const data = dataPattern(1 + ((i * 311) % 9000), 300 + i);
    const at = (i * 190_003) % (SIZE - 9000);
    await back.write(at, data);
    data.copy(merged, at);
  }
  expect(firstDifference(await readAll(back), merged)).toBe(-1);
  const clients = await Promise.all(Array.from({ length: USERS }, () => volume.connect()));
  return { volume, merged, users: clients.map((client, i) => new User(client, i, merged)) };
}

/** Resolves when the merge has ended so, rejects when it has ended otherwise. */
function ended(volume: LibraryVolume, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    volume.library.on("snapshot", (name, what, error) => {
      if (what === event) resolve();
      else if (what !== "merge-progress") reject(new Error(`${name}: ${what} ${error}`));
    });
  });
}

for (const early of [true, false]) {
  test(`E-30…E-36 C-32…C-39: merged under load, the volume never looks torn (S-57 ${early ? "on" : "off"})`, async () => {
    const { volume, merged, users } = await scene(early);
    const { library } = volume;
    const other = await volume.connect("other");
    const otherModel = await readAll(other);
    const end = ended(volume, "merged");
    await library.startMerge("back");
    const refused = [library.startMerge("other"), library.startMerge("back"), library.dropSnapshot("back")];
    for (const user of users) user.start();
    for (const order of refused) await expect(order).rejects.toMatchObject({ code: "EBUSY" });
    for (let i = 0; i < 20; i++) {
      const data = dataPattern(5000, 700 + i);
      await other.write(i * 300_007, data);
      data.copy(otherModel, i * 300_007);
      expect(firstDifference(await other.read(0, MIB), otherModel.subarray(0, MIB))).toBe(-1);
    }
    await end;
    // Handed back by itself: the snapshot is of that moment, and the volume goes on.
    expect(library.status("back").state).toBe("active");
    const back = await readAll(await volume.connect("back"));
    while (users.some((user) => user.requests <= 10)) await new Promise((resolve) => setImmediate(resolve));
    for (const user of users) await user.stop();
    expect(firstDifference(await readAll(await volume.connect()), merged)).toBe(-1);
    expect(firstDifference(await readAll(await volume.connect("back")), back)).toBe(-1);
    expect(firstDifference(await readAll(other), otherModel)).toBe(-1);
    await library.dropSnapshot("back");
    await volume.close();
    expect(firstDifference(await volume.originBytes(), merged)).toBe(-1);
    await volume.open({ snapshots: [{ name: "other" }] });
    expect(firstDifference(await readAll(await volume.connect("other")), otherModel)).toBe(-1);
  });
}

test("E-30: a write behind startMerge goes to the merging volume, not to the origin that is rolled back", async () => {
  const { volume, merged } = await scene(true);
  const origin = await volume.connect();
  const end = ended(volume, "merged");
  await volume.library.startMerge("back");
  const data = dataPattern(200_000, 999);
  await origin.write(1_000_001, data);
  data.copy(merged, 1_000_001);
  await end;
  expect(await volume.registered()).toEqual({ back: "active", other: "active" });
  expect(firstDifference(await readAll(origin), merged)).toBe(-1);
});

test("E-36 C-38 S-83: a merge is stopped, resumed, and goes on after closing and after opening again", async () => {
  const { volume, merged } = await scene(true);
  await volume.close();
  await volume.open({ snapshots: [{ name: "back" }, { name: "other" }], mergePercent: 1, mergeBatches: false });
  const clients = await Promise.all(Array.from({ length: USERS }, () => volume.connect()));
  const users = clients.map((client, i) => new User(client, i, merged));
  const back = await volume.connect("back");
  for (let round = 0; round < 3; round++) {
    await volume.library.startMerge("back");
    expect((await back.request({ type: 0, offset: 0, length: 512 })).error).toBe(NBD_ESHUTDOWN);
    for (const user of users) user.start();
    while (users.some((user) => user.requests < 5 * (round + 1))) await new Promise((resolve) => setImmediate(resolve));
    for (const user of users) await user.stop();
    await volume.library.stopMerge();
    expect(volume.library.status("back").state).toBe("active");
    // Handed back: the snapshot is the view that was presented, whatever has been merged by now.
    expect(firstDifference(await readAll(back), merged)).toBe(-1);
    const data = dataPattern(70_000, 40 + round);
    await back.write(round * 555_555, data);
    data.copy(merged, round * 555_555);
    expect(firstDifference(await readAll(back), merged)).toBe(-1);
  }
  await volume.library.startMerge("back");
  expect(await volume.registered()).toEqual({ back: "merging", other: "active" });
  await volume.close();
  await volume.open({ mergePercent: 100, mergeBatches: true });
  const origin = await volume.connect();
  expect(firstDifference(await readAll(origin), merged)).toBe(-1);
  await volume.library.merge("back");
  expect(firstDifference(await readAll(origin), merged)).toBe(-1);
  await volume.close();
  expect(firstDifference(await volume.originBytes(), merged)).toBe(-1);
});

test("E-26 E-36: a merge that is paused merges nothing and shows the same, goes on when it is told, with another share, and is stopped where it stands", async () => {
  const { volume, merged } = await scene(true);
  await volume.close();
  await volume.open({ snapshots: [{ name: "back" }, { name: "other" }], mergePercent: 1, mergeBatches: false });
  const { library } = volume;
  expect(() => library.pauseMerge()).toThrow(expect.objectContaining({ code: "ENOENT" }));
  expect(() => library.setMergePercent(0)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
  expect(() => library.setMergePercent("5" as never)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
  );
  expect(library.stats().merge).toBeUndefined();
  let steps = 0;
  library.on("snapshot", (_, event) => {
    if (event === "merge-progress") steps += 1;
  });
  await library.startMerge("back");
  library.pauseMerge();
  expect(library.stats().merge).toEqual({ snapshot: "back", percent: 1, paused: true });
  library.setMergePercent(100);
  const origin = await volume.connect();
  for (let i = 0; i < 20; i++) await origin.read(0, 512);
  const held = library.stats().snapshots[0].exceptions;
  expect(steps).toBeLessThanOrEqual(1);
  expect(firstDifference(await readAll(origin), merged)).toBe(-1);
  expect(library.stats().snapshots[0].exceptions).toBe(held);
  library.resumeMerge();
  expect(library.stats().merge).toEqual({ snapshot: "back", percent: 100, paused: false });
  while (steps < 3) await new Promise((resolve) => setImmediate(resolve));
  library.pauseMerge();
  await library.stopMerge();
  expect(library.stats().merge).toBeUndefined();
  expect(library.status("back").state).toBe("active");
  await library.merge("back");
  expect(firstDifference(await readAll(origin), merged)).toBe(-1);
});

test("E-26 E-36: a merge that is held, or paused before its first step, has taken none, and is stopped, or goes on, from there", async () => {
  const { volume, merged } = await scene(true);
  const { library } = volume;
  const before = library.stats().snapshots[0].exceptions;
  const live = await readAll(await volume.connect());
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const held of [true, false]) {
    await library.startMerge("back", { held });
    if (!held) library.pauseMerge();
    await turns();
    expect(library.stats().merge).toMatchObject({ snapshot: "back", paused: true });
    expect(library.stats().snapshots[0].exceptions).toBe(before);
    expect(firstDifference(await readAll(await volume.connect()), merged)).toBe(-1);
    await library.stopMerge();
    expect(library.stats().merge).toBeUndefined();
    expect(firstDifference(await readAll(await volume.connect()), live)).toBe(-1);
  }
  await library.startMerge("back", { held: true });
  const cut = expect(library.merge("back")).rejects.toMatchObject({ code: "ESHUTDOWN" });
  await volume.close();
  await cut;
  await volume.open({ snapshots: [{ name: "back" }, { name: "other" }] });
  await volume.library.merge("back");
  expect(firstDifference(await readAll(await volume.connect()), merged)).toBe(-1);
});

/** `back` is half merged, slowly, and closed; what the volume shows is `merged`. */
async function halfMerged(): Promise<Scene> {
  const half = await scene(true);
  await half.volume.close();
  await half.volume.open({ snapshots: [{ name: "back" }, { name: "other" }], mergePercent: 1, mergeBatches: false });
  await half.volume.library.startMerge("back");
  await half.volume.close();
  return half;
}

test("E-36 S-83: opened again amid a merge the volume shows what it showed, and what is written to it stays", async () => {
  const { volume, merged } = await halfMerged();
  expect(await volume.registered()).toEqual({ back: "merging", other: "active" });
  await volume.open();
  const slow = await volume.connect();
  expect(firstDifference(await readAll(slow), merged)).toBe(-1);
  await expect(
    volume.library.createSnapshot({ name: "new", cow: volume.cowPath("new"), size: MIB }),
  ).rejects.toMatchObject({ code: "EBUSY" });
  const data = dataPattern(300_000, 4711);
  await slow.write(700_007, data);
  data.copy(merged, 700_007);
  const closed = expect(volume.library.merge("back")).rejects.toMatchObject({ code: "ESHUTDOWN" });
  await volume.close();
  await closed;
  await volume.open({ mergePercent: 100, mergeBatches: true });
  // Nothing of it has happened before the program can hear of it.
  const end = ended(volume, "merged");
  const progress: number[] = [];
  await volume.library.merge("back", { onProgress: ({ left }) => progress.push(left) });
  await end;
  expect(progress).toEqual([...new Set(progress)].sort((a, b) => b - a));
  expect(progress.length).toBeGreaterThan(0);
  expect(firstDifference(await readAll(await volume.connect()), merged)).toBe(-1);
  expect(await volume.registered()).toEqual({ back: "active", other: "active" });
  await volume.library.dropSnapshot("back");
});

test("a merge of nothing ends, and its event comes after the order's answer", async () => {
  const volume = await LibraryVolume.create({ snapshots: [{ name: "back", size: MIB }] });
  const { library } = volume;
  const heard: string[] = [];
  library.on("snapshot", (_, event) => heard.push(event));
  const end = ended(volume, "merged");
  await library.startMerge("back").then(() => heard.push("presented"));
  await end;
  await library.merge("back");
  expect(heard).toEqual(["presented", "merged", "merged"]);
  expect(library.status("back").state).toBe("active");
  await expect(library.stopMerge()).rejects.toMatchObject({ code: "ENOENT" });
  await library.dropSnapshot("back");
});

test("a merge is aborted: the origin is handed back, what is left is the snapshot's, and it goes on when it is asked again", async () => {
  const { volume, merged } = await halfMerged();
  await volume.open();
  const { library } = volume;
  const before = new AbortController();
  before.abort(new Error("not today"));
  const early = library.merge("back", { signal: before.signal });
  await expect(early).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: new Error("not today") });
  expect(library.status("back").state).toBe("merging");
  const controller = new AbortController();
  const aborted = library.merge("back", { signal: controller.signal });
  const both = Promise.allSettled([aborted, library.merge("back")]);
  controller.abort();
  expect(await both).toMatchObject([
    { reason: { name: "AbortError", code: "ABORT_ERR" } },
    { reason: { code: "ECANCELED" } },
  ]);
  expect(library.status("back").state).toBe("active");
  expect(await volume.registered()).toEqual({ back: "active", other: "active" });
  expect(firstDifference(await readAll(await volume.connect("back")), merged)).toBe(-1);
  await volume.close();
  await volume.open({ mergePercent: 100, mergeBatches: true });
  await volume.library.merge("back", { signal: new AbortController().signal });
  expect(firstDifference(await readAll(await volume.connect()), merged)).toBe(-1);
});

test("E-36: told not to merge, the next opening registers that and says how much is left; a read-only one shows the merged volume", async () => {
  const { volume, merged } = await halfMerged();
  await expect(volume.open({ snapshots: [{ name: "other" }] })).rejects.toMatchObject({
    code: "EBUSY",
    message: expect.stringContaining("'back'"),
  });
  await volume.open({ snapshots: [{ name: "back" }, { name: "other" }], readOnly: true });
  expect(firstDifference(await readAll(await volume.connect()), merged)).toBe(-1);
  await expect(volume.library.startMerge("back")).rejects.toMatchObject({ code: "EPERM" });
  await volume.close();
  expect(await volume.registered()).toEqual({ back: "merging", other: "active" });
  await volume.open({ readOnly: false, noMerge: true });
  expect(volume.lines.join("\n")).toMatch(
    /^back: its merge is stopped; the origin is half merged: \d+ exceptions are left$/m,
  );
  expect(await volume.registered()).toEqual({ back: "active", other: "active" });
  expect(volume.library.status("back").state).toBe("active");
  expect(firstDifference(await readAll(await volume.connect("back")), merged)).toBe(-1);
});

test("E-31 E-36 S-13: what cannot be merged is refused", async () => {
  const volume = await LibraryVolume.create({
    snapshots: [
      { name: "transient", store: "N", chunkSize: 4096, size: 8 * MIB },
      { name: "full", store: "P", chunkSize: 4096, size: 32 * 1024 },
    ],
  });
  const { library } = volume;
  await expect(library.startMerge("transient")).rejects.toMatchObject({
    code: "EINVAL",
    message: expect.stringContaining("Snapshot exception store does not support snapshot-merge"),
  });
  await (await volume.connect()).write(0, dataPattern(MIB, 5));
  expect(library.status("full").state).toBe("invalid");
  await expect(library.startMerge("full")).rejects.toMatchObject({ code: "EINVAL" });
  await expect(library.startMerge("none")).rejects.toMatchObject({ code: "ENOENT" });
  await expect(library.stopMerge()).rejects.toMatchObject({ code: "ENOENT" });
});
