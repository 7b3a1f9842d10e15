/**
 * Bad input to the command: each case ends with the right exit code, one clear line on stderr or one JSON object, no stack trace, and
 * every file as it was. All in this process; that the built command says the same is shown in e2e/cli-errors.test.ts.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataPattern } from "../../support/data-pattern.ts";
import { cow, eachTestHasDevices, origin, scratch } from "../../support/device-files.ts";
import { expectRefusal } from "../../support/refused-command.ts";
import { type ExceptionPair, storeImage } from "../../support/store-image.ts";
import { snapring } from "../../support/fake-terminal.ts";

const MIB = 2 ** 20;
const CHUNK_SECTORS = 8;

eachTestHasDevices(() => {
  writeFileSync(origin, dataPattern(MIB, 1));
  writeStore();
});

function writeStore(
  exceptions: readonly ExceptionPair[] = [],
  change: (view: DataView) => void = () => undefined,
): void {
  const image = storeImage(MIB, CHUNK_SECTORS, exceptions);
  change(new DataView(image.buffer));
  writeFileSync(cow, image);
}

/** In words and in JSON; nothing on disk may change. */
const fails = (argv: readonly string[], exitCode: number, code: string, words: string): Promise<void> =>
  expectRefusal(snapring, argv, { exitCode, code, words }, scratch.path);

const AT = { magic: 0, valid: 4, version: 8, chunkSize: 12 };

describe("a store that is none", () => {
  const headers: readonly (readonly [string, (view: DataView) => void, string, string])[] = [
    ["a blank header", (view) => view.setUint32(AT.magic, 0, true), "ENXIO", "its header is blank"],
    ["another magic (S-32)", (view) => view.setUint32(AT.magic, 0x1234, true), "ENXIO", "Invalid or corrupt snapshot"],
    [
      "version 2 (S-34)",
      (view) => view.setUint32(AT.version, 2, true),
      "EINVAL",
      "unable to handle snapshot disk version 2",
    ],
    ["chunk size 0 (S-33)", (view) => view.setUint32(AT.chunkSize, 0, true), "EINVAL", "invalid on-disk chunk size 0"],
    [
      "chunk size 12 (S-33)",
      (view) => view.setUint32(AT.chunkSize, 12, true),
      "EINVAL",
      "invalid on-disk chunk size 12",
    ],
    [
      "a huge chunk size (S-33)",
      (view) => view.setUint32(AT.chunkSize, 2 ** 31, true),
      "EINVAL",
      "Chunk size is too high",
    ],
  ];

  it.each(headers)("%s: status", async (_, change, code, words) => {
    writeStore([], change);
    await fails(["status", cow], 1, code, words);
  });

  it.each(headers)("%s: read", async (_, change, code, words) => {
    writeStore([], change);
    await fails(["read", origin, cow, "--output", scratch.file("out.img")], 1, code, words);
  });

  it.each(headers)("%s: merge", async (_, change, code, words) => {
    writeStore([], change);
    await fails(["merge", origin, cow], 1, code, words);
  });
});

