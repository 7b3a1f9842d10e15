/**
 * A snapshot's export on one thread: where reads go, what writes ask main for, and what main's answers lead to.
 */
import { describe, expect, it } from "vitest";
import { TRACK_CHUNKS_PER_BUCKET } from "../../../src/base/constants.ts";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { Message } from "../../../src/ring/messages.ts";
import { ORIGIN_FILE, cowFile } from "../../support/device-numbers.ts";
import { snapshotReadGate, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { bucketOf } from "../../../src/table/tracking.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const CHUNK = 16384;
const EIO = 5;
const NBD_ENOSPC = 28;
const ENOSPC = 28;
const EAGAIN = 11;

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function chunkOf(device: Uint8Array, chunk: number): Uint8Array {
  return device.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
}

/** [file, position, length] of the operations of a kind, in order. */
function operations(bench: ExportBench, op: number): number[][] {
  return bench.ring.log.filter((o) => o.op === op).map((o) => [o.file, o.position, o.length]);
}

/** Tracked reads of a chunk's bucket, both parities. */
function tracked(snapshot: BenchSnapshot, chunk: number): number {
  const { tracking } = snapshot.words;
  return tracking.readers(bucketOf(chunk), 0) + tracking.readers(bucketOf(chunk), 1);
}

describe("reads", () => {
  it("go to the origin where there is no exception, to the COW device where there is, one operation for a run (E-3, E-4)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    for (const chunk of [2, 3, 4]) bench.publish(snapshot, chunk, chunk + 10, chunk === 3, 0x33);
    bench.publish(snapshot, 5, 40, false, 0x44);
    const client = bench.connect("s0");
    client.read(CHUNK + 100, 6 * CHUNK);
    bench.run();
    const view = Buffer.from(bench.origin)
      .fill(0x33, 2 * CHUNK, 5 * CHUNK)
      .fill(0x44, 5 * CHUNK, 6 * CHUNK);
    expect(same(client.replies()[0].data, view.subarray(CHUNK + 100, 7 * CHUNK + 100))).toBe(true);
    expect(operations(bench, IoOp.Read)).toEqual([
      [ORIGIN_FILE, CHUNK + 100, CHUNK - 100],
      [cowFile(0), 12 * CHUNK, 3 * CHUNK],
      [cowFile(0), 40 * CHUNK, CHUNK],
      [ORIGIN_FILE, 6 * CHUNK, CHUNK + 100],
    ]);
  });

  it("of the origin are tracked until they end, and say so to main that waits (C-1, C-5)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    bench.ring.held = (o) => o.op === IoOp.Read;
    client.read(0, CHUNK);
    bench.run();
    expect(tracked(snapshot, 0)).toBe(1);
    snapshot.words.tracking.awaitDrain(bucketOf(0));
    bench.ring.held = () => false;
    bench.run();
    expect(tracked(snapshot, 0)).toBe(0);
    expect(bench.take(Message.Drained).map((m) => [m[2], m[3]])).toEqual([[0, bucketOf(0)]]);
  });

  it("of many chunks say so to main of each bucket that it waits for, and of no other (C-5)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    bench.ring.held = (o) => o.op === IoOp.Read;
    client.read(0, 4 * TRACK_CHUNKS_PER_BUCKET * CHUNK);
    bench.run();
    const buckets = [1, 3].map((i) => bucketOf(i * TRACK_CHUNKS_PER_BUCKET));
    for (const bucket of buckets) snapshot.words.tracking.awaitDrain(bucket);
    bench.ring.held = () => false;
    bench.run();
    expect(bench.take(Message.Drained).map((m) => [m[2], m[3]])).toEqual(buckets.map((bucket) => [0, bucket]));
  });

  it.each([
    ["turned invalid", SnapshotState.Invalid],
    ["gone", SnapshotState.Absent],
  ])("of the origin give no data where the snapshot has %s meanwhile (C-4)", (_, state) => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    bench.ring.held = (o) => o.op === IoOp.Read;
    const read = client.read(0, CHUNK);
    bench.run();
    snapshot.words.setState(state);
    bench.ring.held = () => false;
    bench.run();
    expect(client.errors()).toEqual({ [read]: EIO });
    expect(tracked(snapshot, 0)).toBe(0);
  });

  it("that fail are tracked no longer, and are announced in no gate", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    bench.ring.fault = (o) => (o.op === IoOp.Read ? -EIO : undefined);
    const read = client.read(0, 40 * CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [read]: EIO });
    for (let chunk = 0; chunk < 40; chunk++) expect(tracked(snapshot, chunk)).toBe(0);
    expect(bench.volume.gate(snapshotReadGate(0)).inFlight()).toBe(0);
  });

  it("that come short go on from there; one that gets nothing is an error", () => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const client = bench.connect("s0");
    bench.ring.fault = (o) => (o.op === IoOp.Read ? 1000 : undefined);
    client.read(7, 5000);
    bench.run();
    expect(same(client.replies()[0].data, bench.origin.subarray(7, 5007))).toBe(true);
    bench.ring.fault = (o) => (o.op === IoOp.Read ? 0 : undefined);
    const read = client.read(7, 5000);
    bench.run();
    expect(client.errors()).toEqual({ [read]: EIO });
  });

  it("wait at a closed gate, announced nowhere, and look at the table again when it opens", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const gate = snapshotReadGate(0);
    bench.volume.gate(gate).close();
    client.read(0, 3 * CHUNK);
    bench.run();
    expect(bench.volume.gate(gate).inFlight()).toBe(0);
    expect(tracked(snapshot, 0)).toBe(0);
    bench.publish(snapshot, 1, 9, false, 0x55);
    bench.openGate(gate);
    bench.run();
    const view = Buffer.from(bench.origin).fill(0x55, CHUNK, 2 * CHUNK);
    expect(same(client.replies()[0].data, view.subarray(0, 3 * CHUNK))).toBe(true);
  });

  it("of a snapshot that is invalid do not wait at its gate: nobody may open it any more (E-1)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    bench.volume.gate(snapshotReadGate(0)).close();
    snapshot.words.setState(SnapshotState.Invalid);
    const read = client.read(0, CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [read]: EIO });
  });
});

