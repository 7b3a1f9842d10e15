/** Making a new, empty store (S-31), and refusing to destroy what is there. */
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createStore } from "../../../src/offline/create-store.ts";
import { storeStatus } from "../../../src/offline/store-status.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const MIB = 2 ** 20;
const MIB_SECTORS = 2048;

let scratch: Scratch;
let cow: string;

beforeEach(async () => {
  scratch = await makeScratch();
  cow = scratch.file("snap.cow");
});

afterEach(() => scratch.remove());

describe("a new store", () => {
  it("is a header and an empty area, as the kernel leaves them (S-1, S-31)", async () => {
    const created = await createStore({ cow, sectors: MIB_SECTORS });
    expect(created).toEqual({ chunkSectors: 32, totalSectors: 2048, status: "64/2048 64" });
    const bytes = readFileSync(cow);
    expect(bytes.length).toBe(MIB);
    expect(bytes.subarray(0, 16).toString("hex")).toBe("536e4170010000000100000020000000");
    expect(bytes.subarray(16).every((byte) => byte === 0)).toBe(true);
  });

  it("takes little space on disk where it is to be sparse", async () => {
    await createStore({ cow, sectors: 1024 * MIB_SECTORS, space: "sparse" });
    expect(statSync(cow).blocks * 512).toBeLessThan(MIB);
  });

  it("has the chunk size that was asked for", async () => {
    expect((await createStore({ cow, sectors: MIB_SECTORS, chunkSectors: 8 })).status).toBe("16/2048 16");
    expect(storeStatus({ cow }).chunkSectors).toBe(8);
  });

  it("may replace a blank file, which keeps or gets its size", async () => {
    writeFileSync(cow, "");
    truncateSync(cow, 2 * MIB);
    expect((await createStore({ cow })).totalSectors).toBe(2 * MIB_SECTORS);
    writeFileSync(cow, "");
    expect((await createStore({ cow, sectors: MIB_SECTORS })).totalSectors).toBe(MIB_SECTORS);
  });

  it("leaves a tail that fills no sector alone (S-18), unless the size was asked for", async () => {
    writeFileSync(cow, Buffer.alloc(MIB + 100));
    expect((await createStore({ cow })).totalSectors).toBe(MIB_SECTORS);
    expect(statSync(cow).size).toBe(MIB + 100);
    writeFileSync(cow, Buffer.alloc(MIB + 100));
    expect((await createStore({ cow, sectors: 2 * MIB_SECTORS })).totalSectors).toBe(2 * MIB_SECTORS);
    expect(statSync(cow).size).toBe(2 * MIB);
  });

  it("does not believe stale bytes behind area 0", async () => {
    writeFileSync(cow, dataPattern(4 * MIB, 7));
    await createStore({ cow, force: true });
    expect(storeStatus({ cow }).exceptions).toBe(0);
    expect(
      readFileSync(cow)
        .subarray(32768)
        .equals(dataPattern(4 * MIB, 7).subarray(32768)),
    ).toBe(true);
  });
});

describe("a store is not made", () => {
  const refused = async (
    options: Partial<Parameters<typeof createStore>[0]>,
    code: string,
    words: string,
  ): Promise<void> => {
    const before = existsSync(cow) ? readFileSync(cow) : undefined;
    await expect(createStore({ cow, ...options })).rejects.toThrow(expect.objectContaining({ code }));
    await expect(createStore({ cow, ...options })).rejects.toThrow(words);
    if (before === undefined) expect(existsSync(cow)).toBe(false);
    else expect(readFileSync(cow).equals(before)).toBe(true);
  };

  it("without a size", () => refused({}, "EUSAGE", "does not exist"));

  it("of fewer than three chunks", () => refused({ sectors: 95 }, "EINVAL", "too small"));

  it("with a chunk size that is no power of two (S-17)", async () => {
    await refused({ sectors: MIB_SECTORS, chunkSectors: 24 }, "EINVAL", "not a power of 2");
  });

  it("with a chunk size that is too high (S-19)", async () => {
    await refused({ sectors: 2 ** 26, chunkSectors: 2 ** 22 }, "EINVAL", "too high");
  });

  it("over a store", async () => {
    await createStore({ cow, sectors: MIB_SECTORS });
    await refused({ sectors: MIB_SECTORS }, "EEXIST", "holds a snapshot already");
  });

  it("over a file whose header is not blank", async () => {
    writeFileSync(cow, dataPattern(MIB, 3));
    await refused({}, "EEXIST", "not blank");
  });

  it("over a disk image whose first sectors are empty", async () => {
    writeFileSync(cow, Buffer.concat([Buffer.alloc(1024), dataPattern(MIB, 3)]));
    await refused({ chunkSectors: 1 }, "EEXIST", "byte 1024 is not zero");
  });

  it("by cutting a larger file", async () => {
    writeFileSync(cow, "");
    truncateSync(cow, 2 * MIB);
    await refused({ sectors: MIB_SECTORS }, "EEXIST", "larger");
  });

  it("on the origin itself, by any name (S-21)", async () => {
    const origin = scratch.file("origin.img");
    writeFileSync(origin, Buffer.alloc(MIB));
    symlinkSync(origin, cow);
    await refused({ origin }, "EINVAL", "cannot be the same as origin device");
  });

  it("for an origin that is not there", async () => {
    await refused({ sectors: MIB_SECTORS, origin: scratch.file("none.img") }, "ENOENT", "cannot open origin");
  });

  it("in a folder that is not there", async () => {
    cow = scratch.file("none/snap.cow");
    await refused({ sectors: MIB_SECTORS }, "ENOENT", "there is no folder");
  });

  it("on a folder", async () => {
    mkdirSync(scratch.file("folder"));
    cow = scratch.file("folder");
    await expect(createStore({ cow, sectors: MIB_SECTORS, force: true })).rejects.toThrow("directory");
  });
});
