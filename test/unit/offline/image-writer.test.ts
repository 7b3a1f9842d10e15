/** Where an image goes: a file that is whole or not there, devices and pipes as they stand, nothing through a link. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { text } from "node:stream/consumers";
import { isMainThread } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fileWriter, type ImageSource, rightsOfCopy, streamWriter } from "../../../src/offline/image-writer.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";
import { runOk } from "../../support/run-command.ts";
import { sinkIn } from "../../support/sink.ts";

const PIECE = 64 * 1024;
const SIZE = 3 * PIECE;
const image = Buffer.concat([dataPattern(PIECE, 1), Buffer.alloc(PIECE), dataPattern(PIECE, 2)]);

let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("out.img");
});

afterEach(() => scratch.remove());

const source: ImageSource = {
  sizeBytes: SIZE,
  rights: { mode: 0o100644, gid: process.getegid?.() ?? 0 },
  refuse: () => undefined,
};

async function write(to: string, from: ImageSource = source): Promise<void> {
  const writer = await fileWriter(to, from);
  for (let at = 0; at < SIZE; at += PIECE) writer.write(at, image.subarray(at, at + PIECE));
  await writer.finish();
}

describe("a file", () => {
  it("is there when it is whole, with holes where it is zero", async () => {
    await write(path);
    expect(readFileSync(path).equals(image)).toBe(true);
    expect(statSync(path).blocks * 512).toBeLessThan(SIZE);
    expect(readdirSync(scratch.path)).toEqual(["out.img"]);
  });

  it("takes the place of another when it is whole, and not before; a second name of that keeps what it had", async () => {
    writeFileSync(path, "the old one");
    linkSync(path, scratch.file("second"));
    const writer = await fileWriter(path, source);
    writer.write(0, image.subarray(0, PIECE));
    expect(readFileSync(path, "utf8")).toBe("the old one");
    expect(statSync(writer.unfinished as string).mode & 0o777).toBe(0o600);
    writer.write(PIECE, image.subarray(PIECE));
    await writer.finish();
    expect(readFileSync(path).equals(image)).toBe(true);
    expect(readFileSync(scratch.file("second"), "utf8")).toBe("the old one");
  });

  it("that is abandoned leaves what there was, and nothing else", async () => {
    writeFileSync(path, "the old one");
    for (const to of [path, scratch.file("fresh")]) {
      const writer = await fileWriter(to, source);
      writer.write(0, image);
      await writer.abandon();
    }
    expect(readdirSync(scratch.path)).toEqual(["out.img"]);
    expect(readFileSync(path, "utf8")).toBe("the old one");
  });

  it("that cannot have its size leaves nothing", async () => {
    await expect(fileWriter(path, { ...source, sizeBytes: 2 ** 60 })).rejects.toThrow("cannot write output");
    expect(readdirSync(scratch.path)).toEqual([]);
  });

  it("is refused where it is a source of the image, and stays what it was", async () => {
    writeFileSync(path, "the origin");
    const refuse = (): never => {
      throw new Error("the origin itself");
    };
    await expect(write(path, { ...source, refuse })).rejects.toThrow("the origin itself");
    expect(readFileSync(path, "utf8")).toBe("the origin");
  });

  it("is refused in a folder that is not there, and as a folder", async () => {
    mkdirSync(path);
    await expect(write(path)).rejects.toMatchObject({ code: "EISDIR" });
    await expect(write(scratch.file("none/out.img"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("an output that cannot be written", () => {
  it("is named, with what is wrong", async () => {
    const writer = await fileWriter(path, source);
    try {
      expect(() => writer.write(2 ** 52, image)).toThrow(`cannot write output ${path}`);
    } finally {
      await writer.abandon();
    }
    const full = await fileWriter("/dev/full", source);
    expect(() => full.write(0, image)).toThrow("cannot write output /dev/full: no space left on the file system");
    await full.abandon();
  });

  it("below a file that is no folder is refused, and a socket is no pipe", async () => {
    writeFileSync(path, "");
    await expect(fileWriter(`${path}/out.img`, source)).rejects.toMatchObject({ code: "ENOTDIR" });
    const server = createServer().listen(scratch.file("socket"));
    await once(server, "listening");
    await expect(fileWriter(scratch.file("socket"), source)).rejects.toMatchObject({
      code: "ENXIO",
      message: expect.not.stringContaining("pipe") as string,
    });
    server.close();
  });
});

describe("a symbolic link", () => {
  it.each(["a file", "nothing"])("to %s is left alone, and so is what it leads to", async (what) => {
    const behind = scratch.file("behind");
    if (what === "a file") writeFileSync(behind, "precious");
    symlinkSync("behind", path);
    await expect(write(path)).rejects.toMatchObject({
      code: "ELOOP",
      message: expect.stringContaining("behind") as string,
      hint: "name the file itself, or take the link away",
    });
    expect(readlinkSync(path)).toBe("behind");
    if (what === "a file") expect(readFileSync(behind, "utf8")).toBe("precious");
    else expect(readdirSync(scratch.path)).toEqual(["out.img"]);
  });

  it("to a pipe that nobody reads is refused in words", async () => {
    await runOk("mkfifo", scratch.file("pipe"));
    symlinkSync("pipe", path);
    for (const output of [path, scratch.file("pipe")])
      await expect(write(output)).rejects.toMatchObject({
        code: "ENXIO",
        message: `cannot write output ${output}: nobody reads the pipe`,
        hint: "start its reader first",
      });
  });

  it("to a pipe is followed: /dev/fd has no others", async () => {
    await runOk("mkfifo", scratch.file("pipe"));
    const reader = spawn("cat", [scratch.file("pipe")], { stdio: ["ignore", "pipe", "inherit"] });
    const read = text(reader.stdout.setEncoding("latin1"));
    symlinkSync("pipe", path);
    // Its reader is not there at once.
    for (let i = 0; ; i++) {
      const error = await write(path).catch((reason: unknown) => reason as { code?: string });
      if (error === undefined) break;
      expect([error.code === "ENXIO", i < 1000]).toEqual([true, true]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const [bytes] = await Promise.all([read, once(reader, "close")]);
    expect(Buffer.from(bytes, "latin1").equals(image)).toBe(true);
  });
});

it("a standard output that takes nothing is said in words", () => {
  const full = openSync("/dev/full", "w");
  try {
    expect(() => streamWriter(full).write(0, image)).toThrow(
      "cannot write standard output: no space left on the file system",
    );
  } finally {
    closeSync(full);
  }
});

it("a standard output that nobody reads any more is not put into words, and has no end of its own", async () => {
  await runOk("mkfifo", path);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, "w");
  closeSync(reader);
  const writer = streamWriter(fd);
  expect(() => writer.write(0, image)).toThrow(
    expect.objectContaining({ code: "EPIPE", message: expect.stringMatching(/^EPIPE/) as string }),
  );
  await expect(writer.finish()).resolves.toBeUndefined();
  await expect(writer.abandon()).resolves.toBeUndefined();
  expect(writer.unfinished).toBeUndefined();
  closeSync(fd);
});

it("what is written as it stands is closed at its end, and when it is abandoned", async () => {
  await runOk("mkfifo", path);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  for (const end of ["finish", "abandon"] as const) {
    const writer = await fileWriter(path, source);
    expect(() => readSync(reader, Buffer.alloc(1))).toThrow("EAGAIN");
    await writer[end]();
    expect(readSync(reader, Buffer.alloc(1))).toBe(0);
  }
  closeSync(reader);
});

it("a device is written as it stands, and keeps its rights", async () => {
  const sink = sinkIn(scratch.path);
  const before = statSync(sink);
  await write(sink);
  const after = statSync(sink);
  expect([after.mode, after.ino]).toEqual([before.mode, before.ino]);
});

describe("a block device", () => {
  let device: string | undefined;

  beforeEach(({ skip }) => {
    writeFileSync(path, dataPattern(SIZE, 3));
    const made = spawnSync("losetup", ["--find", "--show", path], { encoding: "utf8" });
    skip(made.status !== 0, "no loop devices here");
    device = made.stdout.trim();
  });

  afterEach(() => {
    if (device !== undefined) spawnSync("losetup", ["--detach", device]);
    device = undefined;
  });

  it("that is too small for the image is refused before anything is written", async () => {
    // It was written to its end, and then was full: what had stood on it was gone.
    await expect(fileWriter(device!, { ...source, sizeBytes: SIZE + PIECE })).rejects.toMatchObject({
      code: "ENOSPC",
      message: `output ${device} has 192 KiB, and the image has 256 KiB: nothing was written`,
      hint: "use a device that is as large, or a file",
    });
    expect(readFileSync(device!).equals(dataPattern(SIZE, 3))).toBe(true);
  });

  it("that is as large is written from its beginning to its end", async () => {
    await write(device!);
    expect(readFileSync(device!).equals(image)).toBe(true);
  });
});

describe("the rights of an image", () => {
  const gid = 100;

  it.each([
    ["as its source", 0o100640, gid, 0o000, 0o640],
    ["not to write or read where the source gives none", 0o100400, gid, 0o000, 0o400],
    ["none of another group's", 0o100664, gid + 1, 0o000, 0o604],
    ["not to be run", 0o100755, gid, 0o000, 0o644],
    ["fewer by the umask", 0o100666, gid, 0o027, 0o640],
  ])("%s", (_what, mode, group, umask, expected) => {
    const ours = vi.spyOn(process, "umask").mockReturnValue(umask);
    try {
      expect(rightsOfCopy({ mode, gid: group }, gid)).toBe(expected);
    } finally {
      ours.mockRestore();
    }
  });

  // A thread that is not the first one has no umask of its own (npm run mutants).
  it.runIf(isMainThread)(
    "are no more than those of a private origin, whatever the umask and what stood there",
    async () => {
      writeFileSync(path, "");
      chmodSync(path, 0o666);
      const before = process.umask(0);
      try {
        await write(path, { ...source, rights: { ...source.rights, mode: 0o100600 } });
      } finally {
        process.umask(before);
      }
      expect(statSync(path).mode & 0o777).toBe(0o600);
    },
  );
});
