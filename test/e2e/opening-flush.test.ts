/**
 * What a killed process had only sent may be in the caches of the devices, and what is read at opening must be durable before it is
 * acted upon (C-49): the library, on devices that record every write and flush.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { FaultPlan } from "../support/lying-device/fault-plan.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { killVolumeProcesses, VolumeProcess } from "../support/volume-process.ts";

const SIZE = 2 ** 20;
const CHUNK = 4096;
const DEVICES = ["origin", "cow"] as const;

let log: DeviceLog;
let folder: FuseFolder | undefined;
let scratch: Scratch;
/** Flushes of the folder that holds the register. */
let registerFlushes = 0;
let devices: readonly LyingDevice[];

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(async () => {
  await killVolumeProcesses();
  await folder?.unmount();
  folder = undefined;
  await scratch.remove();
});

/** A volume that was killed with an exception in its store; what it has written is in the devices' caches, as far as one can know. */
async function killedVolume(): Promise<void> {
  log = new DeviceLog();
  folder = await FuseFolder.mount({ makeFile: () => new TextFile(), flushed: () => (registerFlushes += 1) });
  devices = DEVICES.map((_, index) => new LyingDevice({ index, bytes: new Uint8Array(SIZE), log }));
  for (const [index, name] of DEVICES.entries()) folder.put(name, devices[index]);
  const volume = new VolumeProcess();
  await open(volume);
  const client = await NbdClient.open({ path: scratch.file("socket") });
  await client.write(2 * CHUNK, new Uint8Array(CHUNK).fill(7));
  await client.disconnect();
  await volume.kill();
  log.writes.length = 0;
  log.flushes.length = 0;
  registerFlushes = 0;
}

function open(volume: VolumeProcess, readOnly = false): Promise<void> {
  const place = folder as FuseFolder;
  return volume.open({
    ...{ origin: place.path("origin"), listen: [`unix:${scratch.file("socket")}`], readOnly, workers: 1 },
    snapshots: [{ name: "a", cow: place.path("cow"), chunkSize: CHUNK }],
  });
}

test("every device is flushed at opening, and the folder of the register; read-only nothing is (C-49, S-36)", async (context) => {
  requireFuse(context);
  await killedVolume();
  const reader = new VolumeProcess();
  await open(reader, true);
  expect([log.flushes, log.writes, registerFlushes]).toEqual([[], [], 0]);
  await reader.close();
  const volume = new VolumeProcess();
  await open(volume);
  expect(new Set(log.flushes.map(({ device }) => device))).toEqual(new Set([0, 1]));
  expect(registerFlushes).toBeGreaterThan(0);
  // S-84: opening alone writes nothing.
  expect(log.writes).toEqual([]);
  await volume.close();
});

for (const [index, name] of DEVICES.entries()) {
  test(`a volume is not opened where its ${name} cannot be flushed: nobody knows what is durable of what was read`, async (context) => {
    requireFuse(context);
    await killedVolume();
    const faults = new FaultPlan({ kind: "flush", call: 1, stays: true, error: 5 });
    folder?.put(name, new LyingDevice({ index, bytes: devices[index].bytes, log, faults }));
    const volume = new VolumeProcess();
    await expect(open(volume)).rejects.toMatchObject({
      code: "EIO",
      message: expect.stringContaining(`a: cannot flush the ${name === "cow" ? "cow device" : name}`),
    });
  });
}
