/**
 * Areas of a store are read many at a time, into memory that is used again (S-36).
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { loadNative, probeUring } from "../../../src/device/native.ts";
import { ReadAhead } from "../../../src/opening/read-ahead.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const AREA = 4096;
const AREAS = 100;
const content = dataPattern(AREA * AREAS, 7);
const folder = mkdtempSync(join(tmpdir(), "snapring-read-ahead-"));
const path = join(folder, "cow");
writeFileSync(path, content);

const open: { reads: ReadAhead; fd: number }[] = [];
function readAhead(most: number, mode: "uring" | "poll" = "poll", length = AREA): ReadAhead {
  const fd = openSync(path, "r");
  const reads = new ReadAhead(fd, length, most, mode);
  open.push({ reads, fd });
  return reads;
}

afterEach(() => {
  for (const { reads, fd } of open.splice(0)) {
    reads.close();
    closeSync(fd);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

function area(index: number): Buffer {
  return content.subarray(index * AREA, (index + 1) * AREA);
}

const MODES = (["uring", "poll"] as const).filter((mode) => mode === "poll" || probeUring().works);

describe.skipIf(loadNative().native === undefined)("reading ahead (S-36) (native)", () => {
  it.each(MODES)("gives the ranges in the order in which they were begun, whatever their places (%s)", (mode) => {
    const reads = readAhead(8, mode);
    const order = Array.from({ length: AREAS }, (_, i) => (i * 37) % AREAS);
    let begun = 0;
    for (const wanted of order) {
      while (reads.wantsMore && begun < AREAS) reads.begin(order[begun++]! * AREA);
      expect(Buffer.compare(reads.next() as Uint8Array, area(wanted))).toBe(0);
    }
    expect(reads.underWay).toBe(0);
  });

  it("has as many reads under way as it was told, and no more", () => {
    const reads = readAhead(4);
    for (let i = 0; i < 4; i++) {
      expect(reads.hasRoom).toBe(true);
      reads.begin(i * AREA);
    }
    expect(reads.hasRoom).toBe(false);
    expect(() => reads.begin(0)).toThrow("more reads than slots");
    reads.next();
    expect(reads.hasRoom).toBe(true);
  });

  it("asks for more once half of it has been taken", () => {
    const reads = readAhead(4);
    for (let i = 0; i < 4; i++) reads.begin(i * AREA);
    reads.next();
    expect(reads.wantsMore).toBe(false);
    reads.next();
    expect(reads.wantsMore).toBe(true);
  });

  it("reads ranges that are larger than its memory one at a time", () => {
    const reads = readAhead(64, "poll", 12 * 2 ** 20);
    reads.begin(0);
    expect(reads.hasRoom).toBe(false);
  });

  it("has the same memory for a later range", () => {
    const reads = readAhead(1);
    reads.begin(0);
    const first = reads.next() as Uint8Array;
    reads.begin(AREA);
    expect((reads.next() as Uint8Array).byteOffset).toBe(first.byteOffset);
    expect(Buffer.compare(first, area(1))).toBe(0);
  });

  it.each(MODES)("says EIO where the device ends inside of a range or before it (%s)", (mode) => {
    const reads = readAhead(4, mode);
    reads.begin(AREAS * AREA - 512);
    reads.begin(AREAS * AREA);
    reads.begin(0);
    expect(reads.next()).toBe(errno.EIO);
    expect(reads.next()).toBe(errno.EIO);
    expect(Buffer.compare(reads.next() as Uint8Array, area(0))).toBe(0);
  });

  it("says what the system says of a read that fails", () => {
    const fd = openSync(path, "a");
    const reads = new ReadAhead(fd, AREA, 2, "poll");
    open.push({ reads, fd });
    reads.begin(0);
    expect(reads.next()).toBe(errno.EBADF);
  });
});
