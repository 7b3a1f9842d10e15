/** Looks at stores beside the end of their volume: what main knows of snapshots, without threads and without a core. */
import { writeFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import type { CoreShell } from "../../../src/engine/core-shell.ts";
import { OpenedSnapshots } from "../../../src/engine/opened-snapshots.ts";
import { RegisteredSet } from "../../../src/engine/registered-set.ts";
import { SnapshotSet } from "../../../src/engine/snapshot-set.ts";
import { DeviceFiles } from "../../../src/engine/device-files.ts";
import type { Serving } from "../../../src/engine/serving.ts";
import { FIRST_DEVICE_FILE } from "../../../src/ring/file-table.ts";
import { VolumeDevice } from "../../../src/engine/volume-device.ts";
import { openDevice } from "../../../src/opening/open-device.ts";
import { inlineOpenings } from "../../support/inline-openings.ts";
import { completeOptions } from "../../../src/engine/complete-options.ts";
import { createVolumeWords, VolumeWords } from "../../../src/ring/volume-words.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const MIB = 2 ** 20;
let scratch: Scratch;
let origin: VolumeDevice;

beforeEach(async () => {
  scratch = await makeScratch();
  const path = scratch.file("origin");
  writeFileSync(path, new Uint8Array(MIB));
  origin = new VolumeDevice(openDevice({ path, what: "origin", readOnly: false, direct: false, unlocked: false }));
});

afterEach(async () => {
  origin.close();
  await scratch.remove();
});

/** A core that has the snapshots which are opened in it, each with so many exceptions. */
function shellWith(exceptionsCommitted: number): CoreShell {
  const status = { state: SnapshotState.Active, counters: { exceptionsCommitted } };
  const core = { status: () => status, snapshots: () => [0], openSnapshot: () => {} };
  const operate = (event: (operation: number) => void): Promise<object> => {
    event(0);
    return Promise.resolve({ error: 0, message: "" });
  };
  return { core, operate, turn: () => {} } as unknown as CoreShell;
}

test("devices are closed, and the volume may be another's, when the last look at a store has ended", async () => {
  // A volume that had died did not wait for it: descriptors that were closed were read, and the register was written after its lock was given up.
  const options = completeOptions({
    origin: scratch.file("origin"),
    snapshots: [{ name: "s", cow: scratch.file("s.cow"), size: MIB }],
  });
  const registered = await RegisteredSet.open(origin, options, inlineOpenings);
  let end = (): void => {};
  let looks = 0;
  registered.see = () => {
    looks += 1;
    return new Promise((resolve) => (end = resolve));
  };
  const opened = new OpenedSnapshots(options, origin, registered, new DeviceFiles(), FIRST_DEVICE_FILE, inlineOpenings);
  await opened.openAll(() => Promise.resolve(), undefined);
  const notice = (): void => {};
  const words = new VolumeWords(createVolumeWords());
  const serving = {
    shell: shellWith(100),
    threads: { exports: [] },
    tell: () => Promise.resolve(),
  } as unknown as Serving;
  const growth = { grown: () => {}, growFailed: () => {} };
  const set = new SnapshotSet({ options, origin, registered, opened, serving, volume: 0, words, notice, growth });
  await set.attach();
  set.committed(0);
  let closed = false;
  const closing = set.looked().then(() => (closed = true));
  await setImmediate();
  expect([looks, closed]).toEqual([1, false]);
  end();
  await closing;
});
