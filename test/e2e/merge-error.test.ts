/**
 * A merge whose COW device fails half-way, on an origin with a file system (E-31, E-36, S-66, S-68):
 *
 *   ext4 in the origin ─ snapshot ─ another ext4 over it ─ merge ─ EIO ─▶ Merge failed: the volume reads as the snapshot did, and nobody else may begin anything
 *                                                                       └ the device is repaired ─ merge ─▶ the first file system, bit for bit, `e2fsck` has nothing to say
 *
 * In the order of LVM's and the device mapper's own tests of merges. The COW device is a file behind which this test stands.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { afterEach, expect, test, type TestContext } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { FuseFolder, type LyingFile, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { Cmd, NbdClient } from "../support/nbd-client.ts";
import { runOk } from "../support/run-command.ts";
import { firstDifference, readAll } from "../support/volume.ts";
import { killVolumeProcesses, VolumeProcess } from "../support/volume-process.ts";

const MIB = 2 ** 20;
const SIZE: number = 8 * MIB;
const EIO = 5;

let scratch: Scratch;
let folder: FuseFolder | undefined;

afterEach(async () => {
  await killVolumeProcesses();
  await folder?.unmount();
  folder = undefined;
  await scratch.remove();
});

/** A device of which one kind of call fails from the `after`-th on, until it is repaired. */
class FailingDevice implements LyingFile {
  readonly #device: LyingDevice;
  readonly #kind: "read" | "write";
  #left = Number.POSITIVE_INFINITY;

  constructor(device: LyingDevice, kind: "read" | "write") {
    this.#device = device;
    this.#kind = kind;
  }

  get sizeBytes(): number {
    return this.#device.sizeBytes;
  }

  breaks(after: number): void {
    this.#left = after;
  }

  repaired(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  async read(offset: number, length: number): Promise<Uint8Array | number> {
    return this.#fails("read") ? EIO : await this.#device.read(offset, length);
  }

  async write(offset: number, data: Uint8Array, durable: boolean): Promise<number> {
    return this.#fails("write") ? EIO : await this.#device.write(offset, data, durable);
  }

  flush(): Promise<number> {
    return this.#device.flush();
  }

  zero(offset: number, length: number): Promise<number> {
    return this.#device.zero(offset, length);
  }

  resize(): void {}

  #fails(kind: "read" | "write"): boolean {
    if (kind !== this.#kind) return false;
    this.#left -= 1;
    return this.#left < 0;
  }
}

/** An ext4 of the origin's size with some files, made without mounting it. */
async function fileSystem(seed: number): Promise<Buffer> {
  const [files, image] = [scratch.file(`files${seed}`), scratch.file(`image${seed}`)];
  await mkdir(files);
  for (let i = 0; i < 24; i++) writeFileSync(`${files}/file-${i}`, dataPattern(1 + i * 4321, seed * 100 + i));
  await runOk("mke2fs", "-q", "-t", "ext4", "-b", "1024", "-d", files, image, `${SIZE / 1024}k`);
  return readFileSync(image);
}

interface Scene {
  readonly child: VolumeProcess;
  readonly origin: string;
  readonly cow: FailingDevice;
  readonly before: Buffer;
  readonly connect: (name: string) => Promise<NbdClient>;
}

/** The second file system stands in the live volume, the first one in its snapshot. */
async function scene(context: TestContext, kind: "read" | "write"): Promise<Scene> {
  requireFuse(context);
  scratch = await makeScratch();
  const [before, after] = [await fileSystem(1), await fileSystem(2)];
  const origin = scratch.file("origin");
  writeFileSync(origin, before);
  folder = await FuseFolder.mount({ makeFile: () => new TextFile() });
  const bytes = new Uint8Array(2 * SIZE);
  const cow = new FailingDevice(new LyingDevice({ index: 1, bytes, log: new DeviceLog() }), kind);
  folder.put("s.cow", cow);
  const child = new VolumeProcess();
  const socket = scratch.file("socket");
  const connect = (name: string): Promise<NbdClient> => NbdClient.open({ path: socket }, name);
  const snapshots = [
    { name: "s", cow: folder.path("s.cow"), chunkSize: 4096 },
    { name: "other", cow: scratch.file("other.cow"), size: 2 * SIZE, sparse: true },
  ];
  await child.open({ origin, listen: [`unix:${socket}`], snapshots, workers: 1, direct: false });
  const client = await connect("");
  for (let at = 0; at < SIZE; at += MIB) await client.write(at, after.subarray(at, at + MIB));
  await client.flush();
  return { child, origin, cow, before, connect };
}

/** How the merge that is ordered now ends. */
async function merged(child: VolumeProcess): Promise<string> {
  const end = new Promise<string>((resolve) => {
    child.heard = ({ name, event }) => {
      if (name === "s" && /^merge/.test(event)) resolve(event);
    };
  });
  await child.merge("s");
  return await end;
}

/** The call of the COW device behind the beginning of the merge from which on it fails. */
const FAILS = [
  ["read", 3],
  ["write", 1],
] as const;

test.for(FAILS)(
  "its COW device refuses to %s: it fails, is repaired, and ends with the file system as it was",
  async ([kind, after], context) => {
    const { child, origin, cow, before, connect } = await scene(context, kind);
    const client = await connect("");
    cow.breaks(after);
    expect(await merged(child)).toBe("merge-failed");
    expect((await child.status("s")).status).toBe("Merge failed");
    for (const refused of [
      child.drop("s"),
      child.merge("other"),
      child.create({ name: "new", cow: scratch.file("new.cow"), size: MIB }),
    ])
      await expect(refused).rejects.toMatchObject({ code: "EBUSY", message: expect.stringMatching(/merg/) });
    // Only what the device still keeps fails; nothing is ever read wrong.
    for (let at = 0; at < SIZE; at += 65_536) {
      const { error, data } = await client.request({ type: Cmd.Read, offset: at, length: 65_536 });
      expect(error === 0 ? firstDifference(data, before.subarray(at, at + 65_536)) : error).toBe(
        error === 0 ? -1 : EIO,
      );
    }
    cow.repaired();
    expect(await merged(child)).toBe("merged");
    expect(firstDifference(await readAll(client), before)).toBe(-1);
    await child.close();
    expect(firstDifference(readFileSync(origin), before)).toBe(-1);
    await runOk("e2fsck", "-f", "-n", origin);
  },
);

test("its COW device fails, and the volume is closed and opened on the repaired one: the merge goes on by itself (S-83)", async (context) => {
  const { child, origin, cow, before, connect } = await scene(context, "read");
  cow.breaks(9);
  expect(await merged(child)).toBe("merge-failed");
  await child.close();
  cow.repaired();
  const end = new Promise<void>((resolve) => {
    child.heard = ({ event }) => {
      if (event === "merged") resolve();
    };
  });
  await child.open({ origin, listen: [`unix:${scratch.file("socket")}`], registered: true, workers: 1, direct: false });
  expect(firstDifference(await readAll(await connect("")), before)).toBe(-1);
  await end;
  await child.close();
  expect(firstDifference(readFileSync(origin), before)).toBe(-1);
  await runOk("e2fsck", "-f", "-n", origin);
});
