/**
 * Block devices, on a loop device: facts, I/O, zeroes, discard and exclusive use. Needs root and loop devices.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { deviceFacts } from "../../src/device/device-facts.ts";
import { FileKind } from "../../src/device/port.ts";
import { AllocateMode, IoArg, IoOp } from "../../src/ring/io-descriptor.ts";
import { PAGE, RingBench, addon, modes } from "./ring-bench.ts";

const BYTES = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "snapring-loop-"));
const image = join(folder, "image");

function attach(): string | undefined {
  writeFileSync(image, Buffer.alloc(BYTES, 0x61));
  const made = spawnSync("losetup", ["--find", "--show", image], { encoding: "utf8" });
  return made.status === 0 ? made.stdout.trim() : undefined;
}

const loop = attach();

beforeAll(() => {
  if (loop === undefined) process.stderr.write("no loop device here: block device tests are skipped\n");
});

afterAll(() => {
  if (loop !== undefined) spawnSync("losetup", ["--detach", loop]);
  rmSync(folder, { recursive: true });
});

describe.skipIf(loop === undefined).each(modes())("block device (%s)", (mode) => {
  const path = loop as string;

  function opened(bench: RingBench, index: number, flags = 0): number {
    const fd = bench.keep(openSync(path, constants.O_RDWR | constants.O_DIRECT | flags));
    bench.ring.setFile(index, fd, FileKind.Async);
    return fd;
  }

  it("its size is the device's, and two names of it have one identity (S-21)", () => {
    using bench = new RingBench(mode);
    const facts = deviceFacts(opened(bench, 0));
    expect(facts).toMatchObject({ kind: "block", sizeBytes: BYTES, isReadOnly: false, isMemory: false });
    expect(facts.logicalBlockBytes).toBeGreaterThanOrEqual(512);
    expect(facts.identity).toMatch(/^block \d+$/);
    const other = openSync(path, "r");
    expect(deviceFacts(other).identity).toBe(facts.identity);
    closeSync(other);
    const file = openSync(image, "r");
    expect(deviceFacts(file).identity).not.toBe(facts.identity);
    closeSync(file);
  });

  it("is written durably and read back", () => {
    using bench = new RingBench(mode);
    opened(bench, 0);
    bench.arena.fill(0x62, 0, PAGE);
    const results = bench.results([
      { op: IoOp.Write, at: 0, length: PAGE, position: PAGE, argument: IoArg.Dsync, user: 1, link: true },
      { op: IoOp.Sync, user: 2, link: true },
      { op: IoOp.Read, at: PAGE, length: 3 * PAGE, position: 0, user: 3 },
    ]);
    expect(results).toEqual([PAGE, 0, 3 * PAGE]);
    expect(bench.text(PAGE + PAGE, 1)).toBe("b");
  });

  it.each([
    ["punched", AllocateMode.PunchHole | AllocateMode.KeepSize],
    ["zeroed", AllocateMode.ZeroRange | AllocateMode.KeepSize],
  ])("a %s range reads as zeroes", (_name, argument) => {
    using bench = new RingBench(mode);
    opened(bench, 0);
    bench.arena.fill(0x63, 0, 3 * PAGE);
    const results = bench.results([
      { op: IoOp.Write, at: 0, length: 3 * PAGE, position: 0, user: 1, link: true },
      { op: IoOp.Allocate, position: PAGE, length2: PAGE, argument, user: 2, link: true },
      { op: IoOp.Read, at: 0, length: 3 * PAGE, position: 0, user: 3 },
    ]);
    expect(results).toEqual([3 * PAGE, 0, 3 * PAGE]);
    expect(bench.text(PAGE - 1, PAGE + 2)).toBe(`c${"\0".repeat(PAGE)}c`);
  });

  it("a discard is passed to the device, and its neighbours stay", () => {
    using bench = new RingBench(mode);
    opened(bench, 0);
    bench.arena.fill(0x64, 0, 3 * PAGE);
    bench.run([{ op: IoOp.Write, at: 0, length: 3 * PAGE, position: 0 }]);
    const discard = { op: IoOp.Allocate, position: PAGE, length2: PAGE, argument: AllocateMode.Discard };
    expect(bench.results([discard])).toEqual([0]);
    // io_uring has no call for it; without, a helper waits for the device.
    expect(bench.ring.counters().inline).toBe(mode === "uring" ? 1 : 0);
    expect(bench.results([{ op: IoOp.Read, at: 0, length: 3 * PAGE, position: 0 }])).toEqual([3 * PAGE]);
    expect([bench.text(PAGE - 1, 1), bench.text(2 * PAGE, 1)]).toEqual(["d", "d"]);
  });

  it("a range off the device's blocks is refused by it", () => {
    using bench = new RingBench(mode);
    opened(bench, 0);
    const odd = { op: IoOp.Allocate, position: 1, length2: 511, argument: AllocateMode.ZeroRange };
    expect(bench.results([odd])).toEqual([-errno.EINVAL]);
    expect(bench.results([{ op: IoOp.Read, at: 0, length: 512, position: BYTES }])).toEqual([0]);
  });

  it("is locked against a second user (E-42)", () => {
    using bench = new RingBench(mode);
    const fd = opened(bench, 0, constants.O_EXCL);
    expect(() => openSync(path, constants.O_RDWR | constants.O_EXCL)).toThrow(
      expect.objectContaining({ code: "EBUSY" }),
    );
    expect(addon().lockFile(fd, true)).toEqual([0, 0]);
    const second = openSync(path, "r");
    expect(addon().lockFile(second, true)).toEqual([-errno.EAGAIN, process.pid]);
    closeSync(second);
  });
});
