/**
 * The life of a volume as the library sees it: who may open it, what it tells of itself, and how it ends.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { openVolume } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { StreamEnded } from "../support/byte-stream.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { Cmd, CmdFlag } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const NBD_EPERM = 1;
const LENGTH = 6000;
const MONDAY = { name: "monday", size: 16 * MIB, chunkSize: 4096 } as const;

describe("opening", () => {
  test("E-42: devices in use are refused, the origin or a COW device alone, also after a clean close of others (native)", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const taken = { code: "EBUSY", message: expect.stringContaining("in use") };
    await expect(openVolume({ ...volume.options(), listen: [] })).rejects.toMatchObject(taken);
    await expect(openVolume({ ...volume.options({ readOnly: true }), listen: [] })).rejects.toMatchObject(taken);
    const other = volume.scratch.file("other");
    await writeFile(other, dataPattern(MIB, 3));
    await expect(openVolume({ ...volume.options(), origin: other, listen: [] })).rejects.toMatchObject(taken);
    expect(existsSync(`${other}.snapshots`)).toBe(false);
    // The refused ones have taken nothing away: the socket still answers, the snapshot still works.
    await (await volume.connect()).write(0, dataPattern(MIB, 4));
    expect(firstDifference(await readAll(await volume.connect("monday")), volume.before)).toBe(-1);
    await volume.close();
    await volume.open();
    expect(firstDifference(await readAll(await volume.connect("monday")), volume.before)).toBe(-1);
  });

  test("E-42: readers share a volume", async () => {
    const volume = await LibraryVolume.create();
    await volume.close();
    await volume.open({ readOnly: true });
    await using second = await openVolume({ ...volume.options(), listen: [] });
    expect(second.exports[0].readOnly).toBe(true);
  });

  test("E-46: without a registered snapshot it is refused, unless that is given up for good", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY, { ...MONDAY, name: "tuesday" }] });
    await volume.close();
    const origin = await volume.originBytes();
    await expect(volume.open({ snapshots: [MONDAY] })).rejects.toMatchObject({
      code: "EBUSY",
      message: expect.stringContaining("'tuesday'"),
    });
    expect((await volume.originBytes()).equals(origin)).toBe(true);
    expect(existsSync(volume.socketPath)).toBe(false);
    await expect(volume.open({ abandon: ["wednesday"] })).rejects.toMatchObject({ code: "ENOENT" });
    await volume.open({ abandon: ["tuesday"] });
    expect(await volume.validOnDisk("tuesday")).toBe(0);
    expect(await volume.registered()).toEqual({ monday: "active" });
    await volume.close();
    await volume.open({ abandon: [] });
    expect(firstDifference(await readAll(await volume.connect("monday")), volume.before)).toBe(-1);
  });

  test("E-46: a register that cannot be understood is not ignored", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    await volume.close();
    await writeFile(`${volume.originPath}.snapshots`, "{");
    await expect(volume.open()).rejects.toMatchObject({ code: "EINVAL", message: expect.stringContaining("register") });
  });

  test("E-44: a read-only volume serves what is there, and changes no file", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    await (await volume.connect()).write(5000, dataPattern(50_000, 2));
    await volume.close();
    const files = [volume.originPath, volume.cowPath("monday"), `${volume.originPath}.snapshots`];
    const state = (): string[] =>
      files.map((path) => `${readFileSync(path).toString("latin1")} ${statSync(path).mtimeMs}`);
    const before = state();
    await volume.open({ readOnly: true });
    const origin = await volume.connect();
    const monday = await volume.connect("monday");
    const now = Buffer.from(volume.before);
    dataPattern(50_000, 2).copy(now, 5000);
    expect(firstDifference(await readAll(origin), now)).toBe(-1);
    expect(firstDifference(await readAll(monday), volume.before)).toBe(-1);
    for (const client of [origin, monday]) {
      const payload = dataPattern(512, 1);
      expect((await client.request({ type: Cmd.Write, length: 512, payload })).error).toBe(NBD_EPERM);
      expect((await client.request({ type: Cmd.Trim, length: 512 })).error).toBe(NBD_EPERM);
      await client.flush();
    }
    await expect(
      volume.library.createSnapshot({ ...MONDAY, name: "late", cow: volume.cowPath("late") }),
    ).rejects.toMatchObject({ code: "EPERM" });
    expect(existsSync(volume.cowPath("late"))).toBe(false);
    await volume.close();
    expect(state()).toEqual(before);
  });
});

describe("figures", () => {
  test("E 7: stats and status tell what has happened", async () => {
    // Without reserves every copy is a copy worker's.
    const volume = await LibraryVolume.create({ snapshots: [MONDAY], early: false, reserves: false });
    const { library } = volume;
    const origin = await volume.connect();
    const monday = await volume.connect("monday");
    for (let i = 0; i < 10; i++) await origin.write(i * 8192, dataPattern(512, i + 1));
    for (let i = 0; i < 5; i++) await monday.write(MIB + i * 8192, dataPattern(4096, i + 1));
    for (let i = 0; i < 7; i++) await monday.read(i * 4096, 4096);
    await origin.flush();
    await monday.request({ type: Cmd.Read, offset: volume.before.length, length: 1 });
    const { snapshots, exports, workers } = library.stats();
    expect(snapshots).toHaveLength(1);
    expect(snapshots[0]).toMatchObject({
      ...{ name: "monday", state: "active", status: "136/32768 16", exceptions: 15, pending: 0 },
      ...{ copies: 10, copiedBytes: 10 * 4096, grants: 5, exceptionsCommitted: 15, mergeFraction: undefined },
    });
    expect(snapshots[0].commits).toBeGreaterThan(0);
    expect(snapshots[0].tableBytes).toBeGreaterThan(0);
    expect(snapshots[0].commits).toBeLessThanOrEqual(15);
    const [live, snapshot] = exports;
    expect(live).toMatchObject({ name: "origin", reads: 0, writes: 10, writtenBytes: 5120, flushes: 1, errors: 0 });
    expect(snapshot).toMatchObject({ name: "monday", reads: 7, readBytes: 7 * 4096, writes: 5, errors: 1 });
    const sum = (histogram: readonly number[]): number => histogram.reduce((total, count) => total + count, 0);
    expect([sum(live.writeLatency), sum(live.flushLatency), sum(snapshot.readLatency)]).toEqual([10, 1, 7]);
    expect(workers.map(({ role }) => role).sort()).toEqual(["copy", "export", "export", "metadata"]);
    expect(workers.reduce((total, worker) => total + worker.connections, 0)).toBe(2);
    expect(workers.find(({ role }) => role === "copy")).toMatchObject({ copies: 10, copiedBytes: 10 * 4096 });
    for (const worker of workers) expect(worker.kind).toMatch(/^(uring|poll|node)$/);
    expect(library.status("monday")).toEqual({
      ...{ name: "monday", state: "active", status: "136/32768 16" },
      ...{ cow: volume.cowPath("monday"), store: "P", chunkSize: 4096 },
      table: `${volume.originPath} ${volume.cowPath("monday")} P 8`,
    });
    expect(library.exports).toEqual(
      ["origin", "monday"].map((name) => ({
        ...{ name, sizeBytes: volume.before.length, readOnly: false, state: "active" },
        uris: [`nbd+unix:///${name}?socket=${volume.socketPath}`],
      })),
    );
  });
});

describe("closing", () => {
  test("E-42: with clients that write without end: what was acknowledged is there, and the socket is gone", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const names = ["", "", "monday", "monday"];
    const models = { origin: Buffer.from(volume.before), monday: Buffer.from(volume.before) };
    let acknowledged = 0;
    const cutOff: { readonly model: Buffer; readonly at: number }[] = [];
    const writers = names.map(async (name, w) => {
      const client = await volume.connect(name);
      const model = name === "" ? models.origin : models.monday;
      for (let i = 0; ; i++) {
        const at = (w % 2) * 2 * MIB + ((i * 37_117) % (2 * MIB - LENGTH));
        const data = dataPattern(LENGTH, 1 + ((i * 4 + w) % 1000));
        const error = await client.write(at, data).catch((reason: unknown) => reason);
        if (error !== undefined) {
          expect(error).toBeInstanceOf(StreamEnded);
          cutOff.push({ model, at });
          return;
        }
        data.copy(model, at);
        acknowledged += 1;
      }
    });
    while (acknowledged < 200) await new Promise((resolve) => setImmediate(resolve));
    await volume.close();
    await Promise.all(writers);
    expect(existsSync(volume.socketPath)).toBe(false);
    await volume.open();
    for (const [name, model] of Object.entries(models)) {
      const content = await readAll(await volume.connect(name));
      // Each writer's last write had no reply: it may be there, or not, or in part.
      for (const { at } of cutOff.filter((last) => last.model === model)) content.copy(model, at, at, at + LENGTH);
      expect(firstDifference(content, model)).toBe(-1);
    }
  });

  test("E-42: with a client that does not read its replies, and one that sends half a request", async () => {
    const volume = await LibraryVolume.create({ sizeBytes: 8 * MIB, snapshots: [MONDAY] });
    const deaf = await volume.connect();
    deaf.stream.pause();
    const replies = Array.from({ length: 40 }, () => deaf.request({ type: Cmd.Read, offset: 0, length: 8 * MIB }));
    const outcomes = Promise.allSettled(replies);
    const slow = await volume.connect("monday");
    const half = slow.request({ type: Cmd.Write, offset: 0, length: MIB, payload: Buffer.alloc(1000) }).catch(String);
    const other = await volume.connect("monday");
    await other.write(3 * MIB, dataPattern(5000, 3), CmdFlag.Fua);
    await volume.close();
    expect(await half).toContain("StreamEnded");
    deaf.destroy();
    expect((await outcomes).every(({ status }) => status === "rejected")).toBe(true);
    await volume.open();
    const content = await readAll(await volume.connect("monday"));
    expect(content.subarray(3 * MIB, 3 * MIB + 5000).equals(dataPattern(5000, 3))).toBe(true);
    expect(content.subarray(0, MIB).equals(volume.before.subarray(0, MIB))).toBe(true);
  });

  test.each(["aborted amid it", "of a second call"] as const)(
    "E-42: a signal (%s) takes the time of clients, and nothing else: it is closed in good order, and resolves",
    async (when) => {
      const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
      const { library } = volume;
      const deaf = await volume.connect();
      deaf.stream.pause();
      const replies = Array.from({ length: 40 }, () => deaf.request({ type: Cmd.Read, offset: 0, length: 4 * MIB }));
      const outcomes = Promise.allSettled(replies);
      await expect.poll(() => library.stats().workers.some(({ requests }) => requests > 0)).toBe(true);
      await (await volume.connect("monday")).write(3 * MIB, dataPattern(5000, 3));
      const wrong = { signal: 5000 } as unknown as { signal: AbortSignal };
      await expect(library.close(wrong)).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE", option: "signal" });
      const stop = new AbortController();
      const closing = library.close(when === "of a second call" ? {} : { signal: stop.signal });
      if (when === "of a second call") await library.close({ signal: AbortSignal.abort() });
      else setImmediate(() => stop.abort());
      await closing;
      deaf.destroy();
      expect((await outcomes).every(({ status }) => status === "rejected")).toBe(true);
      // The end of their time would have other words.
      expect(volume.lines.join("\n")).toMatch(
        /^closing: gave up \d+ requests? of 1 client as its signal has asked for$/m,
      );
      await volume.close();
      await volume.open();
      const content = await readAll(await volume.connect("monday"));
      expect(content.subarray(3 * MIB, 3 * MIB + 5000).equals(dataPattern(5000, 3))).toBe(true);
      expect(firstDifference(content.subarray(0, MIB), volume.before.subarray(0, MIB))).toBe(-1);
    },
  );

  test("E-42: in the middle of a creation, a drop and a merge", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY, { ...MONDAY, name: "tuesday" }] });
    const { library } = volume;
    await (await volume.connect()).write(0, dataPattern(2 * MIB, 9));
    await library.startMerge("monday");
    const dropped = library.dropSnapshot("tuesday");
    await Promise.all([dropped, volume.close()]);
    expect(await volume.registered()).toEqual({ monday: "merging" });
    await expect(
      library.createSnapshot({ ...MONDAY, name: "late", cow: volume.cowPath("late") }),
    ).rejects.toMatchObject({
      code: "ESHUTDOWN",
    });
    await volume.open({ snapshots: [MONDAY] });
    expect(firstDifference(await readAll(await volume.connect()), volume.before)).toBe(-1);
    // It may have come to its end before the close: then nothing is left to be presented.
    if (volume.library.status("monday").state === "merging") await volume.library.stopMerge();
    const created = volume.library.createSnapshot({ ...MONDAY, name: "late", cow: volume.cowPath("late") });
    await Promise.allSettled([created, volume.close()]);
    const registered = Object.keys(await volume.registered());
    await volume.open({ snapshots: registered.map((name) => ({ name })) });
    expect(firstDifference(await readAll(await volume.connect("monday")), volume.before)).toBe(-1);
  });
});
