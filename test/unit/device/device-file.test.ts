/** Devices of the offline commands: what may be opened, and who else may use it meanwhile (E-42). */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeviceFile, type AccessMode } from "../../../src/device/device-file.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("disk.img");
  writeFileSync(path, Buffer.alloc(4096 + 7));
});

afterEach(() => scratch.remove());

const opened = (name: string, mode: AccessMode = "look"): DeviceFile => DeviceFile.open(name, mode, "origin");

describe("a device file", () => {
  it("has whole sectors and a tail", () => {
    using file = opened(path);
    expect(file.sizeBytes).toBe(4096);
    expect(file.sectors).toBe(8);
    expect(file.tailBytes).toBe(7);
    expect(file.logicalBlockBytes).toBe(512);
  });

  it("is the same by any name", () => {
    const other = scratch.file("link.img");
    symlinkSync(path, other);
    using a = opened(path);
    using b = opened(other);
    expect(b.identity).toBe(a.identity);
  });

  it("reads what it wrote, and nothing outside of itself", () => {
    using file = opened(path, "write");
    file.write(512, Buffer.from("hello"));
    file.sync();
    const bytes = Buffer.alloc(5);
    file.read(512, bytes);
    expect(bytes.toString()).toBe("hello");
    expect(() => file.read(4094, bytes)).toThrow("outside");
    expect(() => file.write(4094, bytes)).toThrow("outside");
  });

  it.each([
    ["a missing file", (): string => scratch.file("none"), "ENOENT", "cannot open origin"],
    ["a folder", (): string => scratch.path, "EISDIR", "is a directory"],
    ["a path through a file", (): string => `${path}/x`, "ENOTDIR", "not a directory"],
    ["a character device", (): string => "/dev/null", "EINVAL", "neither a regular file nor a block device"],
  ])("is not %s", (_, name, code, words) => {
    expect(() => opened(name())).toThrow(expect.objectContaining({ code }));
    expect(() => opened(name())).toThrow(words);
  });

  it("is not a FIFO, which is refused without waiting for a writer", () => {
    const fifo = scratch.file("fifo");
    expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
    expect(() => opened(fifo)).toThrow("neither a regular file nor a block device");
  });

  it("names what it cannot open for writing", () => {
    mkdirSync(scratch.file("folder"));
    expect(() => opened(scratch.file("folder"), "write")).toThrow("it is a directory");
    chmodSync(path, 0o444);
    if (process.getuid?.() !== 0) expect(() => opened(path, "write")).toThrow("permission denied");
  });
});

describe("the lock", () => {
  it("keeps others out while one writes, and names the holder", () => {
    using writer = opened(path, "write");
    expect(writer.lockWarning).toBeUndefined();
    expect(() => opened(path, "write")).toThrow(expect.objectContaining({ code: "EBUSY" }));
    expect(() => opened(path, "read")).toThrow("is in use by this process itself");
  });

  it("lets several read, and none write meanwhile", () => {
    using _first = opened(path, "read");
    using _second = opened(path, "read");
    expect(() => opened(path, "write")).toThrow("is in use by");
  });

  it("is not in the way of a look, and ends with the file", () => {
    opened(path, "write")[Symbol.dispose]();
    using _writer = opened(path, "write");
    using _look = opened(path, "look");
  });
});