describe("a corrupt area (S-38)", () => {
  const lists: readonly (readonly [string, readonly ExceptionPair[], string])[] = [
    [
      "an old chunk twice",
      [
        [5, 2],
        [5, 3],
      ],
      "exception 1 of area 0: old chunk 5 appears twice",
    ],
    [
      "a new chunk twice",
      [
        [5, 2],
        [6, 2],
      ],
      "exception 1 of area 0: new chunk 2 appears twice",
    ],
    ["a new chunk beyond the device", [[5, 300]], "new chunk 300 is beyond the end of the cow device"],
    ["a new chunk on an area", [[5, 1]], "new chunk 1 is a metadata chunk"],
    [
      "an old chunk beyond the origin",
      [
        [5, 2],
        [256, 3],
      ],
      "old chunk 256 is beyond the end of the origin",
    ],
    ["a number of more than 56 bits", [[2 ** 53 - 1, 2]], "exception 0 of area 0: old chunk"],
  ];

  it.each(lists)("%s: status, read and merge refuse", async (_, exceptions, words) => {
    writeStore(exceptions);
    await fails(["status", cow, "--origin", origin], 1, "EIO", words);
    await fails(["read", origin, cow, "--output", scratch.file("out.img")], 1, "EIO", words);
    await fails(["merge", origin, cow], 1, "EIO", words);
  });

  it("a file that ends before area 0", async () => {
    writeFileSync(cow, storeImage(MIB, CHUNK_SECTORS).subarray(0, 4096));
    await fails(["status", cow, "--chunk-size", "4K"], 1, "EIO", "area 0");
  });

  it("a file shorter than one chunk (S-30)", async () => {
    writeFileSync(cow, storeImage(MIB, CHUNK_SECTORS).subarray(0, 2048));
    await fails(["status", cow], 1, "EIO", "shorter than one chunk");
  });

  it("an empty file", async () => {
    writeFileSync(cow, "");
    await fails(["dump", cow], 1, "EIO", "shorter than one chunk");
  });
});

describe("an Invalid snapshot (S-35)", () => {
  beforeEach(() => writeStore([[5, 2]], (view) => view.setUint32(AT.valid, 0, true)));

  it("has a status", async () => {
    const { code, stdout } = await snapring("status", cow, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: "Invalid", state: "invalid" });
  });

  it("cannot be read or merged", async () => {
    await fails(["read", origin, cow, "--output", scratch.file("out.img")], 1, "EIO", "Invalid");
    await fails(["merge", origin, cow], 1, "EINVAL", "Invalid");
  });
});

describe("wrong files", () => {
  it("a file that is missing", async () => {
    const none = scratch.file("none");
    await fails(["status", none], 1, "ENOENT", `cannot open COW file ${none}: no such file`);
    await fails(["dump", none], 1, "ENOENT", "no such file");
    await fails(["read", none, cow, "--output", scratch.file("out.img")], 1, "ENOENT", "cannot open origin");
    await fails(["merge", origin, none], 1, "ENOENT", "cannot open COW file");
  });

  it("a folder", async () => {
    mkdirSync(scratch.file("folder"));
    await fails(["status", scratch.file("folder")], 1, "EISDIR", "is a directory");
    await fails(["merge", scratch.file("folder"), cow], 1, "EISDIR", "is a directory");
    await fails(["create", scratch.file("folder"), "--size", "1M"], 1, "EISDIR", "is a directory");
    await fails(["read", origin, cow, "--output", scratch.file("folder")], 1, "EISDIR", "is a directory");
  });

  it("a device that is no disk", async () => {
    await fails(["status", "/dev/null"], 1, "EINVAL", "neither a regular file nor a block device");
  });

  it("COW and origin are the same, also by another name (S-21)", async () => {
    symlinkSync(cow, scratch.file("link"));
    await fails(["status", cow, "--origin", scratch.file("link")], 1, "EINVAL", "cannot be the same as origin device");
    await fails(
      ["read", scratch.file("link"), cow, "--output", scratch.file("out.img")],
      1,
      "EINVAL",
      "cannot be the same",
    );
    await fails(["merge", scratch.file("link"), cow], 1, "EINVAL", "cannot be the same as origin device");
    await fails(["create", cow, "--origin", scratch.file("link"), "--force"], 1, "EINVAL", "cannot be the same");
  });

  it("origin and COW file exchanged", async () => {
    await fails(["merge", cow, origin], 2, "EUSAGE", "the origin and the COW file are the wrong way round");
  });

  it("output over its own source", async () => {
    await fails(["read", origin, cow, "--output", origin], 1, "EINVAL", "is the origin or the COW file itself");
    await fails(["read", origin, cow, "--output", cow], 1, "EINVAL", "is the origin or the COW file itself");
  });
});

