/** Stores whose header claims large chunks, in sparse files: nothing reads, writes or keeps a chunk, or an area, as a whole. */
import { closeSync, ftruncateSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { CowGeometry } from "../../../src/format/cow-geometry.ts";
import { encodeHeader } from "../../../src/format/disk-header.ts";
import { MetadataArea } from "../../../src/format/metadata-area.ts";
import { createStore } from "../../../src/offline/create-store.ts";
import { dumpStore } from "../../../src/offline/dump-store.ts";
import { OfflineMerge } from "../../../src/offline/merge-store.ts";
import { SnapshotView } from "../../../src/offline/snapshot-view.ts";
import { storeStatus } from "../../../src/offline/store-status.ts";
import { seeStore } from "../../../src/register/seen-store.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { cow, eachTestHasDevices, origin } from "../../support/device-files.ts";

const MIB = 2 ** 20;
const GEOMETRY = new CowGeometry(32 * 2048);
const CHUNK = GEOMETRY.chunkBytes;

let largest: number;

eachTestHasDevices(() => {
  sparse(origin, 2 * CHUNK, [[CHUNK + 7 * MIB, dataPattern(512, 1)]]);
  largest = 0;
  for (const verb of ["read", "write"] as const) {
    const done = DeviceFile.prototype[verb];
    vi.spyOn(DeviceFile.prototype, verb).mockImplementation(function (this: DeviceFile, position, bytes) {
      largest = Math.max(largest, bytes.length);
      done.call(this, position, bytes);
    });
  }
});

afterEach(() => void vi.restoreAllMocks());

function sparse(path: string, bytes: number, content: readonly (readonly [at: number, bytes: Uint8Array])[]): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, bytes);
  for (const [at, part] of content) writeSync(fd, part, 0, part.length, at);
  closeSync(fd);
}

function bytesAt(path: string, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openSync(path, "r");
  readSync(fd, bytes, 0, length, position);
  closeSync(fd);
  return bytes;
}

/** Old chunk 0 is in new chunk 2. */
function writeStore(): void {
  const listed = new MetadataArea(new Uint8Array(16));
  listed.set(0, 0, 2);
  sparse(cow, 4 * CHUNK, [
    [0, encodeHeader(true, GEOMETRY.chunkSectors)],
    [GEOMETRY.areaPosition(0), listed.bytes],
    [2 * CHUNK + 9 * MIB + 100, dataPattern(512, 2)],
  ]);
}

it("a store is looked at and dumped in pieces", async () => {
  writeStore();
  expect(storeStatus({ cow })).toMatchObject({ exceptions: 1, chunkSectors: GEOMETRY.chunkSectors });
  const runs: unknown[] = [];
  dumpStore(
    { cow },
    ({ area }) => expect(area.length).toBe(16),
    (run) => runs.push(run),
  );
  expect(runs).toHaveLength(1);
  expect(largest).toBeLessThanOrEqual(MIB);
  const fd = openSync(cow, "r");
  expect((await seeStore({ fd, cowBytes: 4 * CHUNK, chunkBytes: CHUNK })).exceptions).toBe(1);
  closeSync(fd);
});

it("a view is read in pieces, each from its place", () => {
  writeStore();
  using view = new SnapshotView({ origin, cow });
  let next = 0;
  const used: [number, Buffer][] = [];
  const zeroes = Buffer.alloc(MIB);
  for (const { position, bytes } of view.pieces()) {
    if (position !== next) expect.fail(`a piece at ${position}, not ${next}`);
    next += bytes.length;
    if (!zeroes.subarray(0, bytes.length).equals(bytes)) used.push([position, Buffer.from(bytes)]);
  }
  expect(next).toBe(2 * CHUNK);
  expect(used.map(([position]) => position)).toEqual([9 * MIB, CHUNK + 7 * MIB]);
  expect(used[0][1].subarray(100, 612)).toEqual(Buffer.from(dataPattern(512, 2)));
  expect(used[1][1].subarray(0, 512)).toEqual(Buffer.from(dataPattern(512, 1)));
  expect(largest).toBeLessThanOrEqual(MIB);
});

it("a merge copies and erases in pieces", () => {
  writeStore();
  using merge = new OfflineMerge({ origin, cow });
  while (!merge.isDone) merge.step();
  expect(bytesAt(origin, 9 * MIB + 100, 512)).toEqual(Buffer.from(dataPattern(512, 2)));
  expect(bytesAt(origin, CHUNK + 7 * MIB, 512)).toEqual(Buffer.from(dataPattern(512, 1)));
  expect(storeStatus({ cow }).exceptions).toBe(0);
  expect(largest).toBeLessThanOrEqual(MIB);
});

it("a store is made in pieces, and what is not blank is found in them", async () => {
  sparse(cow, 4 * CHUNK, [[CHUNK + 5 * MIB + 3, Buffer.of(1)]]);
  const chunkSectors = GEOMETRY.chunkSectors;
  await expect(createStore({ cow, chunkSectors })).rejects.toThrow(
    `is not blank (byte ${CHUNK + 5 * MIB + 3} is not zero)`,
  );
  await createStore({ cow, chunkSectors, force: true });
  expect(storeStatus({ cow })).toMatchObject({ exceptions: 0, chunkSectors });
  expect(bytesAt(cow, CHUNK + 5 * MIB, 512)).toEqual(Buffer.alloc(512));
  expect(statSync(cow).size).toBe(4 * CHUNK);
  expect(largest).toBeLessThanOrEqual(MIB);
});
