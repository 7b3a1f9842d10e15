/** Making a new, empty store (S-31), and refusing to destroy what is there. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { createStore } from "../../../src/offline/create-store.ts";
import { storeStatus } from "../../../src/offline/store-status.ts";
import { ownMark } from "../../../src/register/known-store.ts";
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

afterEach(() => {
  vi.restoreAllMocks();
  return scratch.remove();
});

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

  it("has exactly the size that was asked for, also where only a tail is too much", async () => {
    writeFileSync(cow, Buffer.alloc(MIB + 100));
    expect((await createStore({ cow, sectors: MIB_SECTORS })).totalSectors).toBe(MIB_SECTORS);
    expect(statSync(cow).size).toBe(MIB);
  });

  it("may be as small as three chunks, and a forced one smaller than the file was", async () => {
    expect((await createStore({ cow, sectors: 96 })).status).toBe("64/96 64");
    writeFileSync(cow, dataPattern(2 * MIB, 7));
    expect((await createStore({ cow, sectors: MIB_SECTORS, force: true })).totalSectors).toBe(MIB_SECTORS);
    expect(statSync(cow).size).toBe(MIB);
  });

  it("has a header of one block as the page cache reads it, or of its chunk where that is smaller", async () => {
    const written = vi.spyOn(DeviceFile.prototype, "write");
    const headers = async (chunkSectors: number): Promise<number[]> => {
      written.mockClear();
      await createStore({ cow, sectors: MIB_SECTORS, chunkSectors, force: true });
      return written.mock.calls.filter(([position]) => position === 0).map(([, bytes]) => bytes.length);
    };
    expect((await headers(32)).at(-1)).toBe(4096);
    expect((await headers(1)).at(-1)).toBe(512);
  });

  it("is another one than the one that was here, and no register's", async () => {
    const made = async (): Promise<string> => {
      await createStore({ cow, sectors: MIB_SECTORS, force: true });
      using device = DeviceFile.open(cow, "look", "COW file");
      const mark = ownMark(device)!;
      expect(mark).toMatchObject({ role: "cow", register: "", id: "" });
      return mark.store ?? "";
    };
    const first = await made();
    expect(first).not.toBe("");
    expect(await made()).not.toBe(first);
  });

  it("lets go of the origin that it looked at, made or not", async () => {
    const origin = scratch.file("origin.img");
    writeFileSync(origin, Buffer.alloc(MIB));
    const closed = vi.spyOn(DeviceFile.prototype, Symbol.dispose);
    await createStore({ cow, sectors: MIB_SECTORS, origin });
    expect(closed).toHaveBeenCalledTimes(2);
    await expect(createStore({ cow, sectors: MIB_SECTORS, origin })).rejects.toThrow("holds a snapshot already");
    expect(closed).toHaveBeenCalledTimes(4);
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

describe("on a block device", () => {
  let device: string | undefined;

  beforeEach(({ skip }) => {
    writeFileSync(cow, Buffer.alloc(MIB));
    const made = spawnSync("losetup", ["--find", "--show", cow], { encoding: "utf8" });
    skip(made.status !== 0, "no loop devices here");
    device = made.stdout.trim();
  });

  afterEach(() => {
    if (device !== undefined) spawnSync("losetup", ["--detach", device]);
    device = undefined;
  });

  it("a store has the device's size, and no other", async () => {
    for (const sectors of [MIB_SECTORS - 1, MIB_SECTORS + 1])
      await expect(createStore({ cow: device!, sectors })).rejects.toMatchObject({
        code: "EINVAL",
        message: `block device ${device} has 1 MiB and no other size`,
        hint: "leave out --size",
      });
    expect((await createStore({ cow: device!, sectors: MIB_SECTORS })).totalSectors).toBe(MIB_SECTORS);
  });
});

describe("a store is not made", () => {
  const refused = async (
    options: Partial<Parameters<typeof createStore>[0]>,
    code: string,
    words: string,
    hint?: string,
  ): Promise<void> => {
    const before = existsSync(cow) ? readFileSync(cow) : undefined;
    await expect(createStore({ cow, ...options })).rejects.toThrow(expect.objectContaining({ code }));
    await expect(createStore({ cow, ...options })).rejects.toThrow(words);
    if (hint !== undefined) await expect(createStore({ cow, ...options })).rejects.toMatchObject({ hint });
    if (before === undefined) expect(existsSync(cow)).toBe(false);
    else expect(readFileSync(cow).equals(before)).toBe(true);
  };

  it("without a size", () => refused({}, "EUSAGE", "does not exist", "say how large it is to be: --size"));

  it("of fewer than three chunks", () =>
    refused(
      { sectors: 95 },
      "EINVAL",
      "a COW file of 47.5 KiB is too small for chunks of 16 KiB",
      "it needs 3 chunks at least: 48 KiB",
    ));

  it("with a chunk size that is no power of two (S-17)", async () => {
    await refused({ sectors: MIB_SECTORS, chunkSectors: 24 }, "EINVAL", "not a power of 2");
  });

  it("with a chunk size that is too high (S-19)", async () => {
    await refused({ sectors: 2 ** 26, chunkSectors: 2 ** 22 }, "EINVAL", "too high");
  });

  it("over a store", async () => {
    await createStore({ cow, sectors: MIB_SECTORS });
    await refused(
      { sectors: MIB_SECTORS },
      "EEXIST",
      "holds a snapshot already",
      "--force overwrites it; its content is lost",
    );
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
    await refused({ sectors: MIB_SECTORS }, "EEXIST", "larger", "--force cuts it");
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

  it("by half: a file that was made for it is taken away again", async () => {
    vi.spyOn(DeviceFile.prototype, "write").mockImplementation(() => {
      throw new SnapringError("EIO", "no");
    });
    await refused({ sectors: MIB_SECTORS }, "EIO", "no");
  });

  it("of a size that no file can have", async () => {
    writeFileSync(cow, "");
    await refused({ sectors: 2 ** 53 / 512 - 1, chunkSectors: 8 }, "EFBIG", `cannot resize COW file ${cow}`);
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
