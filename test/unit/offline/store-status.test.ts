/** What is said of a store at rest (S-35, S-71…S-73), and its list of exceptions. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { encodeHeader } from "../../../src/format/disk-header.ts";
import { dumpStore } from "../../../src/offline/dump-store.ts";
import type { ExceptionRun } from "../../../src/offline/exception-runs.ts";
import { storeStatus } from "../../../src/offline/store-status.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { storeImage } from "../../support/store-image.ts";

const MIB = 2 ** 20;

let scratch: Scratch;
let cow: string;

beforeEach(async () => {
  scratch = await makeScratch();
  cow = scratch.file("snap.cow");
});

afterEach(() => scratch.remove());

describe("the status of a store", () => {
  it("counts exceptions, areas and sectors (S-71)", () => {
    writeFileSync(
      cow,
      storeImage(MIB, 8, [
        [5, 2],
        [6, 3],
        [1, 7],
      ]),
    );
    expect(storeStatus({ cow })).toEqual({
      status: "64/2048 16",
      state: "active",
      table: `- ${cow} P 8`,
      chunkSectors: 8,
      version: 1,
      exceptions: 3,
      areas: 1,
      allocatedSectors: 64,
      totalSectors: 2048,
      metadataSectors: 16,
      warnings: [],
    });
  });

  it("of an invalid one is Invalid, its counts unknown (S-35)", () => {
    const image = storeImage(MIB, 8, [[5, 2]]);
    image.set(encodeHeader(false, 8));
    writeFileSync(cow, image);
    expect(storeStatus({ cow })).toMatchObject({ status: "Invalid", state: "invalid", exceptions: null, areas: null });
  });

  it("warns of a tail that fills no sector (S-18)", () => {
    writeFileSync(cow, storeImage(MIB + 100, 8));
    expect(storeStatus({ cow })).toMatchObject({
      totalSectors: 2048,
      warnings: [expect.stringContaining("100 bytes")],
    });
  });

  it("warns of a chunk size that the header overrides (S-33)", () => {
    writeFileSync(cow, storeImage(MIB, 8));
    const { warnings } = storeStatus({ cow, chunkSectors: 16 });
    expect(warnings).toEqual(["chunk size 8 in device metadata overrides table chunk size of 16."]);
  });

  it("names the origin in its table", () => {
    const origin = scratch.file("origin.img");
    writeFileSync(origin, Buffer.alloc(MIB));
    writeFileSync(cow, storeImage(MIB, 8));
    expect(storeStatus({ cow, origin }).table).toBe(`${origin} ${cow} P 8`);
  });

  it("is refused where the origin that it names has no such chunk (S-38), or is not there", () => {
    const origin = scratch.file("origin.img");
    writeFileSync(cow, storeImage(MIB, 8, [[5, 2]]));
    expect(() => storeStatus({ cow, origin })).toThrow(expect.objectContaining({ code: "ENOENT" }));
    writeFileSync(origin, Buffer.alloc(5 * 4096));
    const closed = vi.spyOn(DeviceFile.prototype, Symbol.dispose);
    expect(() => storeStatus({ cow, origin })).toThrow("old chunk 5 is beyond the end of the origin");
    expect(closed).toHaveBeenCalledTimes(2);
    closed.mockRestore();
  });

  it("is refused for a blank device, which stays blank", () => {
    writeFileSync(cow, Buffer.alloc(MIB));
    expect(() => storeStatus({ cow })).toThrow(expect.objectContaining({ code: "ENXIO" }));
    expect(readFileSync(cow).every((byte) => byte === 0)).toBe(true);
  });

  it("is taken without a write", () => {
    writeFileSync(cow, storeImage(MIB, 8, [[5, 2]]));
    const before = statSync(cow).mtimeMs;
    storeStatus({ cow });
    expect(statSync(cow).mtimeMs).toBe(before);
  });
});

describe("a dump", () => {
  const dump = (): ExceptionRun[] => {
    const runs: ExceptionRun[] = [];
    dumpStore(
      { cow },
      () => undefined,
      (run) => void runs.push(run),
    );
    return runs;
  };

  it("keeps the list's order and folds runs of both old and new chunks", () => {
    writeFileSync(
      cow,
      storeImage(MIB, 8, [
        [9, 2],
        [10, 3],
        [11, 4],
        [3, 5],
        [5, 6],
        [7, 8],
      ]),
    );
    expect(dump()).toEqual([
      { oldChunk: 9, newChunk: 2, count: 3 },
      { oldChunk: 3, newChunk: 5, count: 1 },
      { oldChunk: 5, newChunk: 6, count: 1 },
      { oldChunk: 7, newChunk: 8, count: 1 },
    ]);
  });

  it("goes on behind a full area", () => {
    const exceptions = Array.from({ length: 40 }, (_, i) => [i, i < 32 ? 2 + i : 3 + i] as const);
    writeFileSync(cow, storeImage(MIB, 1, exceptions));
    expect(dump()).toEqual([
      { oldChunk: 0, newChunk: 2, count: 32 },
      { oldChunk: 32, newChunk: 35, count: 8 },
    ]);
  });

  it("of an empty store has nothing", () => {
    writeFileSync(cow, storeImage(MIB, 8));
    expect(dump()).toEqual([]);
  });

  it("of a corrupt store delivers nothing (S-38)", () => {
    writeFileSync(
      cow,
      storeImage(MIB, 8, [
        [9, 2],
        [9, 3],
      ]),
    );
    const runs: ExceptionRun[] = [];
    expect(() =>
      dumpStore(
        { cow },
        () => runs.push(),
        (run) => void runs.push(run),
      ),
    ).toThrow("old chunk 9 appears twice");
    expect(runs).toEqual([]);
  });
});
