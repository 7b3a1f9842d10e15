/**
 * The lying device itself, and what the volume does with a device at its ends: files of a folder behind which this test stands.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { type Fault, FaultPlan } from "../support/lying-device/fault-plan.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { runCommand, runOk } from "../support/run-command.ts";
import { killVolumeProcesses, VolumeProcess } from "../support/volume-process.ts";

const SIZE = 2 ** 20;

let log: DeviceLog;
let folder: FuseFolder | undefined;
let scratch: Scratch;

beforeEach(async () => {
  log = new DeviceLog();
  scratch = await makeScratch();
});

afterEach(async () => {
  await killVolumeProcesses();
  await folder?.unmount();
  folder = undefined;
  await scratch.remove();
});

/** A folder with one device, `disk`. */
async function mount(fault?: Fault): Promise<FuseFolder> {
  folder = await FuseFolder.mount({ makeFile: () => new TextFile() });
  folder.put("disk", new LyingDevice({ index: 0, bytes: new Uint8Array(SIZE), log, faults: new FaultPlan(fault) }));
  return folder;
}

/** What the log has, in the order of the beginnings. */
function events(): string[] {
  const all = [
    ...log.writes.map(({ begin, offset, data, durable }) => ({
      begin,
      text: `write ${offset} ${data.length} ${durable}`,
    })),
    ...log.flushes.map(({ begin }) => ({ begin, text: "flush" })),
  ];
  return all.sort((a, b) => a.begin - b.begin).map(({ text }) => text);
}

const PYTHON = `
import mmap, os, sys
m = mmap.mmap(-1, 4096)
for flags in (os.O_DIRECT, 0):
  fd = os.open(sys.argv[1], os.O_RDWR | flags)
  os.pwritev(fd, [m], 4096)
  os.pwritev(fd, [m], 8192, os.RWF_DSYNC)
  os.fdatasync(fd)
  os.fsync(fd)
  os.close(fd)
`;

test("writes come at once, fsync and fdatasync as flushes, RWF_DSYNC as a durable write; a close says nothing", async (context) => {
  requireFuse(context);
  const place = await mount();
  await runOk("python3", "-c", PYTHON, place.path("disk"));
  const once = ["write 4096 4096 false", "write 8192 4096 true", "flush", "flush"];
  expect(events()).toEqual([...once, ...once]);
});

test("the call that the plan names fails, the others do not", async (context) => {
  requireFuse(context);
  const place = await mount({ kind: "write", call: 2, error: 5 });
  const write = (): Promise<{ code: number | null; stderr: string }> =>
    runCommand("dd", "if=/dev/zero", `of=${place.path("disk")}`, "bs=512", "count=1", "conv=notrunc", "oflag=direct");
  expect((await write()).code).toBe(0);
  const failed = await write();
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("Input/output error")]);
  expect((await write()).code).toBe(0);
});

test("E-42: what was written to the origin and never flushed is durable when the volume is closed", async (context) => {
  // A close flushed the COW devices alone: a clean shutdown, then a power cut, and acknowledged origin writes were gone.
  requireFuse(context);
  const place = await mount();
  const volume = new VolumeProcess();
  const socket = scratch.file("socket");
  await volume.open({ origin: place.path("disk"), listen: [`unix:${socket}`] });
  const client = await NbdClient.open({ path: socket });
  await client.write(8192, new Uint8Array(4096).fill(7));
  await client.disconnect();
  expect(log.flushes).toEqual([]);
  await volume.close();
  expect(events()).toEqual(["write 8192 4096 false", "flush"]);
});
