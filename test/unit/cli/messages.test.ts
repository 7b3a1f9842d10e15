/** What people read when a command line is not what they meant: what, which file, what to do; and nothing is left behind. */
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeDemoPlace } from "../../../src/cli/demo-place.ts";
import { cow, eachTestHasDevices, origin, scratch } from "../../support/device-files.ts";
import { snapring } from "../../support/fake-terminal.ts";

const MIB = 2 ** 20;

eachTestHasDevices(() => {
  writeFileSync(origin, "");
  truncateSync(origin, 4 * MIB);
});

describe("origin and COW file the wrong way round", () => {
  it.each([
    ["merge", () => ["merge", cow, origin]],
    ["read", () => ["read", cow, origin, "--output", scratch.file("out.img")]],
    ["status", () => ["status", origin, "--origin", cow]],
  ])("%s says so, and advises nobody to make a store over the origin", async (_, argv) => {
    await snapring("create", cow, "--size", "1M");
    for (const content of ["", "a file system"]) {
      writeFileSync(origin, content);
      truncateSync(origin, 4 * MIB);
      const { code, stderr } = await snapring(...argv());
      expect(code).toBe(2);
      expect(stderr).toContain(`the wrong way round: ${cow} holds a snapshot, ${origin} none`);
      expect(stderr).toContain(`(write ${origin} as the origin, ${cow} as the COW file)`);
      expect(stderr).not.toContain("create");
    }
    expect(readdirSync(scratch.path).sort()).toEqual(["origin.img", "snap.cow"]);
  });
});

describe("sizes", () => {
  it("a chunk size that is no power of two names the option and what one looks like, with exit code 2", async () => {
    for (const command of [
      ["create", cow, "--size", "1M"],
      ["status", cow],
      ["dump", cow],
      ["merge", origin, cow],
    ]) {
      const { code, stderr } = await snapring(...command, "--chunk-size", "3K");
      expect(code).toBe(2);
      expect(stderr).toContain("--chunk-size <SIZE>");
      expect(stderr).toContain("'3K' is no chunk size: a chunk is a power of two from 512 bytes to 1G: 4K, 16K, 64K");
    }
    expect(existsSync(cow)).toBe(false);
  });

  it("are said as people write them, and exactly where they are compared", async () => {
    expect((await snapring("create", cow, "--size", "47K")).stderr).toContain(
      `${cow}: a COW file of 47 KiB is too small for chunks of 16 KiB (it needs 3 chunks at least: 48 KiB)`,
    );
    writeFileSync(cow, "");
    truncateSync(cow, MIB + 512);
    expect((await snapring("create", cow, "--size", "1M")).stderr).toContain(
      "exists and is larger: 1.0 MiB (1049088 bytes)",
    );
  });
});

describe("the demo's place", () => {
  it.each(["10", "0", "1048577", "512K", "1.5M"])("is not made for an origin of %s", async (size) => {
    const directory = scratch.file("a/b");
    const { code, stderr } = await snapring("demo", "--directory", directory, "--size", size);
    expect(code).toBe(2);
    expect(stderr).toContain("--size <SIZE>");
    expect(existsSync(scratch.file("a"))).toBe(false);
  });

  it("is taken back where nothing came of it, with the folders that were made for it", () => {
    const place = makeDemoPlace(scratch.file("a/b/c"), MIB);
    expect(place).toMatchObject({ isNew: true, sizeBytes: MIB, pool: scratch.file("a/b/c/cow") });
    mkdirSync(place.state);
    place.takeBack();
    expect(readdirSync(scratch.path)).toEqual(["origin.img"]);
  });

  it("stays where somebody else has put something into it, and an origin that was there stays in any case", () => {
    const directory = scratch.file("a");
    const first = makeDemoPlace(directory, MIB);
    writeFileSync(scratch.file("a/notes"), "");
    const second = makeDemoPlace(directory, 2 * MIB);
    expect(second).toMatchObject({ isNew: false, sizeBytes: MIB });
    second.takeBack();
    expect(readdirSync(directory).sort()).toEqual(["cow", "notes", "origin.img"]);
    first.takeBack();
    expect(readdirSync(directory)).toEqual(["notes"]);
  });

  it("is not left half made where its origin cannot have its size", () => {
    expect(() => makeDemoPlace(scratch.file("a"), 2 ** 62)).toThrow(/cannot make .*origin\.img/);
    expect(existsSync(scratch.file("a"))).toBe(false);
  });
});
