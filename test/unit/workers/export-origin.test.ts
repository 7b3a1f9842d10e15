/**
 * The live volume on one thread: writes that ask before they overwrite, gates that hold them, and the merging volume in its place.
 */
import { describe, expect, it } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { cowFile, ORIGIN_FILE } from "../../support/device-numbers.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const CHUNK = 16384;
const EIO = 5;

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function files(bench: ExportBench, op: number): number[] {
  return bench.ring.log.filter((o) => o.op === op).map((o) => o.file);
}

describe("a write of the origin", () => {
  it("goes straight there without snapshots, and is announced in the gate until it ends (C-10)", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    bench.ring.held = (o) => o.op === IoOp.Write;
    const write = client.write(100, dataPattern(5000, 2), CommandFlag.Fua);
    bench.run();
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(1);
    bench.ring.held = () => false;
    bench.run();
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(bench.ring.log.filter((o) => o.op === IoOp.Write).map((o) => o.argument)).toEqual([IoArg.Dsync]);
  });

  it("of a chunk that is only visible asks main, announced nowhere, and looks again (C-10, C-11)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3);
    const client = bench.connect();
    const write = client.write(0, dataPattern(512, 2));
    bench.run();
    const [need] = bench.take(Message.NeedOrigin);
    expect(need.slice(2, 5)).toEqual([0, 0, 1]);
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
    // Released, but nothing is settled: a release is no permission.
    bench.release(need[1]);
    bench.run();
    const [again] = bench.tokens(Message.NeedOrigin);
    expect(files(bench, IoOp.Write)).toEqual([]);
    snapshot.table.settle(0);
    bench.release(again);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(same(bench.origin.subarray(0, 512), dataPattern(512, 2))).toBe(true);
  });

  it("that main has released obeys a hold, and a snapshot that was listed meanwhile (E-14, C-30)", () => {
    const bench = new ExportBench();
    const first = bench.addSnapshot(0);
    const client = bench.connect();
    const write = client.write(0, dataPattern(512, 2));
    bench.run();
    const [token] = bench.tokens(Message.NeedOrigin);
    bench.publish(first, 0, 3, true);
    bench.volume.gate(ORIGIN_WRITE_GATE).close();
    bench.release(token);
    bench.run();
    expect(files(bench, IoOp.Write)).toEqual([]);
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
    const second = bench.addSnapshot(1);
    bench.volume.setList([0, 1]);
    bench.openGate(ORIGIN_WRITE_GATE);
    bench.run();
    const [again] = bench.tokens(Message.NeedOrigin);
    expect(client.replies()).toEqual([]);
    bench.publish(second, 0, 3, true);
    bench.release(again);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
  });

  it("tells main when it was the last one in a closed gate", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    bench.ring.held = (o) => o.op === IoOp.Write;
    client.write(0, dataPattern(512, 2));
    client.write(CHUNK, dataPattern(512, 2));
    bench.run();
    bench.volume.gate(ORIGIN_WRITE_GATE).close();
    client.write(2 * CHUNK, dataPattern(512, 2));
    bench.run();
    bench.take(Message.GateDrained);
    bench.ring.held = (o) => o.op === IoOp.Write && o.position === CHUNK;
    bench.run();
    expect(bench.take(Message.GateDrained)).toEqual([]);
    bench.ring.held = () => false;
    bench.run();
    expect(bench.take(Message.GateDrained).map((m) => m[2])).toEqual([ORIGIN_WRITE_GATE]);
    expect(client.replies()).toHaveLength(2);
  });

  it("goes on without a snapshot that is invalid (E-15)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect();
    const write = client.write(0, dataPattern(512, 2));
    bench.run();
    snapshot.words.setState(SnapshotState.Invalid);
    bench.release(bench.tokens(Message.NeedOrigin)[0]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
  });

  it.each([
    ["trim that preserves", Command.Trim],
    ["write of zeroes", Command.WriteZeroes],
  ])("a %s is a write: the old data is kept first (E-16)", (_, command) => {
    const bench = new ExportBench({ trim: "preserve" });
    bench.addSnapshot();
    const client = bench.connect();
    client.request(command, 0, 2 * CHUNK);
    bench.run();
    expect(bench.take(Message.NeedOrigin).map((m) => m.slice(2, 5))).toEqual([[0, 0, 64]]);
    expect(files(bench, IoOp.Allocate)).toEqual([]);
  });
});