describe("wrong sizes", () => {
  const fresh = (): string => scratch.file("new.cow");

  it.each([
    ["no size", []],
    ["a chunk size that is none", ["--size", "1M", "--chunk-size", "big"]],
    ["a chunk size that is no power of two", ["--size", "1M", "--chunk-size", "12K"]],
    ["a fraction", ["--size", "1.5M"]],
    ["no whole sectors", ["--size", "1000"]],
    ["a negative size", ["--size=-1M"]],
    ["a size beyond all measure", ["--size", "99999999P"]],
  ])("%s: a usage error, and no file", async (_, options) => {
    const { code, stderr } = await snapring("create", fresh(), ...options);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
    expect(existsSync(fresh())).toBe(false);
  });

  it("of chunks and stores", async () => {
    await fails(["create", fresh(), "--size", "47K"], 1, "EINVAL", "too small");
    await fails(["create", fresh(), "--size", "0"], 1, "EINVAL", "too small");
    await fails(["create", cow, "--size", "1M"], 1, "EEXIST", "holds a snapshot already");
  });

  it("an origin that is no multiple of 512 is served up to its last sector, with a warning (S-18)", async () => {
    writeFileSync(origin, dataPattern(MIB, 1).subarray(0, 10000));
    const output = scratch.file("out.img");
    const { code, stderr } = await snapring("read", origin, cow, "--output", output);
    expect(code).toBe(0);
    expect(stderr).toContain("the last 272 bytes fill no sector");
    expect(readFileSync(output).equals(dataPattern(9728, 1))).toBe(true);
  });
});

describe("serve", () => {
  let busy: NetServer | undefined;

  afterEach(() => new Promise<void>((resolve) => (busy === undefined ? resolve() : busy.close(() => resolve()))));

  const serve = (...options: readonly string[]): readonly string[] => [
    "serve",
    origin,
    "--listen",
    `unix:${scratch.file("s.sock")}`,
    ...options,
  ];

  it("refuses an origin that is missing or a folder", async () => {
    const listen = ["--listen", `unix:${scratch.file("s.sock")}`];
    await fails(["serve", scratch.file("none"), ...listen], 1, "ENOENT", "none");
    mkdirSync(scratch.file("folder"));
    await fails(["serve", scratch.file("folder"), ...listen], 1, "EISDIR", "director");
  });

  it("refuses a COW file that does not exist and has no size", async () => {
    await fails(serve("--snapshot", `a=${scratch.file("none.cow")}`), 1, "ENOENT", "none.cow");
  });

  it("refuses a corrupt store, and leaves no socket", async () => {
    writeStore([
      [5, 2],
      [5, 3],
    ]);
    await fails(serve("--snapshot", `a=${cow}`), 1, "EIO", "old chunk 5 appears twice");
  });

  it("refuses the origin as COW file", async () => {
    await fails(serve("--snapshot", `a=${origin}`), 1, "EINVAL", "same");
  });

  it("refuses one COW file for two snapshots", async () => {
    const ended = await snapring(...serve("--snapshot", `a=${cow}`, "--snapshot", `b=${cow}`));
    expect(ended.code).toBe(1);
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  it("refuses a socket that a live server listens on, and leaves it to that server", async () => {
    const path = scratch.file("s.sock");
    busy = createServer();
    await new Promise<void>((resolve) => busy?.listen(path, resolve));
    await fails(serve(), 1, "EADDRINUSE", path);
    expect(existsSync(path)).toBe(true);
  });

  it("refuses a socket in a folder that does not exist", async () => {
    const ended = await snapring("serve", origin, "--listen", `unix:${scratch.file("none/s.sock")}`);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("none/s.sock");
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("words of the command line", () => {
  it.each([
    ["create", ""],
    ["status", ""],
    ["dump", ""],
    ["serve", ""],
    ["read", "", "x"],
    ["merge", "x", ""],
  ])("an empty path is said to be one: %s", async (...argv) => {
    await fails(argv, 2, "EUSAGE", "argument value '' is invalid");
  });

  it("help on a command that does not exist says so behind the general help", async () => {
    const { code, stderr } = await snapring("help", "nix");
    expect(code).toBe(2);
    expect(stderr).toMatch(/\nsnapring: there is no such command \(see snapring --help\)\n$/);
  });
});