describe("writes", () => {
  it("of a part of a chunk ask main, fill the chunk that it grants, and end with its word (E-5)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const write = client.write(CHUNK + 500, dataPattern(700, 6));
    bench.run();
    const [need] = bench.take(Message.NeedChunk);
    expect(need.slice(2, 6)).toEqual([0, 1, 0, ChunkNeed.Fill]);
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
    bench.grant(need[1], 0, 1, 4, false);
    bench.run();
    expect(bench.take(Message.Written).map((m) => m.slice(1, 6))).toEqual([[need[1], 0, 1, 0, 0]]);
    expect(client.replies()).toEqual([]);
    const whole = Buffer.from(chunkOf(bench.origin, 1));
    whole.set(dataPattern(700, 6), 500);
    expect(same(chunkOf(snapshot.cow, 4), whole)).toBe(true);
    bench.release(need[1]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(bench.context.slots.used()).toBe(0);
  });

  it("to a chunk that was granted and found no room look again, and ask again, with nothing held (E-48)", () => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const client = bench.connect("s0");
    const write = client.write(CHUNK, dataPattern(CHUNK, 6));
    bench.run();
    const [need] = bench.take(Message.NeedChunk);
    bench.ring.fault = ({ op }) => (op === IoOp.Write ? -ENOSPC : undefined);
    bench.grant(need[1], 0, 1, 4, true);
    bench.run();
    expect(bench.take(Message.Written).map((m) => m.slice(1, 6))).toEqual([[need[1], 0, 1, 0, ENOSPC]]);
    bench.ring.fault = () => undefined;
    bench.release(need[1], EAGAIN);
    bench.run();
    const [again] = bench.take(Message.NeedChunk);
    expect(again.slice(2, 6)).toEqual([0, 1, 0, ChunkNeed.Whole]);
    expect([client.replies(), bench.volume.gate(snapshotWriteGate(0)).inFlight()]).toEqual([[], 0]);
    bench.grant(again[1], 0, 1, 4, true);
    bench.run();
    bench.release(again[1]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(bench.context.slots.used()).toBe(0);
  });

  it("look again when main has had the chunk copied, and find it (C-11)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const write = client.write(500, dataPattern(700, 6));
    bench.run();
    const [token] = bench.tokens(Message.NeedChunk);
    bench.publish(snapshot, 0, 4);
    bench.release(token);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(same(snapshot.cow.subarray(4 * CHUNK + 500, 4 * CHUNK + 1200), dataPattern(700, 6))).toBe(true);
    expect(bench.context.slots.used()).toBe(0);
  });

  it("of a whole chunk are written where main says, without a read (E-6)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const write = client.write(0, dataPattern(CHUNK, 6));
    bench.run();
    const [need] = bench.take(Message.NeedChunk);
    expect(need[5]).toBe(ChunkNeed.Whole);
    bench.grant(need[1], 0, 0, 5, true);
    bench.run();
    bench.release(need[1]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(same(chunkOf(snapshot.cow, 5), dataPattern(CHUNK, 6))).toBe(true);
    expect(operations(bench, IoOp.Read)).toEqual([]);
  });

  it("fill the last chunk up to where the origin's end cuts it, and nothing behind", () => {
    const cut = 3 * CHUNK + 1536;
    for (const [offset, length] of [
      [3 * CHUNK, 1536],
      [3 * CHUNK + 10, 100],
      [3 * CHUNK + 1500, 36],
      [3 * CHUNK, 5],
    ]) {
      const bench = new ExportBench({ originBytes: cut });
      const snapshot = bench.addSnapshot();
      const client = bench.connect("s0");
      const write = client.write(offset, dataPattern(length, 6));
      bench.run();
      const [token] = bench.tokens(Message.NeedChunk);
      bench.grant(token, 0, 3, 4, false);
      bench.run();
      bench.release(token);
      bench.run();
      expect(client.errors()).toEqual({ [write]: 0 });
      const after = Buffer.alloc(CHUNK, 0xee);
      after.set(bench.origin.subarray(3 * CHUNK));
      after.set(dataPattern(length, 6), offset - 3 * CHUNK);
      expect(same(chunkOf(snapshot.cow, 4), after)).toBe(true);
    }
  });

  it("whose fill cannot be read, or not be written, tell main, and get its error (E-9)", () => {
    for (const broken of [IoOp.Read, IoOp.Write]) {
      const bench = new ExportBench();
      bench.addSnapshot();
      const client = bench.connect("s0");
      const write = client.write(500, dataPattern(700, 6));
      bench.run();
      bench.ring.fault = (o) => (o.op === broken ? -EIO : undefined);
      const [token] = bench.tokens(Message.NeedChunk);
      bench.grant(token, 0, 0, 4, false);
      bench.run();
      expect(bench.take(Message.Written).map((m) => m[5])).toEqual([EIO]);
      bench.release(token, EIO);
      bench.run();
      expect(client.errors()).toEqual({ [write]: EIO });
      expect([bench.context.slots.used(), bench.context.pieces.used()]).toEqual([0, 0]);
    }
  });

  it("that main has no space for fail (E-8)", () => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const client = bench.connect("s0");
    const write = client.write(500, dataPattern(700, 6));
    bench.run();
    bench.release(bench.tokens(Message.NeedChunk)[0], ENOSPC);
    bench.run();
    expect(client.errors()).toEqual({ [write]: NBD_ENOSPC });
    expect(bench.context.slots.used()).toBe(0);
  });

  it("that are granted are finished also when their client has gone (C-12)", () => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const client = bench.connect("s0");
    client.write(0, dataPattern(CHUNK, 6));
    bench.run();
    const [token] = bench.tokens(Message.NeedChunk);
    client.socket.gone = true;
    bench.run();
    bench.grant(token, 0, 0, 5, true);
    bench.run();
    expect(bench.tokens(Message.Written)).toEqual([token]);
    bench.release(token);
    bench.run();
    expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
    expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
  });

  it("of zeroes fill their part of a chunk without any payload", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const zero = client.request(Command.WriteZeroes, 4096, 8192);
    bench.run();
    const [token] = bench.tokens(Message.NeedChunk);
    bench.grant(token, 0, 0, 4, false);
    bench.run();
    bench.release(token);
    bench.run();
    expect(client.errors()).toEqual({ [zero]: 0 });
    const after = Buffer.from(chunkOf(bench.origin, 0)).fill(0, 4096, 12288);
    expect(same(chunkOf(snapshot.cow, 4), after)).toBe(true);
  });

  it("fail when the store is full, reads do not (E-2)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3);
    snapshot.words.setState(SnapshotState.Overflow);
    const client = bench.connect("s0");
    const write = client.write(0, dataPattern(512, 2));
    const zero = client.request(Command.WriteZeroes, 0, 4096);
    const read = client.read(0, 512);
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    expect(client.errors()).toEqual({ [write]: EIO, [zero]: EIO, [read]: 0, [flush]: 0 });
  });
});

