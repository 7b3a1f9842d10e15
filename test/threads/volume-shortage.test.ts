/**
 * A volume at work in a process that has no descriptor left: the k-th one that an order takes is refused, for every k, and so is the k-th
 * client. The order fails in words and leaves nothing, the client is closed and counted; the volume and its other clients go on.
 *
 * Nothing is faked: prlimit(1) lowers the process's limit, which is the same for node and for every thread.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { Cmd, NbdClient } from "../support/nbd-client.ts";
import { killVolumeProcesses, VolumeProcess } from "../support/volume-process.ts";

const MIB = 2 ** 20;
const CHUNK = 4096;
/** Of the machine's own limit, that the process may have it again. */
const MANY = 4096;
const ENOSPC = 28;
const HAS_PRLIMIT = spawnSync("prlimit", ["--version"]).status === 0;

let scratch: Scratch;
let volume: VolumeProcess;
let client: NbdClient;

beforeEach(async () => {
  scratch = await makeScratch();
  volume = new VolumeProcess();
  await writeFile(scratch.file("origin"), dataPattern(MIB, 1));
});

async function open(): Promise<void> {
  const listen = [`unix:${scratch.file("socket")}`];
  await volume.open({ origin: scratch.file("origin"), snapshots: [snapshot("monday")], listen, workers: 2 });
  client = await NbdClient.open({ path: scratch.file("socket") });
}

afterEach(async () => {
  await killVolumeProcesses();
  await scratch.remove();
});

function snapshot(name: string): { name: string; cow: string; size: number; chunkSize: number; sparse: boolean } {
  return { name, cow: scratch.file(`${name}.cow`), size: 2 * MIB, chunkSize: CHUNK, sparse: true };
}

function limit(descriptors: number): void {
  execFileSync("prlimit", ["--pid", String(volume.pid), `--nofile=${descriptors}:`]);
}

/** The limit under which exactly `count` more may be opened: the kernel gives the lowest numbers that are free. */
function leaving(count: number): number {
  const open = new Set(readdirSync(`/proc/${volume.pid}/fd`).map(Number));
  let number = 0;
  for (let free = 0; open.has(number) || free < count; number++) if (!open.has(number)) free += 1;
  return number;
}

async function expectServed(at: number): Promise<void> {
  const data = dataPattern(CHUNK, at);
  await client.write(at, data);
  expect(await client.read(at, CHUNK)).toEqual(data);
  expect(volume.notices).toEqual([]);
}

test.runIf(HAS_PRLIMIT)("the k-th descriptor that a creation takes is refused, for every k", async () => {
  await open();
  // A worker that could not duplicate the COW device's ended the volume.
  const refused: string[] = [];
  for (let k = 0; ; k++) {
    // An opening thread takes more at its start than all that comes behind it: it is there, as one is after any other order.
    const nowhere = { ...snapshot("nowhere"), cow: scratch.file("no folder/cow") };
    await expect(volume.create(nowhere)).rejects.toMatchObject({ code: "ENOENT" });
    limit(leaving(k));
    const error = await volume.create(snapshot("tuesday")).then(
      () => undefined,
      (failure: { code: string; message: string }) => failure,
    );
    limit(MANY);
    await expectServed(k * CHUNK);
    if (error === undefined) break;
    expect(error.code, `${k}: ${error.message}`).toBe("EMFILE");
    expect(error.message).toContain("too many open files");
    refused.push(error.message);
    expect((await volume.stats()).snapshots.map(({ name }) => name)).toEqual(["monday"]);
    const names = readdirSync(scratch.path).sort();
    expect(names, error.message).toEqual(["monday.cow", "origin", "origin.snapshots", "socket"]);
  }
  // The file, its descriptor for the I/O, one in each of two export workers, the copy workers and the metadata worker; the register.
  expect(refused.length).toBeGreaterThan(5);
  expect(refused.some((message) => message.includes("worker"))).toBe(true);
  expect((await volume.status("tuesday")).state).toBe("active");
  expect((await volume.status("monday")).state).toBe("active");
  await volume.close();
});

test.runIf(HAS_PRLIMIT)(
  "an opening that runs short of descriptors says so, and what to do, and leaves nothing",
  async () => {
    // What the child takes for itself at its first order.
    await volume.leftovers();
    for (const few of [4, 12, 20, 28]) {
      limit(leaving(few));
      await expect(open(), String(few)).rejects.toMatchObject({ code: "EMFILE" });
      limit(MANY);
      expect(readdirSync(scratch.path)).toEqual(["origin"]);
    }
    expect(volume.lines.join("\n")).not.toContain("died");
    await open();
    await expectServed(0);
    await volume.close();
  },
);

/** Resolves when the server has greeted it (true), or closed it without a word. */
function greeted(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false)).once("close", () => resolve(false));
  });
}

test.runIf(HAS_PRLIMIT)(
  "the client too many is closed and counted; the others are served, and so is the next one",
  async () => {
    await open();
    const sockets: Socket[] = [];
    // The last of them finds a descriptor for node, and none for its worker.
    for (const left of [3, 1, 0]) {
      limit(leaving(left));
      const tried = Array.from({ length: 4 }, () => connect(scratch.file("socket")));
      sockets.push(...tried);
      const answers = await Promise.all(tried.map(greeted));
      expect(answers.filter(Boolean).length).toBeLessThanOrEqual(left / 2);
      await expectServed(left * CHUNK);
      limit(MANY);
      for (const socket of tried) socket.destroy();
      await expect.poll(async () => (await volume.stats()).clients.connections, { timeout: 20_000 }).toBe(1);
    }
    expect((await volume.stats()).clients.refused).toBeGreaterThan(0);
    expect(volume.lines.filter((line) => line.includes("refused")).join("\n")).toContain("no descriptor");
    const last = await NbdClient.open({ path: scratch.file("socket") });
    expect(await last.read(0, CHUNK)).toHaveLength(CHUNK);
    for (const socket of sockets) socket.destroy();
    await volume.close();
  },
);

test.runIf(HAS_PRLIMIT)(
  "a limit on the size of files is a full store: PO overflows, P is dropped, the live volume goes on",
  async () => {
    // It was taken for a broken device: PO turned Invalid as well, and the writers got EIO.
    const stores = [
      { ...snapshot("p"), store: "P" },
      { ...snapshot("po"), store: "PO" },
    ] as const;
    const address = { path: scratch.file("socket") };
    await volume.open({
      origin: scratch.file("origin"),
      snapshots: stores,
      listen: [`unix:${address.path}`],
      workers: 1,
    });
    const clients = [await NbdClient.open(address, "p"), await NbdClient.open(address, "po")];
    execFileSync("prlimit", ["--pid", String(volume.pid), `--fsize=${MIB / 2}:`]);
    for (const store of clients) {
      let error = 0;
      for (let at = 0; at < MIB && error === 0; at += CHUNK) {
        const payload = dataPattern(CHUNK, 1 + at);
        ({ error } = await store.request({ type: Cmd.Write, offset: at, length: CHUNK, payload }));
      }
      expect(error).toBe(ENOSPC);
    }
    expect((await volume.status("po")).status).toBe("Overflow");
    expect((await volume.status("p")).status).toBe("Invalid");
    expect(volume.notices.map(({ name, event, reason }) => [name, event, reason])).toEqual([
      ["p", "invalid", "EFBIG"],
      ["po", "overflow", "EFBIG"],
    ]);
    // What has an exception needs no room.
    client = await NbdClient.open(address);
    await client.write(0, dataPattern(CHUNK, 5));
    expect((await volume.status("po")).status).toBe("Overflow");
    await volume.close();
  },
);
