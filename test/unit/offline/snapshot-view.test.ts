/** A snapshot's whole view read offline, and the image that is written from it. */
import { readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { encodeHeader } from "../../../src/format/disk-header.ts";
import { SnapshotView } from "../../../src/offline/snapshot-view.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { cow, eachTestHasDevices, origin } from "../../support/device-files.ts";
import { type ExceptionPair, storeImage } from "../../support/store-image.ts";

const MIB = 2 ** 20;
const CHUNK = 4096;

eachTestHasDevices();

afterEach(() => void vi.restoreAllMocks());

/** What is read of which device, from now on: first chunk, chunks. */
function watchReads(): string[] {
  const log: string[] = [];
  const done = DeviceFile.prototype.read;
  vi.spyOn(DeviceFile.prototype, "read").mockImplementation(function (this: DeviceFile, position, bytes) {
    log.push(`${this.path === origin ? "origin" : "cow"} ${position / CHUNK} ${bytes.length / CHUNK}`);
    done.call(this, position, bytes);
  });
  return log;
}

/** Writes both devices; the store's data chunks hold a pattern of their own. */
function writeDevices(originBytes: Buffer, exceptions: readonly ExceptionPair[]): Buffer {
  const image = Buffer.from(storeImage(MIB, 8, exceptions));
  for (const [, newChunk] of exceptions) dataPattern(CHUNK, 1000 + newChunk).copy(image, newChunk * CHUNK);
  writeFileSync(origin, originBytes);
  writeFileSync(cow, image);
  const view = Buffer.from(originBytes);
  for (const [oldChunk, newChunk] of exceptions)
    image.copy(view, oldChunk * CHUNK, newChunk * CHUNK, (newChunk + 1) * CHUNK);
  return view;
}

function readView(): Buffer {
  const view = new SnapshotView({ origin, cow });
  try {
    const parts = [];
    for (const { bytes } of view.pieces()) parts.push(Buffer.from(bytes));
    return Buffer.concat(parts);
  } finally {
    view[Symbol.dispose]();
  }
}

describe("the view", () => {
  it("of an empty store is the origin", () => {
    const expected = writeDevices(dataPattern(MIB, 1), []);
    expect(readView().equals(expected)).toBe(true);
  });

  it("has each copied chunk in its place", () => {
    const expected = writeDevices(dataPattern(MIB, 1), [
      [9, 2],
      [10, 3],
      [3, 5],
      [255, 4],
    ]);
    expect(readView().equals(expected)).toBe(true);
  });

  it("ends where the origin ends, inside a chunk", () => {
    const expected = writeDevices(dataPattern(10 * CHUNK + 512, 1), [
      [10, 2],
      [0, 3],
    ]);
    expect(readView().equals(expected)).toBe(true);
  });

  it("is right for any list of exceptions", () => {
    const list = fc.uniqueArray(fc.nat({ max: 60 }), { maxLength: 40 }).chain((olds) =>
      fc
        .shuffledSubarray(
          Array.from({ length: 100 }, (_, i) => i + 2),
          { minLength: olds.length, maxLength: olds.length },
        )
        .map((news) => olds.map((old, i) => [old, news[i]] as const)),
    );
    fc.assert(
      fc.property(list, (exceptions) => {
        const expected = writeDevices(dataPattern(61 * CHUNK, 1), exceptions);
        expect(readView().equals(expected)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it("of an Invalid snapshot is refused (S-35)", () => {
    writeDevices(dataPattern(MIB, 1), []);
    const image = readFileSync(cow);
    image.set(encodeHeader(false, 8));
    writeFileSync(cow, image);
    expect(readView).toThrow(
      expect.objectContaining({
        message: `${cow}: the snapshot is Invalid`,
        hint: "it was dropped or ran full; what it held is lost",
      }),
    );
  });

  it("is refused where an exception lies beyond the origin (S-38)", () => {
    writeDevices(dataPattern(MIB, 1), []);
    writeFileSync(cow, storeImage(MIB, 8, [[256, 2]]));
    expect(readView).toThrow("old chunk 256 is beyond the end of the origin");
  });

  it("is refused where origin and COW file are one", () => {
    writeFileSync(cow, storeImage(MIB, 8));
    symlinkSync(cow, origin);
    expect(readView).toThrow("cannot be the same as origin device");
  });

  it("is read in stretches that lie side by side, of a MiB at most", () => {
    writeDevices(dataPattern(3 * MIB, 1), [
      [4, 2],
      [5, 3],
      [6, 5],
      [7, 4],
      [600, 6],
    ]);
    using view = new SnapshotView({ origin, cow });
    const reads = watchReads();
    const positions = [...view.pieces()].map(({ position, bytes }) => [position / CHUNK, bytes.length / CHUNK]);
    expect(reads).toEqual([
      ...["origin 0 4", "cow 2 2", "cow 5 1", "cow 4 1"],
      ...["origin 8 256", "origin 264 256", "origin 520 80", "cow 6 1", "origin 601 167"],
    ]);
    expect(positions.map(([at]) => at)).toEqual([0, 4, 6, 7, 8, 264, 520, 600, 601]);
    expect(positions.reduce((sum, [, chunks]) => sum + chunks!, 0)).toBe(768);
  });

  it("names its devices, their rights and what people should know of them", () => {
    writeDevices(dataPattern(MIB + 100, 1), [[3, 2]]);
    using view = new SnapshotView({ origin, cow, chunkSectors: 16 });
    expect([view.sizeBytes, view.rights.ino]).toEqual([MIB, statSync(origin).ino]);
    expect(view.identities).toEqual([view.devices.origin.identity, view.devices.cow.identity]);
    expect([view.devices.origin.path, view.devices.cow.path, view.devices.loaded.chunkSectors]).toEqual([
      origin,
      cow,
      8,
    ]);
    expect(view.warnings).toEqual([
      "chunk size 8 in device metadata overrides table chunk size of 16.",
      `${origin}: the last 100 bytes fill no sector and are not used`,
    ]);
  });

  it("that cannot be opened lets go of what was", () => {
    const closed = vi.spyOn(DeviceFile.prototype, Symbol.dispose);
    const closedBy = (): number => {
      closed.mockClear();
      expect(readView).toThrow();
      return closed.mock.calls.length;
    };
    writeDevices(dataPattern(MIB, 1), []);
    writeFileSync(cow, new Uint8Array(MIB));
    expect(closedBy()).toBe(2);
    rmSync(cow);
    expect(closedBy()).toBe(1);
    rmSync(origin);
    expect(closedBy()).toBe(0);
  });
});
