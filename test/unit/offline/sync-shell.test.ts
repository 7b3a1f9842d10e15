/** What carries out the core's effects without threads: in order, on the right device, with what failed told as the core is told it. */
import { beforeEach, describe, expect, it } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { EntryState } from "../../../src/base/states.ts";
import type { Core } from "../../../src/core/core.ts";
import { type DeviceId, ORIGIN_DEVICE } from "../../../src/core/ports.ts";
import type { DeviceFile } from "../../../src/device/device-file.ts";
import { ExceptionMap } from "../../../src/offline/exception-map.ts";
import { quietOriginPorts, quietSnapshotPorts, SyncShell } from "../../../src/offline/sync-shell.ts";

const COW = 1 as DeviceId;

let log: string[];
let fails: (words: string) => boolean;
let shell: SyncShell;
let core: Core;

beforeEach(() => {
  log = [];
  fails = () => false;
  shell = new SyncShell(device("origin"), device("cow"));
  core = {
    copied: (...results: number[]) => log.push(`copied ${results.join(" ")}`),
    metadataDone: (...results: number[]) => log.push(`done ${results.join(" ")}`),
    areaRead: (snapshot: number, error: number, bytes: Uint8Array) =>
      log.push(`area ${snapshot} ${error} ${bytes.length} ${bytes[0]}`),
  } as unknown as Core;
});

/** Sector n is full of the byte n. */
function device(name: string): DeviceFile {
  const done = (words: string): void => {
    log.push(words);
    if (fails(words)) throw new SnapringError(words.startsWith("write") ? "ENOSPC" : "EIO", `${words} failed`);
  };
  return {
    read(position: number, bytes: Uint8Array): void {
      done(`read ${name} ${position} ${bytes.length}`);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor((position + i) / 512);
    },
    write: (position: number, bytes: Uint8Array): void => done(`write ${name} ${position} ${bytes.length} ${bytes[0]}`),
    writeZeroes: (position: number, length: number): void => done(`zero ${name} ${position} ${length}`),
    sync: (): void => done(`sync ${name}`),
  } as unknown as DeviceFile;
}

function run(): string[] {
  shell.run(core);
  return log.splice(0);
}

describe("a copy", () => {
  const job = {
    id: 9,
    source: ORIGIN_DEVICE,
    sector: 3,
    sectors: 4,
    targets: [
      { device: COW, sector: 20, offsetSectors: 0, sectors: 4 },
      { device: COW, sector: 40, offsetSectors: 1, sectors: 2 },
      { device: ORIGIN_DEVICE, sector: 60, offsetSectors: 3, sectors: 1 },
    ],
  };
  const written = ["write cow 10240 2048 3", "write cow 20480 1024 4", "write origin 30720 512 6"];

  it("reads once, and writes each target its part", () => {
    shell.copy(job);
    expect(log).toEqual([]);
    expect(run()).toEqual(["read origin 1536 2048", ...written, "copied 9 7 0 0 0"]);
    expect([run(), shell.deviceError]).toEqual([[], undefined]);
  });

  it("writes nothing of what could not be read", () => {
    fails = (words) => words.startsWith("read");
    shell.copy(job);
    expect(run()).toEqual(["read origin 1536 2048", "copied 9 7 5 0 0"]);
  });

  it("says which targets failed, and the first error; the others are written", () => {
    fails = (words) => words === written[0] || words === written[2];
    shell.copy(job);
    expect(run()).toEqual(["read origin 1536 2048", ...written, "copied 9 7 0 5 28"]);
    expect((shell.deviceError as Error).message).toBe(`${written[0]} failed`);
    fails = () => true;
    shell.copy(job);
    run();
    expect((shell.deviceError as Error).message).toBe(`${written[0]} failed`);
  });
});

