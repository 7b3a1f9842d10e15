/**
 * `snapring serve` refuses what cannot be served, before anything has changed: no file is made, formatted, registered, or taken
 * away, and no socket stays. What the offline commands refuse, and the plainest cases of `serve`, are in cli-errors.test.ts.
 *
 * The command runs inside of this process, but where it shows something that a process of its own has: an environment without the addon,
 * and once for each half of the volume, its devices and its addresses, that nothing stays when the process has ended.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { cow, eachTestHasDevices, origin, scratch } from "../support/device-files.ts";
import { snapring } from "../support/fake-terminal.ts";
import { freePort } from "../support/free-socket.ts";
import { expectRefusal, type Run } from "../support/refused-command.ts";
import { runCommand } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";
import { storeImage } from "../support/store-image.ts";

const MIB = 2 ** 20;

let socket: string;
let busy: NetServer | undefined;

eachTestHasDevices(() => {
  socket = scratch.file("s.sock");
  writeFileSync(origin, dataPattern(MIB, 1));
  writeFileSync(cow, storeImage(MIB, 8, [[5, 2]]));
});

afterEach(async () => {
  await new Promise<void>((resolve) => (busy === undefined ? resolve() : busy.close(() => resolve())));
  busy = undefined;
  vi.unstubAllEnvs();
});

const asProcess: Run = (...argv) => runCommand(process.execPath, MAIN, ...argv);

/** In words and in JSON, with the exit code; every file is as it was, and none is new. */
function refuses(code: string, words: string, ...options: readonly string[]): Promise<void> {
  return refusesAs(snapring, code, words, ...options);
}

function refusesAs(run: Run, code: string, words: string, ...options: readonly string[]): Promise<void> {
  const argv = ["serve", origin, "--listen", `unix:${socket}`, ...options];
  return expectRefusal(run, argv, { exitCode: code === "EUSAGE" ? 2 : 1, code, words }, scratch.path);
}

const AT = { magic: 0, valid: 4, version: 8, chunkSize: 12 };

function changeHeader(at: number, value: number): void {
  const image = readFileSync(cow);
  image.writeUInt32LE(value, at);
  writeFileSync(cow, image);
}

describe("COW devices", () => {
  it("the origin by another name: a symbolic link, a hard link (S-21)", async () => {
    symlinkSync(origin, scratch.file("link"));
    linkSync(origin, scratch.file("twin"));
    for (const name of ["link", "twin"]) {
      await refuses(
        "EINVAL",
        "COW device cannot be the same as origin device",
        "--snapshot",
        `a=${scratch.file(name)}`,
      );
    }
  });

  it.each(["0", "1"])("one COW file for two snapshots, by another name (SNAPRING_NO_NATIVE=%s)", async (without) => {
    // Without the addon there is no lock that would refuse it: both were served, and each overwrote what the other kept.
    vi.stubEnv("SNAPRING_NO_NATIVE", without);
    symlinkSync(cow, scratch.file("link"));
    const words = "COW device cannot be the same as another snapshot's";
    await refusesAs(asProcess, "EINVAL", words, "--snapshot", `a=${cow}`, "--snapshot", `b=${scratch.file("link")}`);
  });

  it("devices that nothing can lock (E-42)", async () => {
    vi.stubEnv("SNAPRING_NO_NATIVE", "1");
    vi.stubEnv("PATH", scratch.path);
    const words = "cannot be locked, so it is not opened for writing";
    await refusesAs(asProcess, "ENOLCK", words, "--snapshot", `a=${cow}`);
    await refusesAs(asProcess, "ENOLCK", words, "--snapshot", `a=${scratch.file("new.cow")},size=2M`);
  });

  it("a directory, a missing folder, a device that is none", async () => {
    mkdirSync(scratch.file("folder"));
    await refuses("EISDIR", "is a directory", "--snapshot", `a=${scratch.file("folder")}`);
    await refuses("ENOENT", "none/x.cow", "--snapshot", `a=${scratch.file("none/x.cow")},size=2M`);
    await refuses("EINVAL", "neither a regular file nor a block device", "--snapshot", "a=/dev/null");
  });

  it.each([
    ["another magic (S-32)", AT.magic, 0x1234, "ENXIO", "Invalid or corrupt snapshot"],
    ["version 2 (S-34)", AT.version, 2, "EINVAL", "unable to handle snapshot disk version 2"],
    ["chunk size 0 (S-33)", AT.chunkSize, 0, "EINVAL", "invalid on-disk chunk size 0"],
    ["chunk size 12 (S-33)", AT.chunkSize, 12, "EINVAL", "invalid on-disk chunk size 12"],
    ["a huge chunk size (S-33)", AT.chunkSize, 2 ** 31, "EINVAL", "Chunk size is too high"],
    ["a chunk size beyond the device", AT.chunkSize, 2 ** 20, "EIO", "area 0 is beyond the end of the cow device"],
  ] as const)("a header with %s", async (_, at, value, code, words) => {
    changeHeader(at, value);
    await refuses(code, words, "--snapshot", `a=${cow}`);
  });

  it("a good store beside a bad one: neither is touched (E-46)", async () => {
    const fresh = scratch.file("blank.cow");
    writeFileSync(fresh, "");
    truncateSync(fresh, MIB);
    changeHeader(AT.version, 3);
    await refusesAs(asProcess, "EINVAL", "version 3", "--snapshot", `good=${fresh}`, "--snapshot", `bad=${cow}`);
  });

  it.each([
    ["no power of two", "12K", "'12K' is no chunk size"],
    ["too high", "4G", "'4G' is no chunk size"],
    ["no multiple of a sector", "1000", "'1000' is no chunk size"],
  ])("a chunk size that is %s (S-17…S-19), and the file that was to be made is not", async (_, size, words) => {
    const argument = `a=${scratch.file("new.cow")},size=2M,chunk=${size}`;
    const { code, stderr } = await snapring("serve", origin, "--listen", `unix:${socket}`, "--snapshot", argument);
    expect(stderr).toContain(words);
    expect(code).not.toBe(0);
    expect(readdirSync(scratch.path).sort()).toEqual(["origin.img", "snap.cow"]);
  });

  it("a new file that is too small for a store, or no multiple of a sector", async () => {
    const fresh = scratch.file("new.cow");
    await refuses("EIO", "shorter than one chunk", "--snapshot", `a=${fresh},size=8K,chunk=16K`);
    await refuses("EIO", "no room for a header and an area", "--snapshot", `a=${fresh},size=16K,chunk=16K`);
  });

  it("a new file beside a snapshot that is refused is not made", async () => {
    await refuses(
      "ENOENT",
      "none.cow",
      "--snapshot",
      `a=${scratch.file("new.cow")},size=2M`,
      "--snapshot",
      `b=${scratch.file("none.cow")}`,
    );
  });
});

