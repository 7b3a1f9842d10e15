/**
 * One engine, and a volume whose devices do not answer any more (the test stands behind them): the others of the same threads go on. Each thread is
 * there once, so whatever waits inside of it would hold up everybody.
 */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EngineVolumeOptions } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { EngineProcess } from "../support/engine-process.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { NbdClient } from "../support/nbd-client.ts";

const MIB = 2 ** 20;
const SNAPSHOTS = 9;
/** More than any thread has helpers of the kernel's. */
const REQUESTS = 200;

let scratch: Scratch;
let folder: FuseFolder;
let engine: EngineProcess;
/** Devices whose calls wait, and how many do. */
let hung: RegExp | undefined;
let calls: number;
let letGo: () => void;
let until: Promise<void>;

beforeEach(async (context) => {
  requireFuse(context);
  scratch = await makeScratch();
  folder = await FuseFolder.mount({ makeFile: () => new TextFile() });
  engine = new EngineProcess();
  hung = undefined;
  calls = 0;
  until = new Promise((resolve) => {
    letGo = resolve;
  });
});

afterEach(async () => {
  letGo();
  await engine.kill();
  await folder.unmount();
  await scratch.remove();
});

/** A volume whose devices can hang: an origin, and several snapshots. */
async function hangingVolume(): Promise<EngineVolumeOptions> {
  const names = ["disk", ...Array.from({ length: SNAPSHOTS }, (_, i) => `cow${i}`)];
  const log = new DeviceLog();
  for (const [index, name] of names.entries()) {
    const pause = (): Promise<void> | undefined => {
      if (hung?.test(name) !== true) return undefined;
      calls += 1;
      return until;
    };
    folder.put(name, new LyingDevice({ index, bytes: new Uint8Array(2 * MIB), log, pause }));
  }
  return {
    name: "a",
    origin: folder.path("disk"),
    snapshots: names.slice(1).map((name) => ({ name, cow: folder.path(name), chunkSize: 4096 })),
  };
}

async function connect(name: string): Promise<NbdClient> {
  return await NbdClient.open({ path: scratch.file("socket") }, name);
}

/** All that a volume does, to the end: another one must not notice. */
async function everything(name: string, direct: boolean | "auto"): Promise<void> {
  const origin = scratch.file(name);
  const before = dataPattern(4 * MIB, 7);
  writeFileSync(origin, before);
  const store = { size: 4 * MIB, chunkSize: 4096 };
  await engine.open({ name, origin, direct, snapshots: [{ ...store, name: "s", cow: `${origin}.s` }] });
  const [live, snapshot] = [await connect(name), await connect(`${name}@s`)];
  // First touches of both sides: copies, commits; reads of either device; flushes.
  await Promise.all(Array.from({ length: 32 }, (_, i) => live.write(i * 4096, dataPattern(512, i))));
  await Promise.all(Array.from({ length: 32 }, (_, i) => snapshot.write(MIB + i * 4096, dataPattern(512, i))));
  await live.flush();
  await snapshot.flush();
  expect((await snapshot.read(0, MIB)).equals(before.subarray(0, MIB))).toBe(true);
  expect((await live.read(4096, 512)).equals(dataPattern(512, 1))).toBe(true);
  await engine.create(name, { ...store, name: "t", cow: `${origin}.t` });
  await live.write(2 * MIB, dataPattern(512, 3));
  const later = await connect(`${name}@t`);
  expect((await later.read(2 * MIB, 512)).equals(before.subarray(2 * MIB, 2 * MIB + 512))).toBe(true);
  for (const client of [later, snapshot, live]) client.destroy();
  await engine.drop(name, "t");
  await engine.closeVolume(name);
}

test.for([
  ["COW devices hang", /cow/, "auto"],
  ["origin hangs", /disk/, "auto"],
  ["devices all hang", /./, "auto"],
  ["devices all hang, without io_uring,", /./, "sync"],
] as const)("a volume whose %s does not hold up the others of its threads", async ([, which, io]) => {
  await engine.engine({ workers: 1, copyWorkers: 1, io, listen: [`unix:${scratch.file("socket")}`] });
  await engine.open(await hangingVolume());
  const [live, ...snapshots] = await Promise.all([connect("a"), connect("a@cow0"), connect("a@cow1")]);
  await live.write(0, dataPattern(512, 1));
  hung = which;
  const late = Array.from({ length: REQUESTS }, (_, i) => [
    live.write(8192 + i * 4096, dataPattern(512, i)),
    live.read(i * 4096, 4096),
    ...snapshots.map((one) => one.write(MIB + i * 4096, dataPattern(512, i))),
  ]).flat();
  const all = Promise.allSettled(late);
  await expect.poll(() => calls).toBeGreaterThan(SNAPSHOTS);
  await everything("b", false);
  await everything("c", "auto");
  letGo();
  expect((await all).filter(({ status }) => status === "rejected")).toEqual([]);
  await engine.close();
});
