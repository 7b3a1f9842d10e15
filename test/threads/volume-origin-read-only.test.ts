/**
 * A read-only origin with snapshots that are written: evidence images, the disk of a live system. The judge is a plain model of each snapshot;
 * the origin must not change by a byte.
 */
import { existsSync, statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, expect, test } from "vitest";
import { openVolume, type SnapshotOptions, type Volume, type VolumeOptions } from "../../src/index.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch } from "../support/free-socket.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { runOk } from "../support/run-command.ts";
import { needSmallFileSystems, SmallFileSystem } from "../support/small-file-system.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const NBD_EPERM = 1;
const WRITE = 1;
const EXAM = { name: "exam", size: 8 * MIB, chunkSize: 4096 } as const;

/** Writes of any size at any byte; the model is what it must read as. */
async function scribble(client: NbdClient, model: Buffer, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  for (let i = 0; i < 30; i++) {
    const length = 1 + random.below(20_000);
    const at = random.below(model.length - length);
    const data = dataPattern(length, seed + i);
    await client.write(at, data);
    data.copy(model, at);
  }
  await client.flush();
  expect(firstDifference(await readAll(client), model), `seed ${seed}`).toBe(-1);
}

test("the origin is only read, its snapshots are written, and the register knows them", async () => {
  const volume = await LibraryVolume.create({ sizeBytes: MIB, snapshots: [EXAM], originReadOnly: true });
  const { library } = volume;
  const before = statSync(volume.originPath).mtimeMs;
  expect(library.exports.map(({ name, readOnly }) => [name, readOnly])).toEqual([
    ["origin", true],
    ["exam", false],
  ]);
  const origin = await volume.connect();
  expect((await origin.request({ type: WRITE, offset: 0, length: 512, payload: dataPattern(512, 9) })).error).toBe(
    NBD_EPERM,
  );
  const model = Buffer.from(volume.before);
  await scribble(await volume.connect("exam"), model, 11);
  await library.createSnapshot({ ...EXAM, name: "second", cow: volume.cowPath("second") });
  const second = Buffer.from(volume.before);
  await scribble(await volume.connect("second"), second, 12);
  await expect(library.startMerge("exam")).rejects.toMatchObject({ code: "EPERM", message: /origin is read-only/ });
  const passing = { ...EXAM, name: "third", cow: volume.cowPath("third"), discardZeroesCow: true };
  await expect(library.createSnapshot({ ...passing, discardPassdownOrigin: true })).rejects.toMatchObject({
    code: "ERR_INVALID_ARG_VALUE",
    message: /discardPassdownOrigin/,
  });
  // Two of them would each forget what the other has registered.
  await expect(openVolume({ origin: volume.originPath, originReadOnly: true })).rejects.toMatchObject({
    code: "EBUSY",
  });
  expect(await volume.registered()).toEqual({ exam: "active", second: "active" });
  await volume.close();
  expect(firstDifference(await volume.originBytes(), volume.before)).toBe(-1);
  expect(statSync(volume.originPath).mtimeMs).toBe(before);
  // Who does not write the origin need not have them all; who does, must.
  await volume.open({ snapshots: [{ name: "exam" }] });
  expect(firstDifference(await readAll(await volume.connect("exam")), model)).toBe(-1);
  await volume.close();
  await expect(volume.open({ originReadOnly: false })).rejects.toMatchObject({ code: "EBUSY", message: /'second'/ });
  await volume.open({ snapshots: [{ name: "exam" }, { name: "second" }] });
  expect(firstDifference(await readAll(await volume.connect("second")), second)).toBe(-1);
  await (await volume.connect()).write(0, dataPattern(MIB, 5));
  expect(firstDifference(await readAll(await volume.connect("exam")), model)).toBe(-1);
});

test("on a medium that cannot be written the volume opens only for who says so, and then any number of times", async ({
  skip,
}) => {
  needSmallFileSystems(skip);
  const scratch = await makeScratch();
  const medium = await SmallFileSystem.mount(scratch, "ext4", 8);
  const open: Volume[] = [];
  try {
    const content = dataPattern(MIB, 3);
    const origin = medium.file("evidence.img");
    await writeFile(origin, content);
    await runOk("mount", "-o", "remount,ro", medium.path);
    const options = (name: string, more: Partial<VolumeOptions> = {}): VolumeOptions => {
      const snapshots: SnapshotOptions[] = [{ ...EXAM, cow: scratch.file(`${name}.cow`) }];
      return { origin, originReadOnly: true, workers: 1, snapshots, listen: [`unix:${scratch.file(name)}`], ...more };
    };
    await expect(openVolume(options("a"))).rejects.toMatchObject({
      code: "EROFS",
      message: /register of snapshots/,
      hint: /--unregistered/,
    });
    expect(existsSync(scratch.file("a.cow"))).toBe(false);
    const models = new Map(["a", "b"].map((name) => [name, Buffer.from(content)] as const));
    for (const [name, model] of models) {
      open.push(await openVolume(options(name, { unregistered: true })));
      const client = await NbdClient.open({ path: scratch.file(name) }, "exam");
      await scribble(client, model, name.charCodeAt(0));
      client.destroy();
    }
    for (const volume of open.splice(0)) await volume.close();
    for (const [name, model] of models) {
      open.push(await openVolume(options(name, { unregistered: true })));
      const client = await NbdClient.open({ path: scratch.file(name) }, "exam");
      expect(firstDifference(await readAll(client), model)).toBe(-1);
      client.destroy();
    }
    expect(firstDifference(await readFile(origin), content)).toBe(-1);
  } finally {
    for (const volume of open) await volume.close();
    await medium.unmount();
    await scratch.remove();
  }
});
