/**
 * Trims of a snapshot: what goes from the COW device, what of the origin, and what of neither (E-12).
 */
import { describe, expect, it } from "vitest";
import { ORIGIN_WRITE_GATE, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { AllocateMode, IoOp } from "../../../src/ring/io-descriptor.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { cowFile, ORIGIN_FILE } from "../../support/device-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";

const CHUNK = 16384;
const EIO = 5;

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function chunkOf(device: Uint8Array, chunk: number): Uint8Array {
  return device.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
}

/** What the devices were asked for: [operation, file, position, length]. */
function asked(bench: ExportBench): number[][] {
  const devices = bench.ring.log.filter(({ file, op }) => isDeviceFile(file) && op !== IoOp.Cancel);
  return devices.map(({ op, file, position, length }) => [op, file, position, length]);
}

describe("trims", () => {
  it("leave the data as it is, without discard_zeroes_cow", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3, true, 0x11);
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 0, 4 * CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [trim]: 0 });
    expect(same(chunkOf(snapshot.cow, 3), Buffer.alloc(CHUNK, 0x11))).toBe(true);
  });

  it("zero what has an exception with it, run by run, and nothing else", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot(0, { zeroes: true });
    for (const [chunk, newChunk] of [
      [1, 10],
      [2, 11],
      [5, 20],
    ])
      bench.publish(snapshot, chunk, newChunk, true, 0x11);
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 1000, 5 * CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [trim]: 0 });
    expect(same(snapshot.cow.subarray(10 * CHUNK, 12 * CHUNK), Buffer.alloc(2 * CHUNK))).toBe(true);
    const last = Buffer.alloc(CHUNK, 0x11).fill(0, 0, 1000);
    expect(same(chunkOf(snapshot.cow, 20), last)).toBe(true);
    expect(same(bench.origin, dataPattern(bench.origin.length, 1))).toBe(true);
  });
});

describe("a trim that zeroes (discard_zeroes_cow)", () => {
  it("does nothing where there is no exception", () => {
    const bench = new ExportBench();
    bench.addSnapshot(0, { zeroes: true });
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 0, 2 * CHUNK);
    bench.run();
    expect([client.errors(), asked(bench)]).toEqual([{ [trim]: 0 }, []]);
  });

  it("leaves a part of a device's block as it is, for it is only advice", () => {
    const bench = new ExportBench({ cowAlign: 4096 });
    bench.publish(bench.addSnapshot(0, { zeroes: true }), 0, 3);
    const client = bench.connect("s0");
    const trims = [client.request(Command.Trim, 512, 1024), client.request(Command.Trim, 4096, 4096)];
    bench.run();
    expect(client.errors()).toEqual(Object.fromEntries(trims.map((trim) => [trim, 0])));
    expect(asked(bench)).toEqual([[IoOp.Allocate, cowFile(0), 3 * CHUNK + 4096, 4096]]);
  });

  it("of no whole page writes zeroes: a hole is made of pages", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot(0, { zeroes: true });
    bench.publish(snapshot, 0, 3, true, 0x11);
    const client = bench.connect("s0");
    for (const [at, length] of [
      [0, 512],
      [4096 + 512, 4096 - 512],
    ])
      client.request(Command.Trim, at, length);
    bench.run();
    expect(asked(bench)).toEqual([
      [IoOp.Write, cowFile(0), 3 * CHUNK, 512],
      [IoOp.Write, cowFile(0), 3 * CHUNK + 4096 + 512, 4096 - 512],
    ]);
    expect(same(chunkOf(snapshot.cow, 3), Buffer.alloc(CHUNK, 0x11).fill(0, 0, 512).fill(0, 4608, 8192))).toBe(true);
  });

  it("waits at the snapshot's closed gate", () => {
    const bench = new ExportBench();
    bench.publish(bench.addSnapshot(0, { zeroes: true }), 0, 3);
    const client = bench.connect("s0");
    const gate = snapshotWriteGate(0);
    bench.volume.gate(gate).close();
    const trim = client.request(Command.Trim, 0, CHUNK);
    bench.run();
    expect([client.errors(), asked(bench)]).toEqual([{}, []]);
    bench.openGate(gate);
    bench.run();
    expect([client.errors(), asked(bench)[0]?.slice(0, 2)]).toEqual([{ [trim]: 0 }, [IoOp.Allocate, cowFile(0)]]);
  });
});

describe("a trim that is passed down (discard_passdown_origin)", () => {
  it("discards on the origin, whether there is an exception or not", () => {
    const bench = new ExportBench();
    bench.publish(bench.addSnapshot(0, { zeroes: true, passdown: true }), 1, 3);
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 0, 2 * CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [trim]: 0 });
    expect(asked(bench)).toEqual([
      [IoOp.Allocate, ORIGIN_FILE, 0, CHUNK],
      [IoOp.Allocate, cowFile(0), 3 * CHUNK, CHUNK],
      [IoOp.Allocate, ORIGIN_FILE, CHUNK, CHUNK],
    ]);
    expect(bench.ring.log.filter(({ file }) => file === ORIGIN_FILE).map(({ argument }) => argument)).toEqual([
      AllocateMode.Discard,
      AllocateMode.Discard,
    ]);
  });

  it("waits at the origin's closed gate, in no other meanwhile", () => {
    const bench = new ExportBench();
    bench.addSnapshot(0, { zeroes: true, passdown: true });
    const client = bench.connect("s0");
    bench.volume.gate(ORIGIN_WRITE_GATE).close();
    const trim = client.request(Command.Trim, 0, CHUNK);
    bench.run();
    expect([client.errors(), asked(bench)]).toEqual([{}, []]);
    expect([ORIGIN_WRITE_GATE, snapshotWriteGate(0)].map((gate) => bench.volume.gate(gate).inFlight())).toEqual([0, 0]);
    bench.openGate(ORIGIN_WRITE_GATE);
    bench.run();
    expect([client.errors(), asked(bench)]).toEqual([{ [trim]: 0 }, [[IoOp.Allocate, ORIGIN_FILE, 0, CHUNK]]]);
  });
});

it.each([false, true])(
  "a trim of a snapshot that is invalid fails, whether it would have zeroed or not: %s",
  (zeroes) => {
    const bench = new ExportBench();
    bench.addSnapshot(0, { zeroes }).words.setState(SnapshotState.Invalid);
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 0, CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [trim]: EIO });
  },
);
