/**
 * What becomes of a snapshot whose store fills up or breaks, or lives in memory only; the live volume never suffers for it.
 */
import { mkdirSync, truncateSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { Cmd, type NbdClient } from "../support/nbd-client.ts";
import { runCommand } from "../support/run-command.ts";
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

async function writeChunk(client: NbdClient, chunk: number, seed: number): Promise<number> {
  const payload = dataPattern(CHUNK, seed);
  return (await client.request({ type: Cmd.Write, offset: chunk * CHUNK, length: CHUNK, payload })).error;
}

async function readError(client: NbdClient, chunk: number): Promise<number> {
  return (await client.request({ type: Cmd.Read, offset: chunk * CHUNK, length: CHUNK })).error;
}

/** Writes chunk after chunk until one fails; returns how many did not, and the error. */
async function fill(client: NbdClient): Promise<{ written: number; error: number }> {
  for (let written = 0; ; written++) {
    const error = await writeChunk(client, written, 100 + written);
    if (error !== 0) return { written, error };
  }
}

test("S-13: a transient store keeps the old data, writes nothing but data, and is gone after a close", async () => {
  const volume = await LibraryVolume.create({
    snapshots: [{ name: "brief", store: "N", chunkSize: CHUNK, size: 8 * MIB }],
  });
  const origin = await volume.connect();
  const brief = await volume.connect("brief");
  const model = Buffer.from(volume.before);
  await origin.write(12_345, dataPattern(MIB, 2));
  await brief.write(3 * MIB + 1, dataPattern(9999, 3));
  dataPattern(9999, 3).copy(model, 3 * MIB + 1);
  await brief.flush();
  await brief.write(77, dataPattern(1, 4), 1);
  dataPattern(1, 4).copy(model, 77);
  expect(firstDifference(await readAll(brief), model)).toBe(-1);
  expect(volume.library.status("brief")).toMatchObject({
    state: "active",
    status: expect.stringMatching(/^\d+\/16384 0$/),
    table: `${volume.originPath} ${volume.cowPath("brief")} N 8`,
  });
  expect(volume.library.stats().snapshots[0]).toMatchObject({ commits: 0, metadataBytes: 0 });
  expect(await volume.registered()).toEqual({});
  await volume.close();
  await volume.open({ snapshots: [] });
  expect(volume.library.exports.map(({ name }) => name)).toEqual(["origin"]);
});

test("S-13: a transient store needs a chunk size, and is Invalid when it is full", async () => {
  const full = { name: "full", store: "N", chunkSize: CHUNK, size: SMALL } as const;
  const volume = await LibraryVolume.create({ snapshots: [full] });
  await expect(
    volume.library.createSnapshot({ name: "sizeless", cow: volume.cowPath("sizeless"), size: MIB, store: "N" }),
  ).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE", option: "chunkSize" });
  const origin = await volume.connect();
  const data = dataPattern(MIB, 5);
  await origin.write(0, data);
  expect(firstDifference(await origin.read(0, MIB), data)).toBe(-1);
  expect(volume.library.status("full")).toMatchObject({ state: "invalid", status: "Invalid" });
  expect(await readError(await volume.connect("full"), 0)).toBe(NBD_EIO);
});

for (const early of [true, false]) {
  const mode = `S-57 ${early ? "on" : "off"}`;

  test(`E-2 E-8 S-11: a PO store full of snapshot writes overflows: no more writes, everything else goes on (${mode})`, async () => {
    const volume = await LibraryVolume.create({
      early,
      snapshots: [{ name: "po", store: "PO", chunkSize: CHUNK, size: SMALL }],
    });
    const po = await volume.connect("po");
    const model = Buffer.from(volume.before);
    const { written, error } = await fill(po);
    expect(written).toBe(14);
    expect([NBD_EIO, NBD_ENOSPC]).toContain(error);
    for (let i = 0; i < written; i++) dataPattern(CHUNK, 100 + i).copy(model, i * CHUNK);
    expect(volume.library.status("po")).toMatchObject({ state: "overflow", status: "Overflow" });
    expect(
      volume.lines.some((line) => line.includes("po: the store, or the file system that it lies on, is full")),
    ).toBe(true);
    for (const chunk of [0, 5, 900]) expect(await writeChunk(po, chunk, 7)).toBe(NBD_EIO);
    await po.flush();
    expect(firstDifference(await readAll(po), model)).toBe(-1);
    const origin = await volume.connect();
    // Chunks that have an exception need none.
    expect(await writeChunk(origin, 3, 8)).toBe(0);
    expect(firstDifference(await readAll(po), model)).toBe(-1);
    await volume.close();
    await volume.open({ snapshots: [{ name: "po", store: "PO" }] });
    expect(volume.library.status("po")).toMatchObject({ state: "active", status: "128/128 16" });
    expect(firstDifference(await readAll(await volume.connect("po")), model)).toBe(-1);
  });

  test(`S-43 E-45: growth ends an overflow (${mode})`, async () => {
    const volume = await LibraryVolume.create({
      early,
      snapshots: [{ name: "po", store: "PO", chunkSize: CHUNK, size: SMALL }],
    });
    const po = await volume.connect("po");
    const { written } = await fill(po);
    truncateSync(volume.cowPath("po"), SMALL + 4 * CHUNK);
    await volume.library.growSnapshot("po");
    expect(volume.library.status("po").state).toBe("active");
    for (let i = 0; i < 4; i++) expect(await writeChunk(po, written + i, 100 + written + i)).toBe(0);
    expect(await writeChunk(po, 100, 9)).not.toBe(0);
    expect(volume.library.status("po").state).toBe("overflow");
    truncateSync(volume.cowPath("po"), SMALL);
    await expect(volume.library.growSnapshot("po")).rejects.toMatchObject({ code: "EINVAL" });
    for (let i = 0; i < written + 4 - 4; i++) expect(await readError(po, i)).toBe(0);
  });

  test(`E-8: a P store full of snapshot writes is Invalid, durably (${mode})`, async () => {
    const volume = await LibraryVolume.create({
      early,
      snapshots: [{ name: "p", store: "P", chunkSize: CHUNK, size: SMALL }],
    });
    const p = await volume.connect("p");
    const { written, error } = await fill(p);
    expect(written).toBe(14);
    expect([NBD_EIO, NBD_ENOSPC]).toContain(error);
    await expectInvalid(volume, "p", p);
    const origin = await volume.connect();
    expect(firstDifference(await readAll(origin), volume.before)).toBe(-1);
    expect(await writeChunk(origin, 1, 9)).toBe(0);
    await volume.close();
    await volume.open({ snapshots: [{ name: "p" }] });
    expect(volume.library.status("p")).toMatchObject({ state: "invalid", status: "Invalid" });
    expect(await readError(await volume.connect("p"), 0)).toBe(NBD_EIO);
    expect(await writeChunk(await volume.connect(), 2, 10)).toBe(0);
  });

  test.each(["P", "PO"] as const)(
    `E-15: a full %s store is Invalid, and the origin write goes on (${mode})`,
    async (store) => {
      const volume = await LibraryVolume.create({
        early,
        snapshots: [
          { name: "small", store, chunkSize: CHUNK, size: SMALL },
          { name: "large", chunkSize: 16_384, size: 8 * MIB },
        ],
      });
      const origin = await volume.connect();
      const small = await volume.connect("small");
      const data = dataPattern(3 * MIB, 6);
      const writes = Array.from({ length: 48 }, (_, i) => {
        const at = i * 65_536;
        return origin.write(at, data.subarray(at, at + 65_536));
      });
      await Promise.all(writes);
      expect(firstDifference(await origin.read(0, data.length), data)).toBe(-1);
      await expectInvalid(volume, "small", small);
      expect(firstDifference(await readAll(await volume.connect("large")), volume.before)).toBe(-1);
      expect(await volume.registered()).toEqual({ small: "invalid", large: "active" });
    },
  );

  test(`E-9 E-15 S-50: a COW device without room for its blocks: Invalid, the origin goes on (${mode})`, async ({
    skip,
  }) => {
    const volume = await LibraryVolume.create({ early });
    const place = volume.scratch.file("tiny");
    mkdirSync(place);
    const mounted = await runCommand("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", place);
    skip(mounted.code !== 0, "mounting is not allowed here");
    mounts.push(place);
    const { library } = volume;
    const origin = await volume.connect();
    for (const name of ["read", "written"]) {
      await library.createSnapshot({ name, cow: `${place}/${name}`, size: 64 * MIB, sparse: true, chunkSize: CHUNK });
    }
    const written = await volume.connect("written");
    const read = await volume.connect("read");
    expect((await fill(written)).written).toBeGreaterThan(20);
    await expectInvalid(volume, "written", written, `${place}/written`);
    expect(firstDifference(await readAll(read), volume.before)).toBe(-1);
    const data = dataPattern(2 * MIB, 7);
    await origin.write(0, data);
    await expectInvalid(volume, "read", read, `${place}/read`);
    expect(firstDifference(await origin.read(0, data.length), data)).toBe(-1);
    await volume.close();
    expect(firstDifference((await volume.originBytes()).subarray(0, data.length), data)).toBe(-1);
  });
}

async function expectInvalid(volume: LibraryVolume, name: string, client: NbdClient, cow?: string): Promise<void> {
  expect(volume.library.status(name)).toMatchObject({ state: "invalid", status: "Invalid" });
  expect(await readError(client, 0)).toBe(NBD_EIO);
  expect(await readError(client, 800)).toBe(NBD_EIO);
  expect(await writeChunk(client, 0, 1)).toBe(NBD_EIO);
  expect((await client.request({ type: Cmd.Flush })).error).toBe(NBD_EIO);
  expect(await volume.validOnDisk(name, cow)).toBe(0);
  expect((await volume.registered())[name]).toBe("invalid");
}

test("a log that throws harms nobody: a store that runs full drops its snapshot, the live volume's writers go on", async () => {
  const volume = await LibraryVolume.create({
    snapshots: [
      { name: "small", chunkSize: CHUNK, size: SMALL },
      { name: "roomy", chunkSize: CHUNK, size: 8 * MIB },
    ],
    log: () => {
      throw new Error("the disk under the log is full");
    },
  });
  const origin = await volume.connect();
  for (let chunk = 0; chunk < 40; chunk++) expect(await writeChunk(origin, chunk, 300 + chunk)).toBe(0);
  expect(volume.library.status("small").state).toBe("invalid");
  expect(firstDifference(await readAll(await volume.connect("roomy")), volume.before)).toBe(-1);
  expect(volume.library.stats().droppedLines).toBeGreaterThan(0);
});

test("a size that is given for a COW file which exists, and has another one, is said to be without effect", async () => {
  const snapshot = { name: "kept", size: MIB, chunkSize: CHUNK };
  const volume = await LibraryVolume.create({ snapshots: [snapshot] });
  await volume.close();
  await volume.open();
  expect(volume.lines.join("\n")).not.toContain("size that was given");
  await volume.close();
  await volume.open({ snapshots: [{ ...snapshot, size: 2 * MIB }] });
  expect(volume.lines.join("\n")).toContain(
    `${volume.cowPath("kept")} exists and has 1 MiB; the size that was given (2 MiB) is for a file that is made`,
  );
});
