/**
 * Stores at the edges of their sizes: chunks of 512 bytes and of a gibibyte, a store that has exactly the room that its volume needs, more chunks than 32 bits
 * count. What the kernel says of the same is in test/kernel.
 */
import { openSync, closeSync, readSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { CowGeometry } from "../../src/format/cow-geometry.ts";
import { openVolume, type Volume, type VolumeOptions } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { NbdClient, NbdFailure } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

const KIB = 1024;
const MIB: number = KIB ** 2;
const GIB: number = KIB ** 3;
const TIB: number = KIB ** 4;
const SECTOR = 512;
const NBD_ENOSPC = 28;

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await removeVolumes();
});

/** Sectors of a store that takes every chunk of a volume: data, the header, and each area that may be begun (S-2, S-42). */
function greatestSectors(chunks: number, chunkSectors: number, store: "P" | "N"): number {
  const { exceptionsPerArea } = new CowGeometry(chunkSectors);
  const metadata = store === "N" ? 0 : 1 + Math.floor(chunks / exceptionsPerArea) + 1;
  return (chunks + metadata) * chunkSectors;
}

/** Chunk size in bytes, chunks of the volume: of the smallest so many that the last one fills an area. */
const EXACT = [
  [512, 96],
  [4 * KIB, 260],
  [512 * KIB, 9],
] as const;

test.each(EXACT)(
  "chunks of %i bytes: the store that %i of them need takes them all, and one that is a chunk smaller all but one (S-40, S-42)",
  async (chunkSize, chunks) => {
    const sectors = (store: "P" | "N"): number => SECTOR * greatestSectors(chunks, chunkSize / SECTOR, store);
    const volume = await LibraryVolume.create({
      // The last chunk is cut short.
      sizeBytes: chunks * chunkSize - (chunkSize > SECTOR ? SECTOR : 0),
      snapshots: [
        { name: "P", store: "P", chunkSize, size: sectors("P") },
        { name: "N", store: "N", chunkSize, size: sectors("N") },
        { name: "small", store: "P", chunkSize, size: sectors("P") - chunkSize },
      ],
    });
    const { before } = volume;
    const client = await volume.connect();
    const last = (chunks - 1) * chunkSize;
    await client.write(0, dataPattern(last, 2));
    const states = (): string[] => volume.library.stats().snapshots.map(({ state }) => state);
    expect(states()).toEqual(["active", "active", "active"]);
    await client.write(last, dataPattern(before.length - last, 3));
    expect(states()).toEqual(["active", "active", "invalid"]);
    const [first, second] = volume.library.stats().snapshots;
    expect([first!.exceptions, second!.exceptions, second!.allocatedSectors]).toEqual([
      chunks,
      chunks,
      second!.totalSectors,
    ]);
    for (const name of ["P", "N"]) expect(firstDifference(await readAll(await volume.connect(name)), before)).toBe(-1);
    await volume.close();
    await volume.open({ snapshots: [{ name: "P" }, { name: "small" }] });
    expect(firstDifference(await readAll(await volume.connect("P")), before)).toBe(-1);
  },
);

/** A volume on sparse files, which are never read as a whole. */
class SparseVolume {
  readonly scratch: Scratch;
  readonly #sizeBytes: number;
  #volume: Volume | undefined;

  private constructor(scratch: Scratch, sizeBytes: number) {
    this.scratch = scratch;
    this.#sizeBytes = sizeBytes;
    ends.push(() => scratch.remove());
  }

  static async of(sizeBytes: number): Promise<SparseVolume> {
    const volume = new SparseVolume(await makeScratch(), sizeBytes);
    writeFileSync(volume.scratch.file("origin"), "");
    truncateSync(volume.scratch.file("origin"), sizeBytes);
    return volume;
  }

  get library(): Volume {
    return this.#volume!;
  }

