/**
 * Stores that grow by themselves, are made larger by an order, or stall when they are full: with threads, real files and clients (E-45, E-47, E-48, E-49).
 */
import { statSync, truncateSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { SnapshotDetails, SnapshotEvent } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { Cmd, type NbdClient } from "../support/nbd-client.ts";
import { runCommand } from "../support/run-command.ts";
import { needSmallFileSystems, SmallFileSystem } from "../support/small-file-system.ts";
import { firstDifference, readAll } from "../support/volume.ts";

const MIB = 2 ** 20;
const CHUNK = 4096;
const NBD_EIO = 5;
const NBD_ENOSPC = 28;
/** Room for the header, an area and 14 chunks. */
const SMALL = 16 * CHUNK;

const mounts: string[] = [];

afterEach(async () => {
  // Lazily: what is open stays so until its volume is closed.
  for (const mount of mounts.splice(0)) await runCommand("umount", "--lazy", mount);
  await removeVolumes();
});

function eventsOf(volume: LibraryVolume): SnapshotDetails[] {
  const told: SnapshotDetails[] = [];
  volume.library.on("snapshot", (_name, _event, _reason, details) => told.push(details));
  return told;
}

/** Resolves at the first event of this kind. */
function event(volume: LibraryVolume, wanted: SnapshotEvent): Promise<void> {
  return new Promise((resolve) => {
    volume.library.on("snapshot", (_name, event) => {
      if (event === wanted) resolve();
    });
  });
}

function writeChunk(client: NbdClient, chunk: number): ReturnType<NbdClient["request"]> {
  const payload = dataPattern(CHUNK, 100 + chunk);
  return client.request({ type: Cmd.Write, offset: chunk * CHUNK, length: CHUNK, payload });
}

test("a flood of writes to origin and snapshot never meets a store that is full: it grows, reserved as it was (E-47)", async () => {
  const grows = { name: "grows", chunkSize: CHUNK, size: SMALL, grow: { by: SMALL } };
  const volume = await LibraryVolume.create({ snapshots: [grows] });
  const told = eventsOf(volume);
  const origin = await volume.connect();
  const snapshot = await volume.connect("grows");
  const model = Buffer.from(volume.before);
  const chunks = Array.from({ length: 512 }, (_, chunk) => chunk);
  const ends = await Promise.all(chunks.map((chunk) => writeChunk(chunk % 2 === 0 ? origin : snapshot, chunk)));
  expect(ends.filter(({ error }) => error !== 0)).toEqual([]);
  for (const chunk of chunks.filter((chunk) => chunk % 2 === 1))
    dataPattern(CHUNK, 100 + chunk).copy(model, chunk * CHUNK);
  expect(firstDifference(await readAll(snapshot), model)).toBe(-1);
  const [stats] = volume.library.stats().snapshots;
  expect(stats).toMatchObject({ state: "active", stalled: 0, stalls: 0 });
  expect(stats!.growths).toBeGreaterThan(20);
  const growths = told.filter((details) => details.event === "grown");
  expect(growths[0]).toEqual({ event: "grown", from: SMALL, to: 2 * SMALL });
  expect(growths).toHaveLength(stats!.growths);
  const { size, blocks } = statSync(volume.cowPath("grows"));
  expect([size, blocks * 512 >= size]).toEqual([growths.at(-1)!.to, true]);
  expect(told.filter(({ event }) => event === "invalid" || event === "grow-failed")).toEqual([]);
  await volume.close();
  await volume.open({ snapshots: [grows] });
  expect(firstDifference(await readAll(await volume.connect("grows")), model)).toBe(-1);
});

test("a sparse file stays one (E-47), and the greatest size is kept to: full then, as its kind has it (E-8)", async () => {
  const grow = { by: CHUNK, max: 2 * SMALL };
  const volume = await LibraryVolume.create({
    snapshots: [{ name: "sparse", chunkSize: CHUNK, size: SMALL, sparse: true, store: "PO", grow }],
  });
  const told = eventsOf(volume);
  const client = await volume.connect("sparse");
  let written = 0;
  while ((await writeChunk(client, written)).error === 0) written += 1;
  expect(written).toBe(30);
  expect((await writeChunk(client, written)).error).toBe(NBD_EIO);
  expect(told.filter(({ event }) => event === "grow-failed" || event === "overflow")).toEqual([
    { event: "grow-failed" },
    { event: "overflow" },
  ]);
  expect(volume.lines.filter((line) => line.includes("cannot grow"))).toEqual([
    "sparse: its COW file cannot grow: it has the greatest size that it may have",
  ]);
  const { size } = statSync(volume.cowPath("sparse"));
  expect(size).toBe(2 * SMALL);
  // Another limit, and it goes on.
  await volume.library.setSnapshotPolicy("sparse", { grow: { by: SMALL } });
  await event(volume, "overflow-cleared");
  expect((await writeChunk(client, written)).error).toBe(0);
  const grown = statSync(volume.cowPath("sparse"));
  expect([grown.size, grown.blocks * 512 < grown.size]).toEqual([3 * SMALL, true]);
});

test("a store that stalls: reads and other chunks go on, growth ends it at once, and each is told once (E-48, E-49)", async () => {
  const stalls = { name: "stalls", chunkSize: CHUNK, size: SMALL, whenFull: "stall" } as const;
  const volume = await LibraryVolume.create({ snapshots: [stalls] });
  const told = eventsOf(volume);
  const origin = await volume.connect();
  const snapshot = await volume.connect("stalls");
  for (let chunk = 0; chunk < 14; chunk++) expect((await writeChunk(snapshot, chunk)).error).toBe(0);
  const stalled = event(volume, "stalled");
  let ended = 0;
  const waiting = [writeChunk(snapshot, 20), writeChunk(origin, 21)].map((request) =>
    request.finally(() => (ended += 1)),
  );
  await stalled;
  // The chunks that have their exceptions, reads, the origin where its old data is kept.
  expect((await writeChunk(snapshot, 3)).error).toBe(0);
  expect(firstDifference(await readAll(snapshot), await modelOf(volume, 14))).toBe(-1);
  expect((await writeChunk(origin, 3)).error).toBe(0);
  await snapshot.flush();
  expect(ended).toBe(0);
  expect(volume.library.stats().snapshots[0]).toMatchObject({ stalls: 1, state: "active" });
  await volume.library.growSnapshot("stalls", { size: 2 * SMALL });
  expect((await Promise.all(waiting)).map(({ error }) => error)).toEqual([0, 0]);
  expect(told.filter(({ event }) => event !== "merge-progress")).toEqual([
    ...([70, 80, 90, 95] as const).map((percent) => ({ event: "level", percent, rising: true })),
    { event: "stalled" },
    { event: "resumed" },
    ...([95, 90, 80, 70] as const).map((percent) => ({ event: "level", percent, rising: false })),
  ]);
  const { size, blocks } = statSync(volume.cowPath("stalls"));
  expect([size, blocks * 512 >= size]).toEqual([2 * SMALL, true]);
});

async function modelOf(volume: LibraryVolume, chunks: number): Promise<Buffer> {
  const model = Buffer.from(volume.before);
  for (let chunk = 0; chunk < chunks; chunk++) dataPattern(CHUNK, 100 + chunk).copy(model, chunk * CHUNK);
  return model;
}

test("a stall has a time: the origin write goes on then, and the snapshot is invalid (E-48, E-15)", async () => {
  const stalls = { name: "brief", chunkSize: CHUNK, size: SMALL, whenFull: "stall", stallSeconds: 0.05 } as const;
  const volume = await LibraryVolume.create({ snapshots: [stalls] });
  const told = eventsOf(volume);
  const origin = await volume.connect();
  await origin.write(0, dataPattern(MIB, 3));
  expect(firstDifference(await origin.read(0, MIB), dataPattern(MIB, 3))).toBe(-1);
  expect(volume.library.status("brief").state).toBe("invalid");
  expect(told.filter(({ event }) => event !== "level").map(({ event }) => event)).toEqual(["stalled", "invalid"]);
});

test("a close does not wait for room: the write fails, the snapshot is there at the next opening (E-48)", async () => {
  const stalls = { name: "stalls", chunkSize: CHUNK, size: SMALL, whenFull: "stall" } as const;
  const volume = await LibraryVolume.create({ snapshots: [stalls] });
  const origin = await volume.connect();
  for (let chunk = 0; chunk < 14; chunk++) await writeChunk(origin, chunk);
  const stalled = event(volume, "stalled");
  const waiting = writeChunk(origin, 20);
  await stalled;
  const closing = volume.close();
  expect((await waiting).error).toBe(NBD_ENOSPC);
  await closing;
  await volume.open({ snapshots: [stalls] });
  expect(firstDifference(await readAll(await volume.connect("stalls")), volume.before)).toBe(-1);
});

test("growSnapshot with a size: a file is made so large; less than it has, or half a sector, is refused (E-45)", async () => {
  const volume = await LibraryVolume.create({ snapshots: [{ name: "s", chunkSize: CHUNK, size: SMALL }] });
  const path = volume.cowPath("s");
  const grow = (size: number): Promise<void> => volume.library.growSnapshot("s", { size });
  await grow(4 * SMALL);
  expect(volume.library.stats().snapshots[0]).toMatchObject({ totalSectors: (4 * SMALL) / 512, growths: 1 });
  await grow(4 * SMALL);
  await expect(grow(2 * SMALL)).rejects.toMatchObject({
    code: "EINVAL",
    message: expect.stringContaining("does not shrink"),
  });
  await expect(grow(4 * SMALL + 1)).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE", option: "size" });
  expect(statSync(path).size).toBe(4 * SMALL);
  // Without a size, what it has now is taken over, as ever.
  truncateSync(path, 5 * SMALL);
  await volume.library.growSnapshot("s");
  expect(volume.library.stats().snapshots[0]).toMatchObject({ totalSectors: (5 * SMALL) / 512, growths: 2 });
  await expect(volume.library.growSnapshot("none", { size: 8 * SMALL })).rejects.toMatchObject({ code: "ENOENT" });
});

test("a sparse file on a file system that is full stalls, and goes on when that has room (E-48, S-47)", async ({
  skip,
}) => {
  needSmallFileSystems(skip, "tmpfs");
  const volume = await LibraryVolume.create();
  const small = await SmallFileSystem.mount(volume.scratch, "tmpfs", 4);
  mounts.push(small.path);
  const cow = `${small.path}/s.cow`;
  await volume.library.createSnapshot({
    ...{ name: "s", cow, chunkSize: CHUNK, size: 2 * MIB, sparse: true },
    whenFull: "stall",
  });
  small.fill();
  const [origin, snapshot] = [await volume.connect(), await volume.connect("s")];
  const stalled = event(volume, "stalled");
  const waiting = Array.from({ length: 40 }, (_, chunk) => writeChunk(chunk % 2 === 0 ? snapshot : origin, chunk));
  await stalled;
  expect(firstDifference(await readAll(snapshot), volume.before)).toBe(-1);
  small.empty();
  expect((await Promise.all(waiting)).filter(({ error }) => error !== 0)).toEqual([]);
  const model = Buffer.from(volume.before);
  for (let chunk = 0; chunk < 40; chunk += 2) dataPattern(CHUNK, 100 + chunk).copy(model, chunk * CHUNK);
  expect(firstDifference(await readAll(snapshot), model)).toBe(-1);
  expect(volume.library.status("s").state).toBe("active");
});

test.for(["tmpfs", "ext4"] as const)(
  "a %s that is full: nothing changes, and growth comes when there is room (E-45, E-47)",
  async (kind, { skip }) => {
    needSmallFileSystems(skip, kind);
    const volume = await LibraryVolume.create();
    const small = await SmallFileSystem.mount(volume.scratch, kind, 16);
    mounts.push(small.path);
    const cow = `${small.path}/s.cow`;
    await volume.library.createSnapshot({
      name: "s",
      cow,
      chunkSize: CHUNK,
      size: SMALL,
      whenFull: "stall",
      grow: { by: SMALL },
    });
    small.fill();
    await expect(volume.library.growSnapshot("s", { size: 8 * MIB })).rejects.toMatchObject({ code: "ENOSPC" });
    expect([statSync(cow).size, volume.library.status("s").state]).toEqual([SMALL, "active"]);
    const snapshot = await volume.connect("s");
    const stalled = event(volume, "stalled");
    const waiting = Promise.all(Array.from({ length: 40 }, (_, chunk) => writeChunk(snapshot, chunk)));
    await stalled;
    expect(volume.lines.filter((line) => line.includes("cannot grow"))).toHaveLength(1);
    expect(statSync(cow).size).toBe(SMALL);
    small.empty();
    expect((await waiting).filter(({ error }) => error !== 0)).toEqual([]);
    expect(firstDifference(await readAll(snapshot), await modelOf(volume, 40))).toBe(-1);
  },
);
