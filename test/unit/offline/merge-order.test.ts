/**
 * An offline merge on files, as a list of what it does to which: the origin's data is durable before its exceptions are erased (S-63).
 */
import { closeSync, ftruncateSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { OfflineMerge } from "../../../src/offline/merge-store.ts";
import { createStore } from "../../../src/offline/create-store.ts";
import { storeStatus } from "../../../src/offline/store-status.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { type ExceptionPair, storeImage } from "../../support/store-image.ts";

const SECTORS = 8;
const CHUNK = SECTORS * 512;

type Verb = "read" | "write" | "sync";

let scratch: Scratch;
let origin: string;
let cow: string;
/** What was done, to which device, in order. */
let log: string[];
/** An operation that fails, by its words in the log. */
let fails: (words: string) => boolean;

beforeEach(async () => {
  scratch = await makeScratch();
  origin = scratch.file("origin.img");
  cow = scratch.file("snap.cow");
  writeFileSync(origin, dataPattern(16 * CHUNK, 1));
  log = [];
  fails = () => false;
  for (const verb of ["read", "write", "sync"] satisfies Verb[]) watch(verb);
});

afterEach(() => {
  vi.restoreAllMocks();
  return scratch.remove();
});

function watch(verb: Verb): void {
  const done = DeviceFile.prototype[verb] as (...args: unknown[]) => void;
  vi.spyOn(DeviceFile.prototype, verb).mockImplementation(function (this: DeviceFile, ...args: unknown[]) {
    const device = this.path === origin ? "origin" : "cow";
    const words = verb === "sync" ? `sync ${device}` : `${verb} ${device} ${Number(args[0]) / CHUNK}`;
    log.push(words);
    if (fails(words)) throw new SnapringError("EIO", `${words} failed`);
    done.apply(this, args);
  });
}

/** Exceptions whose new chunks are of one byte each. */
function makeStore(exceptions: readonly ExceptionPair[]): void {
  const image = storeImage(16 * CHUNK, SECTORS, exceptions);
  for (const [, newChunk] of exceptions) image.fill(0x40 + newChunk, newChunk * CHUNK, (newChunk + 1) * CHUNK);
  writeFileSync(cow, image);
}

/** The i-th data chunk of a store: behind header and area, and over the areas that follow. */
function newChunkOf(i: number, sectors: number): number {
  const perArea = sectors * 32;
  return 2 + i + Math.floor(i / perArea);
}

function open(): OfflineMerge {
  const merge = new OfflineMerge({ origin, cow });
  log.length = 0;
  return merge;
}

function byteOf(chunk: number): number {
  return readFileSync(origin)[chunk * CHUNK];
}

describe("an offline merge", () => {
  it("flushes both devices before it acts on what it has read (C-49)", () => {
    makeStore([[3, 2]]);
    using _ = new OfflineMerge({ origin, cow });
    expect(log.filter((words) => words.startsWith("sync"))).toEqual(["sync origin", "sync cow"]);
  });

  it("copies, flushes the origin, and only then erases, durably (S-63, S-64)", () => {
    // The flush went to the COW device: the exceptions were gone, the data in the origin's cache.
    makeStore([
      [3, 2],
      [9, 3],
    ]);
    using merge = open();
    merge.step();
    expect(log).toEqual([
      ...["read cow 2", "write origin 3", "read cow 3", "write origin 9"],
      "sync origin",
      ...["sync cow", "write cow 1", "sync cow"],
    ]);
    expect([byteOf(3), byteOf(9), merge.chunksLeft]).toEqual([0x42, 0x43, 0]);
  });

  it.each([
    ["a chunk cannot be read", "read cow 2", [2, 2]],
    ["the origin cannot be written", "write origin 9", [2, 2]],
    ["the origin cannot be flushed", "sync origin", [2, 2]],
    ["the exceptions cannot be erased", "write cow 1", [2, 2]],
  ])("erases nothing where %s, and says which device it was", (_, broken, left) => {
    makeStore([
      [3, 2],
      [9, 3],
    ]);
    const merge = open();
    fails = (words) => words === broken;
    expect(() => merge.step()).toThrow(`${broken} failed`);
    expect([merge.isDone, merge.chunksLeft, storeStatus({ cow }).exceptions]).toEqual([false, ...left]);
    fails = () => false;
    merge[Symbol.dispose]();
    using again = new OfflineMerge({ origin, cow });
    while (!again.isDone) again.step();
    expect([byteOf(3), byteOf(9), storeStatus({ cow }).exceptions]).toEqual([0x42, 0x43, 0]);
  });

  it("takes 4096 chunks in a step, or 32 MiB", () => {
    for (const [sectors, count, steps] of [
      [1, 4100, [4096, 4]],
      [1, 4096, [4096]],
      [128, 520, [512, 8]],
    ] as const) {
      const pairs = Array.from({ length: count }, (_, i) => [i, newChunkOf(i, sectors)] as const);
      writeFileSync(origin, "");
      truncateSync(origin, count * sectors * 512);
      writeFileSync(cow, "");
      truncateSync(cow, (newChunkOf(count, sectors) + 1) * sectors * 512);
      const fd = openSync(cow, "r+");
      // The areas: at its beginning, or between the chunks where those are small.
      const listed = (sectors === 1 ? newChunkOf(count, sectors) + 1 : 2) * sectors * 512;
      writeSync(fd, storeImage(listed, sectors, pairs));
      closeSync(fd);
      using merge = new OfflineMerge({ origin, cow });
      expect([merge.totalChunks, merge.chunksLeft, merge.chunkBytes]).toEqual([count, count, sectors * 512]);
      const taken: number[] = [];
      while (!merge.isDone) {
        const before = merge.chunksLeft;
        merge.step();
        if (before > merge.chunksLeft) taken.push(before - merge.chunksLeft);
      }
      expect(taken).toEqual(steps);
    }
  });

  it("says what people should know of its devices, and how far it is (S-72)", () => {
    makeStore([
      [3, 2],
      [9, 3],
    ]);
    writeFileSync(origin, dataPattern(16 * CHUNK + 100, 1));
    using merge = new OfflineMerge({ origin, cow, chunkSectors: 16 });
    expect(merge.warnings).toEqual([
      "chunk size 8 in device metadata overrides table chunk size of 16.",
      `${origin}: the last 100 bytes fill no sector and are not used`,
    ]);
    expect(merge.status).toBe("32/128 16");
    expect([merge.devices.origin.path, merge.devices.cow.path, merge.devices.loaded.exceptions]).toEqual([
      origin,
      cow,
      2,
    ]);
    while (!merge.isDone) merge.step();
    expect(merge.status).toBe("16/128 16");
  });

  it("of a store that has none is done in one step, and writes nothing", () => {
    makeStore([]);
    using merge = open();
    expect([merge.totalChunks, merge.isDone]).toEqual([0, false]);
    merge.step();
    expect([merge.isDone, log.filter((words) => words.startsWith("write"))]).toEqual([true, []]);
  });

  it("writes of the last chunk what the origin has of it", () => {
    const fd = openSync(origin, "r+");
    ftruncateSync(fd, 15 * CHUNK + 1024);
    closeSync(fd);
    makeStore([[15, 2]]);
    using merge = open();
    while (!merge.isDone) merge.step();
    const after = readFileSync(origin);
    expect([after.length, after[15 * CHUNK], after[15 * CHUNK + 1023]]).toEqual([15 * CHUNK + 1024, 0x42, 0x42]);
  });

  it("of a COW file that is not there says so, and lets go of the origin", () => {
    const closed = vi.spyOn(DeviceFile.prototype, Symbol.dispose);
    expect(() => new OfflineMerge({ origin, cow })).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it("refuses an Invalid store, and lets go of both files", () => {
    const image = storeImage(16 * CHUNK, SECTORS, [[3, 2]]);
    image[4] = 0;
    writeFileSync(cow, image);
    for (let i = 0; i < 2; i++) {
      expect(() => new OfflineMerge({ origin, cow })).toThrow(
        expect.objectContaining({
          code: "EINVAL",
          message: `${cow}: an Invalid snapshot cannot be merged`,
          hint: "it was dropped or ran full; the origin stays as it is",
        }),
      );
    }
  });
});

describe("a store that is made", () => {
  it("has its area durable before its header, and that before it is said to be there (S-31)", async () => {
    await createStore({ cow, sectors: 64 * SECTORS, chunkSectors: SECTORS });
    const done = log.filter((words) => !words.startsWith("read"));
    expect(done).toEqual(["sync cow", "write cow 1", "sync cow", "write cow 0", "sync cow"]);
  });

  it("on a blank file has nothing to take away first", async () => {
    writeFileSync(cow, Buffer.alloc(64 * CHUNK));
    await createStore({ cow, chunkSectors: SECTORS });
    const done = log.filter((words) => !words.startsWith("read"));
    expect(done).toEqual(["sync cow", "write cow 1", "sync cow", "write cow 0", "sync cow"]);
  });

  it("over another one has the old header gone before the list behind it is touched", async () => {
    makeStore([[3, 2]]);
    await createStore({ cow, chunkSectors: SECTORS, force: true });
    const done = log.filter((words) => !words.startsWith("read"));
    expect(done).toEqual(["write cow 0", "sync cow", "write cow 1", "sync cow", "write cow 0", "sync cow"]);
  });
});
