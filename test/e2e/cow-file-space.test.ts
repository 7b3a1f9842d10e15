/**
 * "Cannot run out": a COW file whose space is reserved takes every write on a file system that is full, on each of them, or is not made.
 *
 *   small file system   cow, reserved │ filler ……………………… │   every block of cow is written, twice
 *
 * btrfs copied on write and found no room for the copy; ext3 and FUSE reserve nothing, and a file larger than the disk was made all the same.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, expect, test } from "vitest";
import { loadNative } from "../../src/device/native.ts";
import { makeFile } from "../../src/device/new-file.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { runCommand } from "../support/run-command.ts";
import { MEGABYTES_MIN, needSmallFileSystems, type SmallKind, SmallFileSystem } from "../support/small-file-system.ts";

const MIB = 2 ** 20;
const COW_BYTES = MIB;
const PIECE_BYTES = 64 * 1024;
const MAIN = resolve(import.meta.dirname, "../../dist/src/cli/main.js");

let scratch: Scratch | undefined;
let small: SmallFileSystem | undefined;
let fuse: FuseFolder | undefined;

afterEach(async () => {
  await small?.unmount();
  small = undefined;
  await scratch?.remove();
  scratch = undefined;
  await fuse?.unmount();
  fuse = undefined;
});

/** As first writes of chunks come, and later ones to the same place. */
function writeAll(path: string): void {
  const fd = openSync(path, "r+");
  try {
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < COW_BYTES; at += PIECE_BYTES) {
        expect(writeSync(fd, randomBytes(PIECE_BYTES), 0, PIECE_BYTES, at)).toBe(PIECE_BYTES);
      }
      fsyncSync(fd);
    }
  } finally {
    closeSync(fd);
  }
}

const WAYS = [
  ["tmpfs", false],
  ["ext4", false],
  ["ext3", false],
  ["xfs", false],
  ["btrfs", false],
  ["ext4", true],
  ["btrfs", true],
] as const satisfies readonly (readonly [kind: SmallKind, overlay: boolean])[];

test.for(WAYS)(
  "on a full %s (an overlay on it: %s) a reserved COW file takes every write",
  async ([kind, overlay], { skip }) => {
    needSmallFileSystems(skip, kind, ...(overlay ? (["overlay"] as const) : []));
    scratch = await makeScratch();
    small = await SmallFileSystem.mount(scratch, kind, Math.max(8, MEGABYTES_MIN[kind]));
    const folder = overlay ? await small.overlay() : small.path;
    // With the addon, and with the programs that stand in for it.
    const ways = [["by-addon", loadNative().native] as const, ["by-program", undefined] as const];
    for (const [name, native] of ways) {
      await makeFile(join(folder, name), COW_BYTES, "reserved", { native });
      expect(statSync(join(folder, name)).blocks * 512).toBeGreaterThanOrEqual(COW_BYTES);
    }
    small.fill();
    for (const [name] of ways) writeAll(join(folder, name));
    small.empty();
    // Larger than the disk: refused, and nothing of it is left, nor has it taken the room of others meanwhile.
    const before = readdirSync(folder);
    const making = makeFile(join(folder, "large"), 2 ** 40, "reserved");
    await expect(making).rejects.toMatchObject({ code: expect.stringMatching(/^(ENOSPC|EFBIG)$/) as string });
    expect(readdirSync(folder)).toEqual(before);
  },
);

/** Takes writes, and knows no fallocate, as many of FUSE's do not. */
class WrittenFile extends TextFile {
  written = 0;

  override write(offset: number, data: Uint8Array): Promise<number> {
    this.written += data.length;
    return super.write(offset, data);
  }
}

test("on a FUSE file system without fallocate it is written through, under another name", async (context) => {
  requireFuse(context);
  const files = new Map<string, WrittenFile>();
  const makeWritten = (name: string): WrittenFile => {
    const file = new WrittenFile();
    files.set(name, file);
    return file;
  };
  fuse = await FuseFolder.mount({ makeFile: makeWritten, reserves: false });
  const cow = fuse.path("s.cow");
  const { code, stderr } = await runCommand(process.execPath, MAIN, "create", cow, "--size", String(COW_BYTES));
  expect([code, stderr]).toEqual([0, ""]);
  const [[name, file]] = [...files];
  expect(name).toMatch(/^\.snapring-.*\.part$/);
  expect(file.written).toBeGreaterThanOrEqual(COW_BYTES);
  expect(fuse.file("s.cow")).toBe(file);
});
