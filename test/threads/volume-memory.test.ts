/**
 * The machine has no memory for what an order or a write needs: that one fails, cleanly; the volume goes on (E-8, E-15).
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { killVolumeProcesses, VolumeProcess } from "../support/volume-process.ts";

const MIB = 2 ** 20;
const CHUNK = 4096;
/** More chunks than a table has room for at first. */
const SIZE = 64 * MIB;

let scratch: Scratch;
let volume: VolumeProcess;

beforeEach(async () => {
  scratch = await makeScratch();
  volume = new VolumeProcess();
  await writeFile(scratch.file("origin"), dataPattern(MIB, 1));
});

afterEach(async () => {
  await killVolumeProcesses();
  await scratch.remove();
});

async function open(...names: readonly string[]): Promise<NbdClient> {
  const origin = scratch.file("origin");
  const socket = scratch.file("socket");
  await volume.open({ origin, snapshots: names.map(snapshot), listen: [`unix:${socket}`], workers: 1 });
  return NbdClient.open({ path: socket });
}

function snapshot(name: string): { name: string; cow: string; size: number; chunkSize: number; sparse: boolean } {
  return { name, cow: scratch.file(`${name}.cow`), size: 2 * SIZE, chunkSize: CHUNK, sparse: true };
}

test("a creation that gets no memory is refused with ENOMEM, and leaves nothing", async () => {
  const client = await open("monday");
  await volume.refuseMemory("new");
  await expect(volume.create(snapshot("tuesday"))).rejects.toThrow(/ENOMEM .*no memory for /);
  expect((await volume.stats()).snapshots.map(({ name }) => name)).toEqual(["monday"]);
  expect(existsSync(scratch.file("tuesday.cow"))).toBe(false);
  await client.write(0, dataPattern(CHUNK, 2));
  expect((await volume.status("monday")).state).toBe("active");
  await volume.close();
});

test("a table that must not grow: its snapshot is dropped, the live volume goes on, so does the process", async () => {
  await writeFile(scratch.file("origin"), Buffer.alloc(SIZE));
  const client = await open("monday", "tuesday");
  await volume.refuseMemory("more");
  // One chunk of each group of 256, so that each needs a leaf of its own.
  for (let at = 0; at < SIZE; at += 256 * CHUNK) await client.write(at, dataPattern(CHUNK, 3));
  for (const name of ["monday", "tuesday"]) expect((await volume.status(name)).status).toBe("Invalid");
  expect(volume.notices.map(({ event, reason }) => `${event} ${reason}`)).toEqual(["invalid ENOSPC", "invalid ENOSPC"]);
  expect(await client.read(0, CHUNK)).toEqual(dataPattern(CHUNK, 3));
  await volume.close();
});
