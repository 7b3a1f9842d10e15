/**
 * Buffered files on both native rings (FileKind.Inline): what is in the page cache is read within the turn, what has to be waited for is not.
 */
import { spawnSync } from "node:child_process";
import { close, closeSync, open, openSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { FileKind } from "../../src/device/port.ts";
import { IoArg, IoFlag, IoOp } from "../../src/ring/io-descriptor.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { modes, PAGE, RingBench } from "./ring-bench.ts";

const TMPFS = 0x01021994;
const files: string[] = [];

afterEach(() => {
  for (const file of files.splice(0)) rmSync(file, { force: true });
});

/** A file in the folder, buffered, at index 0 of the bench; its path. */
function buffered(bench: RingBench, folder: string, bytes: number): string {
  const path = join(folder, `snapring-cache-${process.pid}-${files.length}`);
  files.push(path);
  writeFileSync(path, Buffer.alloc(bytes, 0x62));
  bench.ring.setFile(0, bench.keep(openSync(path, "r+")), FileKind.Inline);
  return path;
}

/** Nothing of the file is in the page cache any more. */
function forget(path: string): void {
  const dropped = spawnSync("dd", [`of=${path}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"]);
  expect(dropped.status).toBe(0);
}

const waits = statfsSync(tmpdir()).type !== TMPFS;

describe.each(modes())("a buffered file (%s)", (mode) => {
  it.runIf(waits)("is read within the turn where it is cached, and elsewhere where it is not", () => {
    using bench = new RingBench(mode);
    const path = buffered(bench, tmpdir(), 64 * PAGE);
    const read = { op: IoOp.Read, at: 0, length: 16 * PAGE, position: 8 * PAGE };
    forget(path);
    const before = bench.ring.counters().inline;
    expect(bench.results([read])).toEqual([16 * PAGE]);
    expect(bench.ring.counters().inline).toBe(before);
    expect(bench.results([read])).toEqual([16 * PAGE]);
    expect(bench.ring.counters().inline).toBe(before + 1);
    expect(bench.text(0, 16 * PAGE)).toBe("b".repeat(16 * PAGE));
  });

  it.runIf(waits)("of which a part is cached is read whole, each byte once", () => {
    using bench = new RingBench(mode);
    const path = buffered(bench, tmpdir(), 2 * PAGE);
    writeFileSync(path, Buffer.concat([Buffer.alloc(PAGE, 0x63), Buffer.alloc(1024 * PAGE, 0x64)]));
    forget(path);
    const first = spawnSync("dd", [`if=${path}`, "of=/dev/null", "bs=4096", "count=1", "status=none"]);
    expect(first.status).toBe(0);
    expect(bench.results([{ op: IoOp.Read, at: 0, length: 200 * PAGE, position: 0 }])).toEqual([200 * PAGE]);
    expect(bench.text(0, 200 * PAGE)).toBe("c".repeat(PAGE) + "d".repeat(199 * PAGE));
  });

  it.runIf(waits)("is short at its end, and 0 behind it, as any other", () => {
    using bench = new RingBench(mode);
    buffered(bench, tmpdir(), PAGE + 100);
    const tail = { op: IoOp.Read, at: 0, length: 2 * PAGE, position: PAGE, user: 1 };
    const behind = { op: IoOp.Read, at: 0, length: PAGE, position: 3 * PAGE, user: 2 };
    expect(bench.results([tail, behind])).toEqual([100, 0]);
  });

  it.runIf(waits)("is written within the turn, and flushed elsewhere unless it is to be at once", () => {
    using bench = new RingBench(mode);
    buffered(bench, tmpdir(), PAGE);
    const counted = (descriptor: Parameters<RingBench["results"]>[0][number]): number => {
      const before = bench.ring.counters().inline;
      expect(bench.results([descriptor])[0]).toBeGreaterThanOrEqual(0);
      return bench.ring.counters().inline - before;
    };
    expect(counted({ op: IoOp.Write, length: PAGE, position: 0 })).toBe(1);
    expect(counted({ op: IoOp.Write, length: PAGE, position: 0, argument: IoArg.Dsync })).toBe(0);
    expect(counted({ op: IoOp.Sync })).toBe(0);
    expect(counted({ op: IoOp.Sync, flags: IoFlag.AtOnce })).toBe(1);
  });

  it("on tmpfs is read, written and flushed within the turn", () => {
    using bench = new RingBench(mode);
    buffered(bench, "/dev/shm", PAGE);
    const before = bench.ring.counters().inline;
    const operations = [
      { op: IoOp.Read, length: PAGE, user: 1 },
      { op: IoOp.Write, length: PAGE, user: 2 },
      { op: IoOp.Sync, user: 3 },
    ];
    expect(bench.results(operations)).toEqual([PAGE, PAGE, 0]);
    expect(bench.ring.counters().inline).toBe(before + 3);
  });

  it("whose server does not answer holds up nothing else of the thread", async (context) => {
    requireFuse(context);
    using bench = new RingBench(mode);
    const folder = await FuseFolder.mount({ makeFile: () => new TextFile() });
    let answer: () => void = () => {};
    const silence = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let descriptor = -1;
    try {
      const device = new LyingDevice({
        index: 0,
        bytes: new Uint8Array(PAGE).fill(0x65),
        log: new DeviceLog(),
        pause: () => silence,
      });
      folder.put("disk", device);
      const openDisk = (): Promise<number> => promisify(open)(folder.path("disk"), "r+");
      // Who closes a file asks its server, unless that has said once that it does not care.
      await promisify(close)(await openDisk());
      descriptor = await openDisk();
      bench.ring.setFile(0, descriptor, FileKind.Inline);
      const operations = [
        { op: IoOp.Read, length: PAGE, at: 0, user: 1 },
        { op: IoOp.Write, length: 8, at: PAGE, position: 8, user: 2 },
        { op: IoOp.Nop, user: 3 },
        { op: IoOp.Write, length: 8, at: PAGE, position: 64, flags: IoFlag.AtOnce, user: 4 },
      ];
      // This thread is the server: had the turn waited for it, it would wait for ever.
      const done = bench.turn(operations, false);
      await expect.poll(() => done.push(...bench.turn([], false)) && done.map(({ user }) => user)).toEqual([3]);
      answer();
      await expect
        .poll(() => done.push(...bench.turn([], false)) && done.map(({ user }) => user).sort())
        .toEqual([1, 2, 3, 4]);
    } finally {
      answer();
      if (descriptor !== -1) closeSync(descriptor);
      bench.ring.setFile(0, -1, FileKind.Inline);
      await folder.unmount();
    }
  });
});