describe("the merging volume", () => {
  function merging(): { bench: ExportBench; snapshot: BenchSnapshot } {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 1, 9, true, 0x44);
    bench.publish(snapshot, 2, 10, true, 0x44);
    snapshot.words.setState(SnapshotState.Merging);
    bench.volume.setList([]);
    bench.volume.setMerging(0);
    return { bench, snapshot };
  }

  it("reads from the COW device where there is an exception, else from the origin (E-30)", () => {
    const { bench } = merging();
    const client = bench.connect();
    client.read(0, 4 * CHUNK);
    bench.run();
    const view = Buffer.from(bench.origin).fill(0x44, CHUNK, 3 * CHUNK);
    expect(same(client.replies()[0].data, view.subarray(0, 4 * CHUNK))).toBe(true);
    expect(files(bench, IoOp.Read)).toEqual([ORIGIN_FILE, cowFile(0), ORIGIN_FILE]);
  });

  it("writes where the chunk is, and waits at main for what is being merged, then writes the origin (E-33, E-34, C-39)", () => {
    const { bench, snapshot } = merging();
    const client = bench.connect();
    snapshot.words.setMergeRange([{ first: 2, count: 1 }]);
    const write = client.write(CHUNK, dataPattern(3 * CHUNK, 2));
    bench.run();
    expect(files(bench, IoOp.Write)).toEqual([cowFile(0), ORIGIN_FILE]);
    const [token] = bench.tokens(Message.NeedRange);
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
    snapshot.table.remove(2);
    snapshot.words.clearMergeRange();
    bench.release(token);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(same(snapshot.cow.subarray(9 * CHUNK, 10 * CHUNK), dataPattern(3 * CHUNK, 2).subarray(0, CHUNK))).toBe(true);
    expect(same(bench.origin.subarray(2 * CHUNK, 4 * CHUNK), dataPattern(3 * CHUNK, 2).subarray(CHUNK))).toBe(true);
  });

  it("writes at once between two chunks that are being merged (C-39)", () => {
    const { bench, snapshot } = merging();
    const client = bench.connect();
    snapshot.words.setMergeRange([
      { first: 1, count: 1 },
      { first: 3, count: 1 },
    ]);
    const between = client.write(2 * CHUNK, dataPattern(CHUNK, 2));
    const met = client.write(3 * CHUNK + 512, dataPattern(512, 2));
    bench.run();
    expect(client.errors()).toEqual({ [between]: 0 });
    snapshot.words.clearMergeRange();
    bench.release(bench.tokens(Message.NeedRange)[0]);
    bench.run();
    expect(client.errors()).toEqual({ [met]: 0 });
    expect(files(bench, IoOp.Write)).toEqual([cowFile(0), ORIGIN_FILE]);
  });

  it("looks for its chunk again in the range of the next step when main has released it (C-11, C-39)", () => {
    const { bench, snapshot } = merging();
    const client = bench.connect();
    snapshot.words.setMergeRange([{ first: 2, count: 1 }]);
    const write = client.write(2 * CHUNK, dataPattern(CHUNK, 2));
    bench.run();
    const [token] = bench.tokens(Message.NeedRange);
    // The step has failed, and is made again before the write has looked.
    snapshot.words.clearMergeRange();
    snapshot.words.setMergeRange([
      { first: 0, count: 1 },
      { first: 2, count: 1 },
    ]);
    bench.release(token);
    bench.run();
    expect(files(bench, IoOp.Write)).toEqual([]);
    snapshot.table.remove(2);
    snapshot.words.clearMergeRange();
    bench.release(bench.tokens(Message.NeedRange)[0]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(files(bench, IoOp.Write)).toEqual([ORIGIN_FILE]);
  });

  it("keeps reads and writes that were parked when the merge began", () => {
    const { bench } = merging();
    bench.volume.setMerging(-1);
    bench.volume.gate(ORIGIN_READ_GATE).close();
    bench.volume.gate(ORIGIN_WRITE_GATE).close();
    const client = bench.connect();
    client.read(0, 4 * CHUNK);
    const write = client.write(4 * CHUNK, dataPattern(3 * CHUNK, 2));
    bench.run();
    bench.volume.setMerging(0);
    bench.openGate(ORIGIN_READ_GATE);
    bench.openGate(ORIGIN_WRITE_GATE);
    bench.run();
    const [read, written] = client.replies();
    const view = Buffer.from(dataPattern(bench.origin.length, 1)).fill(0x44, CHUNK, 3 * CHUNK);
    expect(same(read.data, view.subarray(0, 4 * CHUNK))).toBe(true);
    expect(written).toMatchObject({ cookie: write, error: 0 });
    expect(same(bench.origin.subarray(4 * CHUNK, 7 * CHUNK), dataPattern(3 * CHUNK, 2))).toBe(true);
  });

  it("a flush takes both devices (E-10), and holds off the end of the merge until it is over", () => {
    // It was in no gate: the COW device could be taken away between its two halves, and then it failed.
    const { bench } = merging();
    const client = bench.connect();
    bench.ring.held = (o) => o.op === IoOp.Sync;
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    expect(bench.volume.gate(ORIGIN_READ_GATE).inFlight()).toBe(1);
    bench.ring.held = () => false;
    bench.run();
    expect(files(bench, IoOp.Sync)).toEqual([cowFile(0), ORIGIN_FILE]);
    expect(client.errors()).toEqual({ [flush]: 0 });
    expect(bench.volume.gate(ORIGIN_READ_GATE).inFlight()).toBe(0);
  });

  it("a flush whose first half fails is an error", () => {
    const { bench } = merging();
    const client = bench.connect();
    bench.ring.fault = (o) => (o.op === IoOp.Sync ? -EIO : undefined);
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    expect(client.errors()).toEqual({ [flush]: EIO });
    expect(files(bench, IoOp.Sync)).toEqual([cowFile(0)]);
  });

  it("a trim has no effect (E-35)", () => {
    const { bench } = merging();
    const client = bench.connect();
    const trim = client.request(Command.Trim, 0, 4 * CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [trim]: 0 });
    expect(files(bench, IoOp.Allocate)).toEqual([]);
  });
});
