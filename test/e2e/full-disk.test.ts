/**
 * A file system that is full under a sparse COW file, or under the origin's register: no space, not a crash (E-8, E-15, S-43).
 *
 *   small file system   po.cow  │ filler …………………………… │  no block is free: the next chunk cannot be written
 *
 * Real file systems, real threads. Whatever the snapshot loses, the live volume does not: its writes go on.
 */
import { existsSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { SnapshotView } from "../../src/offline/snapshot-view.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { type LibraryOptions, LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { Cmd, type NbdClient } from "../support/nbd-client.ts";
import { needSmallFileSystems, type SmallKind, SmallFileSystem } from "../support/small-file-system.ts";
import { firstDifference, readAll } from "../support/volume.ts";

const MIB = 2 ** 20;
const CHUNK = 16 * 1024;
const BLOCK = 4096;
const NBD_EIO = 5;
const NBD_ENOSPC = 28;
/** Of the small file system, and of COW files on it: more than fits. */
const MEGABYTES = 8;
const COW_BYTES = 64 * MIB;
const ORIGIN_BYTES = MIB;
const CHUNKS = ORIGIN_BYTES / CHUNK;

type Setting = readonly [kind: SmallKind, options: LibraryOptions];
const SETTINGS: readonly Setting[] = [
  ["tmpfs", { io: "sync", reserves: false }],
  ["ext4", {}],
  ["ext4", { early: false, fills: false, direct: false }],
];

let scratch: Scratch | undefined;
let small: SmallFileSystem | undefined;

afterEach(async () => {
  await removeVolumes();
  await small?.unmount();
  small = undefined;
  await scratch?.remove();
});

async function mountSmall(kind: SmallKind): Promise<SmallFileSystem> {
  scratch = await makeScratch();
  small = await SmallFileSystem.mount(scratch, kind, MEGABYTES);
  return small;
}

/** One snapshot on the small file system, and one elsewhere that has room. */
async function open(kind: SmallKind, store: "P" | "PO", options: LibraryOptions): Promise<LibraryVolume> {
  const { path } = await mountSmall(kind);
  const snapshots = [
    { name: "small", cow: `${path}/small.cow`, size: COW_BYTES, chunkSize: CHUNK, store, sparse: true },
    { name: "roomy", size: 2 * MIB, chunkSize: CHUNK },
  ] as const;
  return LibraryVolume.create({ ...options, sizeBytes: ORIGIN_BYTES, snapshots });
}

async function writeAt(client: NbdClient, offset: number, payload: Buffer): Promise<number> {
  return (await client.request({ type: Cmd.Write, offset, length: payload.length, payload })).error;
}

async function flushError(client: NbdClient): Promise<number> {
  return (await client.request({ type: Cmd.Flush })).error;
}

/** Writes to one chunk each, all at once, whole chunks and parts by turns; what was acknowledged is in the model then. */
async function burst(client: NbdClient, model: Buffer, chunks: readonly number[], seed: number): Promise<number[]> {
  return Promise.all(
    chunks.map(async (chunk, i) => {
      const data = dataPattern(i % 2 === 0 ? CHUNK : 512 * (1 + (i % 30)), seed + chunk);
      const offset = chunk * CHUNK + (i % 2 === 0 ? 0 : 512);
      const error = await writeAt(client, offset, data);
      if (error === 0) data.copy(model, offset);
      return error;
    }),
  );
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Requests of the live volume work, and the other snapshot is as it was. */
async function expectUnharmed(volume: LibraryVolume, live: Buffer): Promise<void> {
  const origin = await volume.connect();
  const errors = await burst(origin, live, range(0, CHUNKS), 9000);
  expect(errors.filter((error) => error !== 0)).toEqual([]);
  expect(await flushError(origin)).toBe(0);
  expect(firstDifference(await readAll(origin), live)).toBe(-1);
  expect(firstDifference(await readAll(await volume.connect("roomy")), volume.before)).toBe(-1);
}

describe.each(SETTINGS)("%s, %o", (kind, options) => {
  test("E-8 E-2 S-43: a PO store overflows, keeps what it has, and goes on when there is room", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await open(kind, "PO", options);
    const client = await volume.connect("small");
    const model = Buffer.from(volume.before);
    expect(await burst(client, model, range(0, 20), 100)).toEqual(range(0, 20).map(() => 0));
    small!.fill();
    const errors = await burst(client, model, range(20, 50), 200);
    expect(errors).toContain(NBD_ENOSPC);
    for (const error of errors) expect([0, NBD_ENOSPC, NBD_EIO]).toContain(error);
    expect(volume.library.status("small")).toMatchObject({ state: "overflow", status: "Overflow" });
    expect(await writeAt(client, 60 * CHUNK, dataPattern(512, 1))).toBe(NBD_EIO);
    // What is acknowledged can still be made durable, and is what it was.
    expect(await flushError(client)).toBe(0);
    expect(firstDifference(await readAll(client), model)).toBe(-1);
    // Chunks that have an exception need none: the live volume does not touch the store for them.
    const origin = await volume.connect();
    expect(await writeAt(origin, 3 * CHUNK, dataPattern(CHUNK, 3))).toBe(0);
    expect(volume.library.status("small").state).toBe("overflow");

    small!.empty();
    await volume.library.growSnapshot("small");
    expect(volume.library.status("small").state).toBe("active");
    expect(await burst(client, model, range(20, 60), 300)).toEqual(range(20, 60).map(() => 0));
    expect(await writeAt(origin, 63 * CHUNK, dataPattern(CHUNK, 4))).toBe(0);
    expect(firstDifference(await readAll(client), model)).toBe(-1);
    await volume.close();
    using view = new SnapshotView({ origin: volume.originPath, cow: small!.file("small.cow") });
    for (const { position, bytes } of view.pieces()) {
      expect(firstDifference(bytes, model.subarray(position, position + bytes.length))).toBe(-1);
    }
  });

  test("E-15 S-70: an origin write that finds no room goes on; the snapshot is Invalid, durably", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await open(kind, "PO", options);
    const client = await volume.connect("small");
    await burst(client, Buffer.from(volume.before), range(0, 20), 100);
    small!.fill();
    await expectUnharmed(volume, Buffer.from(volume.before));
    expect(volume.library.status("small").state).toBe("invalid");
    expect((await client.request({ type: Cmd.Read, offset: 0, length: 512 })).error).toBe(NBD_EIO);
    expect(await volume.validOnDisk("small", small!.file("small.cow"))).toBe(0);
    expect(await volume.registered()).toEqual({ small: "invalid", roomy: "active" });
    await volume.close();
    await volume.open();
    expect(volume.library.status("small").state).toBe("invalid");
  });

  test("E-8: a P store is Invalid after a snapshot write without room, which gets ENOSPC", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await open(kind, "P", options);
    const client = await volume.connect("small");
    await burst(client, Buffer.from(volume.before), range(0, 20), 100);
    small!.fill();
    const errors = await burst(client, Buffer.from(volume.before), range(20, 50), 200);
    expect(errors).toContain(NBD_ENOSPC);
    expect(volume.library.status("small").state).toBe("invalid");
    expect(await volume.validOnDisk("small", small!.file("small.cow"))).toBe(0);
    await expectUnharmed(volume, Buffer.from(volume.before));
  });

  test("S-53: no room for an area: Invalid also with PO, and a flush says so", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await open(kind, "PO", { ...options, reserves: false });
    const client = await volume.connect("small");
    // The area's own block is taken away; what is left is just enough for the chunk.
    await small!.punch("small.cow", CHUNK, CHUNK);
    small!.fill(CHUNK / BLOCK);
    const error = await writeAt(client, 5 * CHUNK, dataPattern(CHUNK, 5));
    const flushed = await flushError(client);
    expect([error, flushed].some((one) => one !== 0)).toBe(true);
    expect(volume.library.status("small").state).toBe("invalid");
    await expectUnharmed(volume, Buffer.from(volume.before));
  });

  test("S-70: no room for the header of a drop: it is said, and the origin write goes on", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await open(kind, "PO", options);
    await small!.punch("small.cow", 0, CHUNK);
    small!.fill();
    await expectUnharmed(volume, Buffer.from(volume.before));
    expect(volume.library.status("small").state).toBe("invalid");
    expect(volume.lines.filter((line) => line.includes("header could not be marked invalid"))).toHaveLength(1);
    expect(await volume.registered()).toEqual({ small: "invalid", roomy: "active" });
  });

  test("E-40: a snapshot whose store finds no room is not created, and the volume goes on", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await open(kind, "P", options);
    small!.fill();
    const more = { name: "more", cow: small!.file("more.cow"), size: 2 * MIB, chunkSize: CHUNK, sparse: true } as const;
    await expect(volume.library.createSnapshot(more)).rejects.toThrow(/more/);
    expect(volume.library.exports.map(({ name }) => name)).not.toContain("more");
    // It stayed, and took the little room that there was.
    expect(existsSync(more.cow)).toBe(false);
    small!.empty();
    await volume.library.createSnapshot(more);
    const live = Buffer.from(volume.before);
    await expectUnharmed(volume, live);
    expect(firstDifference(await readAll(await volume.connect("more")), volume.before)).toBe(-1);
  });
});