it.each([
  ["is passed down when the store has been zeroed", 0, true],
  ["that could not zero the store fails, and is not passed down", EIO, false],
])("a trim with discard_passdown_origin %s (E-12)", (_, error, passes) => {
  // The error of the first step was forgotten by the second: the trim was acknowledged.
  const bench = new ExportBench();
  const snapshot = bench.addSnapshot(0, { zeroes: true, passdown: true });
  bench.publish(snapshot, 1, 3);
  const client = bench.connect("s0");
  const files: number[] = [];
  bench.ring.fault = ({ op, file }) => {
    if (op !== IoOp.Allocate) return undefined;
    files.push(file === ORIGIN_FILE ? 0 : 1);
    return file === ORIGIN_FILE || error === 0 ? undefined : -error;
  };
  const cookie = client.request(Command.Trim, CHUNK, CHUNK);
  bench.run();
  expect([client.errors(), files]).toEqual([{ [cookie]: error }, passes ? [1, 0] : [1]]);
});

it("a write of which one part finds no room is out of room, whichever part fails first (E-8)", () => {
  // The others met the overflow that it had caused, and their EIO was the answer.
  const bench = new ExportBench();
  bench.addSnapshot();
  const client = bench.connect("s0");
  const cookie = client.write(0, dataPattern(2 * CHUNK, 3));
  bench.run();
  const [first, second] = bench.tokens(Message.NeedChunk);
  bench.release(second, EIO);
  bench.release(first, ENOSPC);
  bench.run();
  expect(client.errors()).toEqual({ [cookie]: NBD_ENOSPC });
});

it("a granted chunk may be the first of its device, where the store has no header (S-13)", () => {
  const bench = new ExportBench();
  const snapshot = bench.addSnapshot();
  const client = bench.connect("s0");
  const whole = dataPattern(CHUNK, 3);
  client.write(CHUNK, whole);
  bench.run();
  bench.grant(bench.tokens(Message.NeedChunk)[0], 0, 1, 0, true);
  bench.run();
  expect(bench.take(Message.Written)).toHaveLength(1);
  expect(Buffer.compare(snapshot.cow.subarray(0, CHUNK), whole)).toBe(0);
});

it("an error that main answers a write with ends it, also the one that refuses a claim", () => {
  const bench = new ExportBench();
  bench.addSnapshot();
  const client = bench.connect("s0");
  const cookie = client.write(0, dataPattern(512, 3));
  bench.run();
  bench.release(bench.tokens(Message.NeedChunk)[0], errno.EAGAIN);
  bench.run();
  expect(bench.take(Message.NeedChunk)).toEqual([]);
  expect(client.errors()[cookie]).toBeGreaterThan(0);
});