  async open(options: Omit<VolumeOptions, "origin" | "listen">): Promise<void> {
    const listen = [`unix:${this.scratch.file("socket")}`];
    this.#volume = await openVolume({ origin: this.scratch.file("origin"), listen, workers: 1, ...options });
    ends.push(() => this.#volume?.close());
  }

  async close(): Promise<void> {
    await this.#volume?.close();
    this.#volume = undefined;
  }

  async connect(name: string): Promise<NbdClient> {
    const client = await NbdClient.open({ path: this.scratch.file("socket") }, name);
    ends.push(() => client.destroy());
    expect(client.sizeBytes).toBe(this.#sizeBytes);
    return client;
  }

  /** As it is in the origin's file. */
  onDisk(at: number, length: number): Buffer {
    const [fd, bytes] = [openSync(this.scratch.file("origin"), "r"), Buffer.alloc(length)];
    readSync(fd, bytes, 0, length, at);
    closeSync(fd);
    return bytes;
  }
}

test("chunks that are larger than the volume, up to a gibibyte, hold what it has of them (S-19)", async () => {
  // A persistent store has a header and an area of that size, which are written: a gibibyte takes as long as one does.
  const [large, largest] = [64 * MIB, GIB];
  const volume = await SparseVolume.of(4 * MIB + SECTOR);
  const cow = (name: string): { name: string; cow: string } => ({ name, cow: volume.scratch.file(name) });
  await volume.open({
    snapshots: [
      { ...cow("P"), chunkSize: large, size: 4 * large, sparse: true },
      { ...cow("N"), chunkSize: largest, size: largest, sparse: true, store: "N" },
    ],
  });
  const client = await volume.connect("");
  await client.write(MIB, dataPattern(4 * KIB, 1));
  await (await volume.connect("P")).write(2 * MIB, dataPattern(4 * KIB, 2));
  expect(volume.library.status("P").status).toBe("393216/524288 262144");
  expect(volume.library.status("N").status).toBe("2097152/2097152 0");
  const view = Buffer.alloc(4 * MIB + SECTOR);
  expect(firstDifference(await readAll(await volume.connect("N")), view)).toBe(-1);
  await volume.close();
  await volume.open({ registered: true });
  dataPattern(4 * KIB, 2).copy(view, 2 * MIB);
  expect(firstDifference(await readAll(await volume.connect("P")), view)).toBe(-1);
  await volume.library.merge("P");
  expect(firstDifference(await readAll(await volume.connect("")), view)).toBe(-1);
});

test("chunks of no size that there is are refused in words, and nothing is made (S-17, S-19)", async () => {
  const volume = await LibraryVolume.create();
  for (const [chunkSize, words] of [
    [2 * GIB, /chunkSize/],
    [4 * KIB + 57 * SECTOR, /power of/],
    [256, /chunkSize/],
  ] as const) {
    const order = volume.library.createSnapshot({ name: "s", cow: volume.cowPath("s"), chunkSize, size: MIB });
    await expect(order).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE", message: expect.stringMatching(words) });
  }
  expect([volume.library.stats().snapshots, await volume.registered()]).toEqual([[], {}]);
});

test("an origin of more chunks than 32 bits count: those behind are kept, read, written and merged like any other", async () => {
  const size = 2 * TIB + 64 * KIB + SECTOR;
  const volume = await SparseVolume.of(size);
  await volume.open({ snapshots: [{ name: "s", cow: volume.scratch.file("s.cow"), chunkSize: SECTOR, size: MIB }] });
  const places = [0, 2 ** 31 * SECTOR, 2 * TIB - 8 * SECTOR, 2 * TIB + 4 * SECTOR, size - 3 * SECTOR];
  const [client, snapshot] = [await volume.connect(""), await volume.connect("s")];
  for (const [i, at] of places.entries()) await client.write(at, dataPattern(3 * SECTOR, 1 + i));
  await snapshot.write(2 * TIB + 5 * SECTOR, dataPattern(SECTOR, 99));
  const kept = (at: number): Buffer => {
    const bytes = Buffer.alloc(3 * SECTOR);
    if (at === places[3]) dataPattern(SECTOR, 99).copy(bytes, SECTOR);
    return bytes;
  };
  const expectKept = async (side: NbdClient): Promise<void> => {
    for (const at of places) expect(firstDifference(await side.read(at, 3 * SECTOR), kept(at)), `at ${at}`).toBe(-1);
    await expect(side.read(size, SECTOR)).rejects.toThrow(NbdFailure);
  };
  await expectKept(snapshot);
  expect(volume.library.stats().snapshots[0]).toMatchObject({ exceptions: 3 * places.length });
  await volume.close();
  await volume.open({ registered: true });
  await expectKept(await volume.connect("s"));
  for (const [i, at] of places.entries())
    expect(firstDifference(await (await volume.connect("")).read(at, 3 * SECTOR), dataPattern(3 * SECTOR, 1 + i))).toBe(
      -1,
    );
  await volume.library.merge("s");
  await expectKept(await volume.connect(""));
  await volume.close();
  for (const at of places) expect(firstDifference(volume.onDisk(at, 3 * SECTOR), kept(at))).toBe(-1);
});

test("a small store of a large origin is full after its last chunk, not before, and good until one more is needed (S-71, E-8)", async () => {
  const volume = await SparseVolume.of(4095 * GIB);
  await volume.open({
    snapshots: [{ name: "s", cow: volume.scratch.file("s.cow"), chunkSize: 4 * KIB, size: 100 * KIB }],
  });
  const client = await volume.connect("s");
  const used: number[] = [];
  for (let chunk = 0; chunk < 23; chunk++) {
    await client.write(chunk * GIB * 7, dataPattern(KIB, chunk));
    const { allocatedSectors, totalSectors } = volume.library.stats().snapshots[0]!;
    used.push((100 * allocatedSectors) / totalSectors);
  }
  expect(used).toEqual(Array.from({ length: 23 }, (_, chunk) => 4 * (chunk + 3)));
  expect(volume.library.status("s")).toMatchObject({ state: "active", status: "200/200 16" });
  await expect(client.write(4000 * GIB, dataPattern(KIB, 1))).rejects.toMatchObject({ error: NBD_ENOSPC });
  expect(volume.library.status("s").state).toBe("invalid");
});