describe("what concerns metadata", () => {
  const commit = {
    kind: "commit",
    snapshot: 7,
    zeroArea: -1,
    zeroPosition: 4096,
    zeroBytes: 512,
    position: 1024,
  } as const;

  it("of a commit is the flush before it and after it, with the area zeroed before (S-53)", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    shell.metadata({ ...commit, bytes });
    bytes[0] = 99;
    expect(run()).toEqual(["sync cow", "write cow 1024 3 1", "sync cow", "done 7 0"]);
    shell.metadata({ ...commit, zeroArea: 0, bytes });
    expect(run()).toEqual(["zero cow 4096 512", "sync cow", "write cow 1024 3 99", "sync cow", "done 7 0"]);
  });

  it("of a header is durable, and a flush goes to the device that is named (S-63, S-70)", () => {
    shell.metadata({ kind: "header", snapshot: 7, header: Uint8Array.of(5) });
    shell.metadata({ kind: "flush", snapshot: 7, device: ORIGIN_DEVICE });
    shell.metadata({ kind: "flush", snapshot: 7, device: COW });
    expect(run()).toEqual([
      ...["write cow 0 1 5", "sync cow", "done 7 0"],
      ...["sync origin", "done 7 0", "sync cow", "done 7 0"],
    ]);
  });

  it("that fails is told with its error, and nothing of it follows", () => {
    fails = (words) => words === "sync cow";
    shell.metadata({ ...commit, bytes: Uint8Array.of(1) });
    expect(run()).toEqual(["sync cow", "done 7 5"]);
    fails = (words) => words.startsWith("write");
    shell.metadata({ kind: "header", snapshot: 7, header: Uint8Array.of(5) });
    expect(run()).toEqual(["write cow 0 1 5", "done 7 28"]);
  });

  it("of an area is what was read, or the error (S-60)", () => {
    shell.metadata({ kind: "readArea", snapshot: 7, position: 1024, length: 16 });
    expect(run()).toEqual(["read cow 1024 16", "area 7 0 16 2"]);
    fails = () => true;
    shell.metadata({ kind: "readArea", snapshot: 7, position: 1024, length: 16 });
    expect(run()).toEqual(["read cow 1024 16", "area 7 5 16 0"]);
  });

  it("is never the making of a store", () => {
    shell.metadata({ kind: "format", snapshot: 7, header: Uint8Array.of(5), chunkBytes: 512 });
    expect(run()).toEqual(["done 7 5"]);
    expect(String(shell.deviceError)).toContain("a blank device was refused");
  });
});

it("what has ended is kept by its number", () => {
  shell.finished(2, 5, "no");
  expect([shell.result(2), shell.result(1)]).toEqual([{ error: 5, message: "no" }, undefined]);
});

it("nobody is there who could ask for anything", () => {
  expect(() => shell.release()).toThrow("nobody has asked for anything");
  expect(() => shell.grant()).toThrow("nobody has asked for a chunk");
  expect(() => shell.grantExclusive()).toThrow("nobody has asked to be alone");
  expect(() => shell.register()).toThrow("the snapshot is not registered here");
});

it("every exception is settled, no read is tracked, and every gate is empty", () => {
  const exceptions = new ExceptionMap();
  const { table, tracking, readGate, writeGate } = quietSnapshotPorts(exceptions);
  table.publish(5, 6, EntryState.Visible);
  expect([table.stateOf(5), table.newChunkOf(5), table.count()]).toEqual([EntryState.Settled, 6, 1]);
  expect([table.stateOf(4), table.newChunkOf(4), table.makeRoomFor(9)]).toEqual([EntryState.None, 0, true]);
  table.remove(5);
  expect([table.stateOf(5), exceptions.count]).toEqual([EntryState.None, 0]);
  expect([tracking.bucketOf(77), tracking.bucketCount, tracking.parity(0), tracking.readers(0, 1)]).toEqual([
    0, 1, 0, 0,
  ]);
  const gates = [readGate, writeGate, quietOriginPorts.writeGate, quietOriginPorts.readGate];
  expect(gates.map((gate) => gate.inFlight())).toEqual([0, 0, 0, 0]);
});
