/** A device that transfers less than it was asked for: the rest follows, and where nothing comes any more it is an error. */
import { writeFileSync } from "node:fs";
import type * as FileSystem from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeviceFile } from "../../../src/device/device-file.ts";
import { writeAll } from "../../../src/device/write-all.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

/** Bytes that each call moves at most. */
let most = Number.POSITIVE_INFINITY;
let calls = 0;

vi.mock(import("node:fs"), async (original) => {
  const actual = (await original()) as typeof FileSystem;
  const bounded = (length: number): number => {
    calls += 1;
    if (calls > 1000) throw new Error("it goes on for ever");
    return Math.min(length, most);
  };
  return {
    ...actual,
    readSync: ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number) =>
      most === 0 ? 0 : actual.readSync(fd, bytes, offset, bounded(length), position)) as typeof actual.readSync,
    writeSync: ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => {
      const count = bounded(length);
      return count === 0 ? 0 : actual.writeSync(fd, bytes, offset, count, position);
    }) as typeof actual.writeSync,
  };
});

const BYTES = 4096;
let scratch: Scratch;
let device: DeviceFile;

beforeEach(async () => {
  most = Number.POSITIVE_INFINITY;
  scratch = await makeScratch();
  writeFileSync(scratch.file("device"), dataPattern(BYTES, 1));
  device = DeviceFile.open(scratch.file("device"), "write", "device");
  calls = 0;
});

afterEach(() => {
  most = Number.POSITIVE_INFINITY;
  device[Symbol.dispose]();
  return scratch.remove();
});

function content(): Buffer {
  const bytes = Buffer.alloc(BYTES);
  device.read(0, bytes);
  return bytes;
}

describe("a device", () => {
  it("is read and written to the end, however many calls it takes", () => {
    most = 100;
    device.write(512, dataPattern(1000, 7));
    const after = Buffer.from(dataPattern(BYTES, 1));
    after.set(dataPattern(1000, 7), 512);
    expect(content()).toEqual(after);
  });

  it("that gives nothing has ended", () => {
    most = 0;
    expect(() => device.read(512, Buffer.alloc(512))).toThrow(/ended at byte 512/);
  });

  it("that takes nothing has failed: it was written to for ever", () => {
    most = 0;
    expect(() => device.write(512, dataPattern(512, 7))).toThrow(/took no byte of a write at byte 512/);
  });
});

it("an output that takes nothing has failed, too", () => {
  most = 0;
  expect(() => writeAll(device.fd, 0, dataPattern(512, 7))).toThrow(/EIO/);
});

it("an output gets all of it, however many calls it takes", () => {
  most = 100;
  writeAll(device.fd, 512, dataPattern(1000, 7));
  expect(content().subarray(512, 1512)).toEqual(Buffer.from(dataPattern(1000, 7)));
});
