/**
 * What the command prints, and where it cannot: a full disk, a reader that has gone or does not read, a terminal that goes.
 *
 * While a volume is open none of it may reach a client, or the end of the server. The other commands fail where their result is lost,
 * and lose no work for the rest.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { runCommand, runOk } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";
import { needSmallFileSystems, SmallFileSystem } from "../support/small-file-system.ts";

const MIB = 2 ** 20;
const CHUNK = 4096;

let scratch: Scratch;
let small: SmallFileSystem | undefined;
let child: ChildProcess | undefined;
const descriptors: number[] = [];

beforeEach(async () => {
  scratch = await makeScratch();
  writeFileSync(scratch.file("origin.img"), dataPattern(8 * MIB, 1));
});

afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "close");
  }
  child = undefined;
  for (const fd of descriptors.splice(0)) closeSync(fd);
  await small?.unmount();
  small = undefined;
  await scratch.remove();
});

function opened(path: string, flags: number | string): number {
  const fd = openSync(path, flags);
  descriptors.push(fd);
  return fd;
}

function closed(fd: number): void {
  descriptors.splice(descriptors.indexOf(fd), 1);
  closeSync(fd);
}

const serveArguments = (): string[] => [
  ...[MAIN, "serve", scratch.file("origin.img"), "--workers", "1", "--listen", `unix:${scratch.file("s.sock")}`],
  // Each runs full, and says so, at a time of its own.
  ...[16, 64].flatMap((chunks) => [
    "--snapshot",
    `s${chunks}=${scratch.file(`${chunks}.cow`)},chunk=${CHUNK},size=${chunks * CHUNK}`,
  ]),
];

async function connectSoon(): Promise<NbdClient> {
  for (;;) {
    try {
      return await NbdClient.open({ path: scratch.file("s.sock") });
    } catch {
      await sleep(20);
    }
  }
}

async function overwrite(client: NbdClient, from: number, to: number): Promise<void> {
  for (let chunk = from; chunk < to; chunk++) await client.write(chunk * CHUNK, dataPattern(CHUNK, 100 + chunk));
}

/** What is in a FIFO now. */
function readAvailable(fd: number): string {
  const buffer = Buffer.alloc(MIB);
  let text = "";
  for (;;) {
    try {
      const count = readSync(fd, buffer);
      if (count === 0) return text;
      text += buffer.toString("utf8", 0, count);
    } catch {
      return text;
    }
  }
}

async function readUntil(fd: number, pattern: RegExp): Promise<string> {
  let text = "";
  while (!pattern.test(text)) {
    text += readAvailable(fd);
    await sleep(5);
  }
  return text;
}

describe("serve", () => {
  it("goes on over a full disk, a reader that goes, comes back, and does not read; what it drops it counts", async ({
    skip,
  }) => {
    needSmallFileSystems(skip);
    small = await SmallFileSystem.mount(scratch, "tmpfs", 1);
    const fifo = scratch.file("fifo");
    await runOk("mkfifo", fifo);
    let reader = opened(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const [out, log] = [opened(fifo, "w"), opened(small.file("log"), "a")];
    const server = spawn(process.execPath, serveArguments(), { stdio: ["ignore", out, log] });
    child = server;
    closed(out);
    await readUntil(reader, /s64.*\n/);

    small.fill();
    const client = await connectSoon();
    await overwrite(client, 0, 32);
    closed(reader);
    server.kill("SIGUSR1");
    await overwrite(client, 0, 32);
    expect(readFileSync(small.file("log"), "utf8")).toBe("");

    small.empty();
    reader = opened(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    server.kill("SIGUSR1");
    const text = await readUntil(reader, /^\{"stats":.*\n/m);
    const { stats } = JSON.parse(text) as { stats: { droppedLines: number; snapshots: { state: string }[] } };
    // How full it is, four times; that it is invalid; the statistics.
    expect(stats.droppedLines).toBe(6);
    expect(stats.snapshots.map((snapshot) => snapshot.state)).toEqual(["invalid", "active"]);
    await overwrite(client, 32, 128);
    expect(readFileSync(small.file("log"), "utf8")).toMatch(
      /^(snapring serve: s64: \d\d % of its store are allocated\n){4}snapring serve: s64: the snapshot is invalid now.*\n$/,
    );

    // Now it is full, and nobody reads: more than the pipe and what may wait.
    for (let i = 0; i < 300; i++) {
      server.kill("SIGUSR1");
      await overwrite(client, i, i + 1);
    }
    expect((await client.read(0, CHUNK)).equals(dataPattern(CHUNK, 100))).toBe(true);
    client.destroy();
    server.kill("SIGTERM");
    await once(server, "close");
    expect(server.exitCode).toBe(0);
  });

  it("goes on when its terminal is stopped, and when it has gone", async () => {
    const python = `
import os, subprocess, sys, termios
master, slave = os.openpty()
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
print(server.pid, flush=True)
for line in sys.stdin:
    if line == "read\\n": os.read(master, 4096)
    if line == "stop\\n": termios.tcflow(slave, termios.TCOOFF)
    if line == "gone\\n": os.close(slave); os.close(master)
    print(line, end="", flush=True)
sys.exit(server.wait())`;
    const script = spawn("python3", ["-c", python, process.execPath, ...serveArguments()], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    child = script;
    const lines = createInterface({ input: script.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    const tell = async (word: string): Promise<void> => {
      script.stdin?.write(`${word}\n`);
      expect((await lines.next()).value).toBe(word);
    };
    const client = await connectSoon();
    await tell("read");
    await tell("stop");
    for (let i = 0; i < 32; i++) {
      process.kill(pid, "SIGUSR1");
      await overwrite(client, i, i + 1);
    }
    await tell("gone");
    process.kill(pid, "SIGUSR1");
    await overwrite(client, 32, 128);
    client.destroy();
    process.kill(pid, "SIGTERM");
    script.stdin?.end();
    await once(script, "close");
    expect(script.exitCode).toBe(0);
  });
});

describe("a command that does one thing", () => {
  const shell = (line: string): ReturnType<typeof runCommand> =>
    runCommand("sh", "-c", `snapring() { '${process.execPath}' '${MAIN}' "$@"; }; ${line}`);

  it("fails where its result is lost on a full disk, and ends quietly where nobody reads it", async () => {
    const cow = scratch.file("a.cow");
    const full = await shell(`snapring create ${cow} --size 1M >/dev/full`);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/^snapring create: cannot write standard output: no space left[^\n]*\n$/);
    expect((await shell(`snapring status ${cow} --json >/dev/full`)).stderr).toContain("cannot write standard output");
    const gone = await shell(`{ snapring status ${cow}; echo $? >&2; } | true`);
    expect(gone.stderr.trim()).toMatch(/^[01]$/);
    expect((await shell(`snapring status ${cow} >&- 2>&-`)).code).toBe(0);
  });

  it("loses no work for warnings that nobody reads: a merge merges", async () => {
    const [origin, cow] = [scratch.file("origin.img"), scratch.file("m.cow")];
    await runOk(process.execPath, MAIN, "create", cow, "--size", "1M", "--origin", origin);
    const merged = await shell(`SNAPRING_NO_NATIVE=1 snapring merge --unregistered ${origin} ${cow} 2>/dev/full`);
    expect(merged).toMatchObject({ code: 0, stdout: expect.stringContaining("is as") });
  });
});
