/** Names of devices that last, on folders that look like /dev/disk/by-id, and the register that is found by them. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastingNames, lastingPath, realPath } from "../../../src/device/lasting-path.ts";
import { blockRegister } from "../../../src/register/register-place.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
  mkdirSync(scratch.file("by-id"));
  for (const device of ["dm-3", "dm-4", "sdb"]) writeFileSync(scratch.file(device), "");
});

afterEach(() => scratch.remove());

function link(name: string, device: string): void {
  symlinkSync(`../${device}`, scratch.file(`by-id/${name}`));
}

const namesOf = (device: string): readonly string[] => lastingNames(scratch.file(device), scratch.file("by-id"));

describe("a device", () => {
  it("is named by what it is, rather than by what it is called or holds", () => {
    link("dm-name-vg-origin", "dm-3");
    link("dm-uuid-LVM-abc", "dm-3");
    link("dm-uuid-LVM-def", "dm-4");
    link("ata-DISK_123", "sdb");
    link("lvm-pv-uuid-xyz", "sdb");
    link("wwn-0x5000", "sdb");
    link("gone", "sdz");
    expect(namesOf("dm-3")).toEqual(["dm-uuid-LVM-abc", "dm-name-vg-origin"]);
    expect(namesOf("dm-4")).toEqual(["dm-uuid-LVM-def"]);
    expect(namesOf("sdb")).toEqual(["wwn-0x5000", "ata-DISK_123", "lvm-pv-uuid-xyz"]);
  });

  it("has none where nobody gives them", () => {
    expect(namesOf("sdb")).toEqual([]);
    expect(lastingNames(scratch.file("sdb"), scratch.file("nowhere"))).toEqual([]);
  });

  it("that is a file is named by its real path", () => {
    symlinkSync("sdb", scratch.file("link"));
    link("wwn-0x5000", "sdb");
    expect(lastingPath(scratch.file("link"), scratch.file("by-id"))).toBe(scratch.file("sdb"));
    expect(realPath(scratch.file("link"))).toBe(scratch.file("sdb"));
    expect(realPath(scratch.file("nothing"))).toBe(scratch.file("nothing"));
  });
});

describe("the register of a block device (E-46)", () => {
  it("is found by any name of the device, and made by the best", () => {
    const folder = scratch.path;
    const find = (names: readonly string[]): string => blockRegister("/dev/dm-3", names, folder);
    expect(find(["uuid", "name"])).toBe(scratch.file("uuid.snapshots"));
    // Made when the device had no better name yet.
    writeFileSync(scratch.file("name.snapshots"), "");
    expect(find(["uuid", "name"])).toBe(scratch.file("name.snapshots"));
    writeFileSync(scratch.file("uuid.snapshots"), "");
    expect(find(["uuid", "name"])).toBe(scratch.file("uuid.snapshots"));
  });

  it("is never that of another device which had the same name at another boot", () => {
    writeFileSync(scratch.file("dm-3.snapshots"), "");
    expect(blockRegister("/dev/dm-3", ["uuid"], scratch.path)).toBe(scratch.file("uuid.snapshots"));
    expect(blockRegister("/dev/dm-3", [], scratch.path)).toBe(scratch.file("dm-3.snapshots"));
  });
});
