/** What the offline commands say of a file that is no store, or a broken one: whose it is, what is wrong, and a way out. */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { dumpStore } from "../../../src/offline/dump-store.ts";
import { loadStore } from "../../../src/offline/load-store.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { type ExceptionPair, storeImage } from "../../support/store-image.ts";

const MIB = 2 ** 20;
let scratch: Scratch;
let cow: string;
let origin: string;

beforeEach(async () => {
  scratch = await makeScratch();
  cow = scratch.file("snap.cow");
  origin = scratch.file("origin.img");
});

afterEach(() => {
  vi.restoreAllMocks();
  return scratch.remove();
});

/** What loading it comes to: its exceptions, or code, message and hint. */
function load(withOrigin = false): unknown {
  using device = DeviceFile.open(cow, "look", "COW file");
  using other = withOrigin ? DeviceFile.open(origin, "look", "origin") : undefined;
  const pairs: [number, number][] = [];
  try {
    loadStore(device, { origin: other }, (oldChunk, newChunk) => void pairs.push([oldChunk, newChunk]));
    return pairs;
  } catch (error) {
    const { code, message, hint } = error as SnapringError;
    return { code, message, hint };
  }
}

describe("a file", () => {
  it("with a store gives its exceptions in order", () => {
    const pairs: ExceptionPair[] = [
      [5, 2],
      [1, 3],
    ];
    writeFileSync(cow, storeImage(MIB, 8, pairs));
    expect(load()).toEqual(pairs);
  });

  it("that is blank holds no snapshot", () => {
    writeFileSync(cow, Buffer.alloc(MIB));
    expect(load()).toEqual({
      code: "ENXIO",
      message: `${cow} holds no snapshot: its header is blank`,
      hint: "name the file or device that holds the snapshot's store",
    });
  });

  it.each([
    ["blank", Buffer.alloc(MIB)],
    ["something else", Buffer.alloc(MIB, 7)],
  ])("that is %s, where the origin is a store, is the other way round", (_, bytes) => {
    writeFileSync(cow, bytes);
    writeFileSync(origin, storeImage(MIB, 8));
    expect(load(true)).toEqual({
      code: "EUSAGE",
      message: `the origin and the COW file are the wrong way round: ${origin} holds a snapshot, ${cow} none`,
      hint: `write ${cow} as the origin, ${origin} as the COW file`,
    });
  });

  it("that is something else asks whether it is the origin", () => {
    writeFileSync(cow, Buffer.alloc(MIB, 7));
    writeFileSync(origin, Buffer.alloc(MIB, 9));
    for (const withOrigin of [false, true]) {
      expect(load(withOrigin)).toMatchObject({
        code: "ENXIO",
        message: expect.stringMatching(new RegExp(`^${cow}: `)),
        hint: "is this the COW file, not the origin?",
      });
    }
  });

  it("that cannot be read says so, that nothing was changed, and is read no further", () => {
    writeFileSync(cow, storeImage(MIB, 8, [[5, 2]]));
    let reads = 0;
    vi.spyOn(DeviceFile.prototype, "read").mockImplementation(() => {
      reads += 1;
      throw new SnapringError("EIO", "no");
    });
    expect(load()).toMatchObject({
      code: "EIO",
      message: expect.stringContaining(cow),
      hint: "nothing was changed",
    });
    expect(reads).toBe(1);
  });
});

it("what a caller throws of an exception is the caller's, as it was", () => {
  writeFileSync(cow, storeImage(MIB, 8, [[5, 2]]));
  using device = DeviceFile.open(cow, "look", "COW file");
  const own = new Error("enough");
  const refuse = (): never => {
    throw own;
  };
  expect(() => loadStore(device, {}, refuse)).toThrow(own);
});

it("a store that is broken, where the origin is one too, is not taken for the other way round", () => {
  writeFileSync(
    cow,
    storeImage(MIB, 8, [
      [5, 2],
      [5, 3],
    ]),
  );
  writeFileSync(origin, storeImage(MIB, 8));
  expect(load(true)).toMatchObject({ message: expect.stringContaining("old chunk 5 appears twice") as string });
});

describe("a dump", () => {
  it("gives nothing of a store that turns out to be broken", () => {
    const image = storeImage(MIB, 8, [
      [5, 2],
      [5, 3],
    ]);
    writeFileSync(cow, image);
    const runs: unknown[] = [];
    let begun = 0;
    const dump = (): void =>
      dumpStore(
        { cow },
        () => (begun += 1),
        (run) => runs.push(run),
      );
    expect(dump).toThrow(`${cow}: corrupt snapshot: exception 1 of area 0: old chunk 5 appears twice`);
    expect([begun, runs.length]).toEqual([0, 0]);
  });

  it("lets go of the file, whatever it holds", () => {
    const closed = vi.spyOn(DeviceFile.prototype, Symbol.dispose);
    const dump = (): void =>
      dumpStore(
        { cow },
        () => undefined,
        () => undefined,
      );
    writeFileSync(cow, storeImage(MIB, 8));
    dump();
    writeFileSync(cow, Buffer.alloc(MIB));
    expect(dump).toThrow("holds no snapshot");
    expect(closed).toHaveBeenCalledTimes(2);
  });

  it("begins before the first run, and folds them", () => {
    writeFileSync(
      cow,
      storeImage(MIB, 8, [
        [5, 2],
        [6, 3],
        [9, 4],
      ]),
    );
    const said: unknown[] = [];
    dumpStore(
      { cow },
      ({ exceptions }) => said.push(exceptions),
      ({ oldChunk, newChunk, count }) => said.push([oldChunk, newChunk, count]),
    );
    expect(said).toEqual([3, [5, 2, 2], [9, 4, 1]]);
  });
});
