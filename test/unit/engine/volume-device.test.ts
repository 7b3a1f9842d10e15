import fs, { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadNative } from "../../../src/device/native.ts";
import { VolumeDevice } from "../../../src/engine/volume-device.ts";
import { openDevice } from "../../../src/opening/open-device.ts";
import { inlineOpenings } from "../../support/inline-openings.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;

beforeEach(async () => {
  // Not in memory: there nothing is direct.
  scratch = await makeScratch();
  await writeFile(scratch.file("disk"), new Uint8Array(65536));
});

afterEach(() => scratch.remove());

function open(): VolumeDevice {
  return new VolumeDevice(
    openDevice({
      path: scratch.file("disk"),
      what: "origin",
      readOnly: false,
      unlocked: false,
      direct: "auto",
    }),
  );
}

/** The kernel's word on the locks that lie on an open file. */
function locksOf(fd: number): number {
  return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").match(/^lock:.*FLOCK.*WRITE/gm)?.length ?? 0;
}

/**
 * The kernel keeps what an io_uring of a killed process still has under way, and the descriptors that it goes through. A lock on
 * another descriptor was free at once, and the next process could read, and flush, before the last write of the dead one had landed.
 */
test.runIf(loadNative().native !== undefined)(
  "the lock is on the descriptor that the I/O goes through (E-42, C-49)",
  async () => {
    const device = open();
    expect([locksOf(device.fd), locksOf(device.file.fd)]).toEqual([1, 0]);
    await device.useBuffered(inlineOpenings);
    expect([locksOf(device.fd), locksOf(device.file.fd)]).toEqual([1, 0]);
    expect(open).toThrow(expect.objectContaining({ code: "EBUSY" }));
    device.close();
    const next = open();
    expect(locksOf(next.fd)).toBe(1);
    next.close();
  },
);

test.each([false, "auto"] as const)(
  "another file that comes to its path while it is being opened is not used (direct: %s)",
  (direct) => {
    // It was opened by its path twice: what was locked and looked at was not what clients then wrote to.
    const disk = scratch.file("disk");
    fs.writeFileSync(scratch.file("victim"), "secret");
    const { ino } = fs.statSync(disk);
    const real = fs.openSync;
    fs.openSync = (path, ...more) => {
      const fd = real(path, ...more);
      if (path === disk) fs.renameSync(scratch.file("victim"), disk);
      return fd;
    };
    syncBuiltinESMExports();
    try {
      const device = new VolumeDevice(
        openDevice({ path: disk, what: "origin", readOnly: false, unlocked: false, direct }),
      );
      expect([fs.fstatSync(device.fd).ino, fs.fstatSync(device.file.fd).ino]).toEqual([ino, ino]);
      device.close();
    } finally {
      fs.openSync = real;
      syncBuiltinESMExports();
    }
    expect(readFileSync(disk, "utf8")).toBe("secret");
  },
);

test.runIf(loadNative().native !== undefined)(
  "a device that cannot be opened again keeps the descriptor that it has",
  async () => {
    // Its number stayed behind without the descriptor, and a close then closed whatever had got the number since.
    const device = open();
    const { fd, align } = device;
    expect(align).toBeGreaterThan(1);
    const real = fs.openSync;
    fs.openSync = () => {
      throw Object.assign(new Error("EMFILE: too many open files, open"), { code: "EMFILE" });
    };
    syncBuiltinESMExports();
    try {
      await expect(device.useBuffered(inlineOpenings)).rejects.toThrow("EMFILE");
    } finally {
      fs.openSync = real;
      syncBuiltinESMExports();
    }
    expect([device.fd, device.align, locksOf(device.fd)]).toEqual([fd, align, 1]);
    const other = fs.openSync(scratch.file("disk"), "r");
    device.close();
    expect(fs.fstatSync(other).size).toBe(65536);
    fs.closeSync(other);
  },
);
