/** Where an image goes, by what is asked of the system: what is flushed and closed, and which refusal is passed on. The rest: image-writer.test.ts. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { fileWriter, type ImageSource } from "../../../src/offline/image-writer.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { runOk } from "../../support/run-command.ts";

const SIZE = 64 * 1024;
const NOBODY = 65534;
const source: ImageSource = { sizeBytes: SIZE, rights: { mode: 0o100644, gid: 0 }, refuse: () => undefined };

let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("out.img");
});

afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await scratch.remove();
});

function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: planned`), { code });
}

/** Descriptors of this process that lead there. */
function open(to: string): number {
  const folder = "/proc/self/fd";
  const targets = fs.readdirSync(folder).map((fd) => {
    try {
      return fs.readlinkSync(join(folder, fd));
    } catch {
      return undefined;
    }
  });
  return targets.filter((target) => target === to).length;
}

it("a device is flushed when all of it is written, and a pipe is not asked to", async () => {
  fs.writeFileSync(path, Buffer.alloc(SIZE));
  const flushed = vi.spyOn(fs, "fsyncSync");
  syncBuiltinESMExports();
  await runOk("mkfifo", scratch.file("pipe"));
  const reader = fs.openSync(scratch.file("pipe"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  await (await fileWriter(scratch.file("pipe"), source)).finish();
  fs.closeSync(reader);
  expect(flushed).not.toHaveBeenCalled();
  const { status, stdout } = spawnSync("losetup", ["--find", "--show", path], { encoding: "utf8" });
  if (status !== 0) return;
  const device = stdout.trim();
  try {
    await (await fileWriter(device, source)).finish();
    expect(flushed).toHaveBeenCalledTimes(1);
  } finally {
    spawnSync("losetup", ["--detach", device]);
  }
});

it("what is replaced is closed, whether it may be or not", async () => {
  fs.writeFileSync(path, "the old one");
  await (await fileWriter(path, source)).abandon();
  const refuse = (): never => {
    throw new Error("the origin itself");
  };
  await expect(fileWriter(path, { ...source, refuse })).rejects.toThrow("the origin itself");
  expect(open(path)).toBe(0);
});

it("where nothing is known of what is there, nothing is written", async () => {
  vi.spyOn(promises, "lstat").mockRejectedValue(failure("EIO"));
  syncBuiltinESMExports();
  await expect(fileWriter(path, source)).rejects.toMatchObject({
    code: "EIO",
    message: expect.stringMatching(/^cannot write output /) as string,
  });
  expect(fs.readdirSync(scratch.path)).toEqual([]);
});

it("a pipe that goes while it is opened is refused as the system does", async () => {
  await runOk("mkfifo", path);
  vi.spyOn(fs, "openSync").mockImplementation(() => {
    fs.unlinkSync(path);
    throw failure("ENXIO");
  });
  syncBuiltinESMExports();
  await expect(fileWriter(path, source)).rejects.toMatchObject({
    code: "ENXIO",
    message: expect.not.stringContaining("pipe") as string,
  });
});

// Who a thread is, is the process's to say.
it.runIf(isMainThread && process.geteuid?.() === 0)(
  "a pipe that one may not write is not said to have no reader",
  async () => {
    await runOk("mkfifo", "--mode=600", path);
    fs.chmodSync(scratch.path, 0o755);
    process.seteuid!(NOBODY);
    try {
      await expect(fileWriter(path, source)).rejects.toMatchObject({ code: "EACCES" });
    } finally {
      process.seteuid!(0);
    }
  },
);