describe.each(["tmpfs", "ext4"] as const)("the register on a full %s (E-46)", (kind) => {
  const before = dataPattern(ORIGIN_BYTES, 1);

  /** The origin's blocks are all there; only new files find no room. */
  async function openOrigin(): Promise<LibraryVolume> {
    await mountSmall(kind);
    const originPath = small!.file("origin");
    writeFileSync(originPath, before);
    return LibraryVolume.create({ originPath, sizeBytes: ORIGIN_BYTES, snapshots: [] });
  }

  test("a snapshot that cannot be registered is not made; later it is, and is registered on disk", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await openOrigin();
    small!.fill();
    const late = (cow: string) => ({ name: "late", cow: volume.cowPath(cow), size: 2 * MIB, chunkSize: CHUNK });
    await expect(volume.library.createSnapshot(late("first"))).rejects.toMatchObject({ code: "ENOSPC" });
    expect(existsSync(volume.cowPath("first"))).toBe(false);
    expect(await volume.registered()).toEqual({});
    const origin = await volume.connect();
    const live = Buffer.from(before);
    expect((await burst(origin, live, range(0, 30), 10)).every((error) => error === 0)).toBe(true);
    small!.empty();
    // It was taken for registered, because the first attempt had been remembered: a later start went on without the snapshot.
    await volume.library.createSnapshot(late("second"));
    expect(await volume.registered()).toEqual({ late: "active" });
    const model = Buffer.from(live);
    expect((await burst(origin, live, range(20, 60), 20)).every((error) => error === 0)).toBe(true);
    expect(firstDifference(await readAll(await volume.connect("late")), model)).toBe(-1);
    await volume.close();
    await expect(volume.open({ snapshots: [] })).rejects.toMatchObject({ code: "EBUSY" });
  });

  test("S-70: a drop that cannot be registered is said; the header is enough", async ({ skip }) => {
    needSmallFileSystems(skip);
    const volume = await openOrigin();
    const tiny = { name: "tiny", cow: volume.cowPath("tiny"), size: 8 * CHUNK, chunkSize: CHUNK } as const;
    await volume.library.createSnapshot(tiny);
    small!.fill();
    const origin = await volume.connect();
    const live = Buffer.from(before);
    expect((await burst(origin, live, range(0, 40), 10)).every((error) => error === 0)).toBe(true);
    expect(volume.library.status("tiny").state).toBe("invalid");
    expect(volume.lines.some((line) => line.includes("register of snapshots could not be written"))).toBe(true);
    expect(await volume.registered()).toEqual({ tiny: "active" });
    expect(await volume.validOnDisk("tiny")).toBe(0);
    await volume.close();
    small!.empty();
    await volume.open({ snapshots: [{ name: "tiny" }] });
    expect(volume.library.status("tiny").state).toBe("invalid");
    expect(await volume.registered()).toEqual({ tiny: "invalid" });
    expect(firstDifference(await readAll(await volume.connect()), live)).toBe(-1);
  });
});