describe("addresses", () => {
  const blank = (): readonly string[] => ["--snapshot", `a=${scratch.file("new.cow")},size=2M`];

  it("a live socket: nothing is made, formatted or registered for a server that never was", async () => {
    busy = createServer();
    busy.listen(socket);
    await once(busy, "listening");
    await refusesAs(asProcess, "EADDRINUSE", socket, ...blank());
  });

  it("a busy TCP port, also behind a good address, whose socket goes again", async () => {
    const port = await freePort();
    busy = createServer();
    busy.listen(port, "127.0.0.1");
    await once(busy, "listening");
    await refuses("EADDRINUSE", String(port), "--listen", `tcp:127.0.0.1:${port}`, ...blank());
  });

  it("a file that is no socket is left alone", async () => {
    writeFileSync(socket, "precious");
    await refuses("EEXIST", "no socket", ...blank());
  });

  it("a socket in a folder that is missing", async () => {
    await refuses("ENOENT", "none/s.sock", "--listen", `unix:${scratch.file("none/s.sock")}`, ...blank());
  });

  it("a stale socket is taken over by a server that starts, and goes with it", async () => {
    const child = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 9))`,
    ]);
    await once(child, "close");
    expect(lstatSync(socket).isSocket()).toBe(true);
    const server = spawn(process.execPath, [MAIN, "serve", origin, "--listen", `unix:${socket}`]);
    const closed = once(server, "close");
    await once(server.stdout, "data");
    expect((await runCommand("nbdinfo", "--size", `nbd+unix:///?socket=${socket}`)).stdout).toBe(`${MIB}\n`);
    server.kill("SIGTERM");
    expect(await closed).toEqual([0, null]);
    expect(readdirSync(scratch.path)).not.toContain("s.sock");
  });
});

describe("arguments", () => {
  it.each([
    ["an unknown option", ["--fast"], "--fast"],
    ["a snapshot without a file", ["--snapshot", "a"], "there is no '='"],
    ["the name of the live volume", ["--snapshot", "origin=x"], "that is the live volume"],
    ["two snapshots of one name", ["--snapshot", "a=x", "--snapshot", "a=y"], "another snapshot named 'a'"],
    ["an unknown setting", ["--snapshot", "a=x,speed=9"], "there is no setting 'speed'"],
    ["an unknown store", ["--snapshot", "a=x,store=Q"], "is not P, PO or N"],
    ["an address without a kind", ["--listen", "localhost"], "localhost"],
    ["a port that is none", ["--listen", "tcp:127.0.0.1:70000"], "70000"],
    ["no number of workers", ["--workers", "0"], "0"],
    ["an unknown kind of I/O", ["--io", "magic"], "magic"],
    ["two ways to open", ["--direct", "--buffered"], "--buffered"],
  ])("%s", async (_, options, words) => {
    await refuses("EUSAGE", words, ...options);
  });
});
