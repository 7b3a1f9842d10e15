/**
 * Requests that nobody waits for any more: of clients that have gone without a word, or were cut. What is under way ends, and gives
 * back what it holds (gates, tracked reads, exclusive grants, slots, chunks in reserve); nothing further begins.
 */
import { describe, expect, it } from "vitest";
import {
  MAX_LONG_BYTES_PER_CONNECTION,
  MAX_LONG_BYTES_PER_WORKER,
  MAX_PIECES_PER_REQUEST,
  STILL_READS_MS,
} from "../../../src/base/constants.ts";
import {
  ORIGIN_READ_GATE,
  ORIGIN_WRITE_GATE,
  snapshotReadGate,
  snapshotWriteGate,
} from "../../../src/base/gate-numbers.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { ExportClient } from "../../support/export-client.ts";
import type { FakeOperation } from "../../support/fake-ring.ts";
import { stopClock } from "../../support/stopped-clock.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";

const MIB = 2 ** 20;
const SIZE = 16 * MIB;
const CHUNK = 4096;
const EAGAIN = 11;
const NBD_EIO = 5;
const LONG = MAX_LONG_BYTES_PER_CONNECTION / MIB;

const clock = stopClock();

function device({ op, file }: FakeOperation): boolean {
  return isDeviceFile(file) && (op === IoOp.Allocate || op === IoOp.Read || op === IoOp.Write || op === IoOp.Sync);
}

function zeroing({ op }: FakeOperation): boolean {
  return op === IoOp.Allocate;
}

/** Operations of one kind that the ring was ever given. */
function count(bench: ExportBench, op: IoOp): number {
  return bench.ring.log.filter((operation) => operation.op === op).length;
}

/** The client has been forgotten, and nothing that was its own is held. */
function expectNothingLeft(bench: ExportBench, client: ExportClient): void {
  bench.run();
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
  const { pieces, requests, slots } = bench.context;
  expect([pieces.used(), requests.used(), slots.used()]).toEqual([0, 0, 0]);
  for (const gate of [ORIGIN_WRITE_GATE, ORIGIN_READ_GATE, snapshotWriteGate(0), snapshotReadGate(0)]) {
    expect([gate, bench.volume.gate(gate).inFlight()]).toEqual([gate, 0]);
  }
  expect(bench.tokens(Message.NeedOrigin).concat(bench.tokens(Message.NeedChunk))).toEqual([]);
}

/** A FUA write of a snapshot's client, at the device. */
function fuaWriteUnderWay(): { readonly bench: ExportBench; readonly client: ExportClient } {
  const bench = new ExportBench({ chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  bench.publish(snapshot, 0, 1);
  snapshot.words.setVisible(1);
  bench.ring.held = device;
  const client = bench.connect("s0");
  client.write(0, dataPattern(512, 3), CommandFlag.Fua);
  bench.run();
  return { bench, client };
}

it("zeroes of a client that has closed go no further", () => {
  // It had gone, and the server went on for hours.
  const bench = new ExportBench({ originBytes: SIZE });
  bench.ring.held = zeroing;
  const client = bench.connect();
  for (let i = 0; i < 200; i++) client.request(Command.WriteZeroes, 0, SIZE);
  bench.run();
  client.socket.closed = true;
  bench.run();
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(count(bench, IoOp.Allocate)).toBe(LONG);
});

it("what it had under way counts no more: others have all that a worker has", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  for (let i = 0; i < 10; i++) {
    bench.ring.held = zeroing;
    const client = bench.connect();
    client.request(Command.WriteZeroes, 0, SIZE);
    bench.run();
    expect(bench.ring.underWay(IoOp.Allocate)).toBe(LONG);
    client.socket.gone = true;
    bench.run();
    bench.ring.held = () => false;
    expectNothingLeft(bench, client);
  }
});

it("a FUA write that has ended is not made durable", () => {
  const { bench, client } = fuaWriteUnderWay();
  client.socket.gone = true;
  bench.run();
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(bench.take(Message.NeedDurable)).toEqual([]);
});

it("it is found out also where nothing more is read from it, for it has asked for more than it may", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  bench.ring.held = zeroing;
  const client = bench.connect();
  // As much more as the inbox takes.
  for (let i = 0; i < 3000; i++) client.request(Command.WriteZeroes, 0, SIZE);
  bench.run();
  expect(bench.ring.underWay(IoOp.Receive)).toBe(0);
  client.socket.closed = true;
  clock.now += STILL_READS_MS;
  bench.run();
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(count(bench, IoOp.Allocate)).toBe(LONG);
});

describe("who vanishes while his zeroes wait for their turn, at a device that answers nothing,", () => {
  it.each([
    ["and breaks off", 4, "gone"],
    ["and closes", 4, "closed"],
    ["behind so many that nothing more is read from him", 3000, "closed"],
  ] as const)("%s, leaves what is at the device, and no more", (_, requests, how) => {
    const bench = new ExportBench({ originBytes: SIZE });
    bench.ring.held = zeroing;
    const other = bench.connect();
    // The last ones begin nothing: those before them have left all at the device that their export may have there.
    const left = Array.from({ length: 8 }, () => {
      const client = bench.connect();
      for (let i = 0; i < requests; i++) client.request(Command.WriteZeroes, 0, SIZE);
      bench.run();
      client.socket[how] = true;
      clock.now += STILL_READS_MS;
      bench.run();
      expect(bench.closed()).toEqual([client.id]);
      const { pieces, requests: records } = bench.context;
      expect(pieces.used()).toBe(bench.ring.underWay(IoOp.Allocate));
      return [pieces.used(), records.used()];
    });
    const most = (3 * MAX_LONG_BYTES_PER_WORKER) / MIB / 4;
    expect(left.slice(0, 2)).toEqual([
      [LONG, 1],
      [2 * LONG, 2],
    ]);
    expect(left.at(-1)).toEqual(left.at(-2));
    expect(left.at(-1)![0]).toBeLessThanOrEqual(most);
    // Others go on, and all that is left comes back when the device answers again.
    const cookies = [other.read(0, 512), other.request(Command.WriteZeroes, 0, SIZE)];
    bench.run();
    expect(other.errors()).toEqual({ [cookies[0]!]: 0 });
    bench.ring.held = () => false;
    bench.run();
    expect(other.errors()).toEqual({ [cookies[1]!]: 0 });
    other.disconnect();
    expectNothingLeft(bench, other);
  });

  it("is found by the next thing that happens, 50 ms later; nobody wakes the worker for it", () => {
    const bench = new ExportBench({ originBytes: SIZE });
    bench.ring.held = zeroing;
    const [client, other] = [bench.connect(), bench.connect()];
    for (let i = 0; i < 3000; i++) client.request(Command.WriteZeroes, 0, SIZE);
    bench.run();
    client.socket.closed = true;
    const read = (): void => {
      other.read(0, 512);
      bench.run();
    };
    read();
    expect(bench.closed()).toEqual([]);
    clock.now += STILL_READS_MS;
    read();
    expect(bench.closed()).toEqual([client.id]);
  });
});

it("a client that has only said its last request, and reads on, gets every reply", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  const client = bench.connect();
  const cookies = Array.from({ length: 20 }, () => client.request(Command.WriteZeroes, 0, SIZE));
  client.socket.ended = true;
  bench.run();
  expect(client.errors()).toEqual(Object.fromEntries(cookies.map((cookie) => [cookie, 0])));
  expectNothingLeft(bench, client);
});

it("what was asked for before DISC is done, though the client does not wait for it", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  bench.ring.held = device;
  const client = bench.connect();
  for (let i = 0; i < 10; i++) client.request(Command.WriteZeroes, 0, SIZE);
  const data = dataPattern(MIB, 7);
  const before = bench.origin.slice(SIZE - MIB);
  client.write(SIZE - MIB, data);
  client.disconnect();
  bench.run();
  client.socket.closed = true;
  bench.run();
  expect(Buffer.compare(before, bench.origin.subarray(SIZE - MIB))).toBe(0);
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(count(bench, IoOp.Allocate)).toBe((10 * SIZE) / MIB);
});

it("a piece that waits at main is not begun again when it is released", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  const client = bench.connect();
  client.request(Command.WriteZeroes, 0, SIZE);
  client.write(0, dataPattern(512, 3), CommandFlag.Fua);
  bench.run();
  const tokens = bench.tokens(Message.NeedOrigin);
  client.socket.gone = true;
  bench.run();
  for (let chunk = 0; chunk < SIZE / CHUNK; chunk++) bench.publish(snapshot, chunk, 1 + (chunk % 8), true);
  const before = bench.origin.slice();
  for (const token of tokens) bench.release(token);
  expectNothingLeft(bench, client);
  expect(Buffer.compare(before, bench.origin)).toBe(0);
});

it("a chunk that main has granted is written: its exception is under way", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  const client = bench.connect("s0");
  const data = dataPattern(CHUNK + 512, 3);
  client.write(0, data);
  bench.run();
  const [whole, part] = bench.tokens(Message.NeedChunk);
  client.socket.gone = true;
  bench.run();
  bench.grant(whole, 0, 0, 5, true);
  bench.grant(part, 0, 1, 6, false);
  bench.run();
  const written = bench.take(Message.Written);
  expect(written.map((words) => [words[1], words[5]])).toEqual([
    [whole, 0],
    [part, 0],
  ]);
  expect(Buffer.compare(snapshot.cow.subarray(5 * CHUNK, 6 * CHUNK), data.subarray(0, CHUNK))).toBe(0);
  const kept = bench.origin.subarray(CHUNK + 512, 2 * CHUNK);
  expect(Buffer.compare(snapshot.cow.subarray(6 * CHUNK + 512, 7 * CHUNK), kept)).toBe(0);
  for (const token of [whole, part]) bench.release(token);
  expectNothingLeft(bench, client);
});

it("a claim that main refuses gives its chunk back; one that it grants is kept, and the write behind it is not done", () => {
  const bench = new ExportBench({ reserves: true, chunkBytes: CHUNK });
  bench.addSnapshot();
  bench.send(Message.Reserved, 0, 0, 20, 0, 4);
  const client = bench.connect();
  const copy = bench.connect("s0");
  client.write(CHUNK, dataPattern(512, 3));
  client.write(2 * CHUNK, dataPattern(512, 3));
  copy.write(3 * CHUNK, dataPattern(512, 3));
  bench.run();
  const [granted, refused] = bench.tokens(Message.ClaimOrigin);
  const [own] = bench.tokens(Message.Claim);
  client.socket.gone = true;
  bench.run();
  const before = bench.origin.slice();
  bench.release(granted);
  bench.release(refused, EAGAIN);
  expectNothingLeftBut(bench, client, 1);
  copy.socket.gone = true;
  bench.run();
  bench.release(own, EAGAIN);
  expectNothingLeft(bench, copy);
  expect(Buffer.compare(before, bench.origin)).toBe(0);
  // 21 and 22 have come back, 23 was never taken.
  const next = bench.connect();
  for (const chunk of [5, 6, 7]) next.write(chunk * CHUNK, dataPattern(512, 3));
  bench.run();
  expect(
    bench
      .take(Message.ClaimOrigin)
      .map((words) => words[5])
      .sort(),
  ).toEqual([21, 22, 23]);
});

function expectNothingLeftBut(bench: ExportBench, client: ExportClient, requests: number): void {
  bench.run();
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
  expect(bench.context.requests.used()).toBe(requests);
  expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
}

it("a piece that waits at a gate, and one that is to be the only write of its gate, let it go", () => {
  const bench = new ExportBench({ originAlign: 512 });
  const client = bench.connect();
  client.write(100, dataPattern(300, 3));
  bench.run();
  const [alone] = bench.tokens(Message.NeedExclusive);
  bench.volume.gate(ORIGIN_WRITE_GATE).close();
  client.write(1024, dataPattern(512, 3));
  bench.run();
  const before = bench.origin.slice();
  client.socket.gone = true;
  bench.run();
  bench.send(Message.ExclusiveGranted, alone, ORIGIN_WRITE_GATE);
  bench.run();
  expect(bench.take(Message.ExclusiveDone).map((words) => words.slice(1, 3))).toEqual([[alone, ORIGIN_WRITE_GATE]]);
  bench.openGate(ORIGIN_WRITE_GATE);
  expectNothingLeft(bench, client);
  expect(Buffer.compare(before, bench.origin)).toBe(0);
});

it("a read of many chunks ends its tracking, and reads no further", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  // Every other chunk: each is a piece of its own.
  for (let chunk = 0; chunk < 1000; chunk += 2) bench.publish(snapshot, chunk, 1 + (chunk % 8));
  bench.ring.held = device;
  const client = bench.connect("s0");
  client.read(0, 1000 * CHUNK);
  bench.run();
  expect(bench.ring.underWay(IoOp.Read)).toBe(MAX_PIECES_PER_REQUEST);
  client.socket.gone = true;
  bench.run();
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(count(bench, IoOp.Read)).toBe(MAX_PIECES_PER_REQUEST);
  for (let bucket = 0; bucket < snapshot.words.tracking.bucketCount; bucket++) {
    expect(snapshot.words.tracking.readers(bucket, 0) + snapshot.words.tracking.readers(bucket, 1)).toBe(0);
  }
});

it("a piece that goes on chunk by chunk, for it has met a merge, goes no further", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  for (let chunk = 0; chunk < 64; chunk += 2) bench.publish(snapshot, chunk, 1 + (chunk % 8));
  bench.volume.gate(ORIGIN_READ_GATE).close();
  const client = bench.connect();
  client.read(0, 64 * CHUNK);
  bench.run();
  bench.volume.setMerging(snapshot.index);
  snapshot.words.setState(SnapshotState.Merging);
  bench.ring.held = device;
  bench.openGate(ORIGIN_READ_GATE);
  bench.run();
  expect(bench.ring.underWay(IoOp.Read)).toBe(1);
  client.socket.gone = true;
  bench.run();
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(count(bench, IoOp.Read)).toBe(1);
});

it("a write that has begun in part, and flushes nothing, ends where it is", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  for (let chunk = 0; chunk < 256; chunk++) bench.publish(snapshot, chunk, 1 + 2 * (chunk % 100));
  bench.ring.held = device;
  const client = bench.connect("s0");
  client.write(0, dataPattern(MIB, 3), CommandFlag.Fua);
  bench.run();
  client.socket.gone = true;
  bench.run();
  bench.ring.held = () => false;
  expectNothingLeft(bench, client);
  expect(count(bench, IoOp.Write)).toBe(MAX_PIECES_PER_REQUEST);
  expect([count(bench, IoOp.Sync), bench.take(Message.NeedDurable)]).toEqual([0, []]);
});

it("a worker that stops lets requests go on until they are cut, and says how many that were", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  bench.ring.held = zeroing;
  const clients = [bench.connect(), bench.connect(), bench.connect()];
  for (const client of clients.slice(0, 2)) {
    for (let i = 0; i < 10; i++) client.request(Command.WriteZeroes, 0, SIZE);
  }
  clients[0].disconnect();
  bench.run();
  bench.send(Message.Stop, 0, StopHow.Drain);
  bench.run();
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([clients[2].id]);
  const begun = count(bench, IoOp.Allocate);
  bench.ring.held = (operation) => zeroing(operation) && operation.position > 0;
  bench.run();
  expect(count(bench, IoOp.Allocate)).toBeGreaterThan(begun);
  bench.ring.held = zeroing;
  bench.run();
  const before = count(bench, IoOp.Allocate);
  bench.send(Message.Stop, 0, StopHow.Cut);
  bench.run();
  bench.ring.held = () => false;
  bench.run();
  expect(count(bench, IoOp.Allocate)).toBe(before);
  expect(bench.take(Message.VolumeStopped).map((words) => words.slice(2, 4))).toEqual([[20, 2]]);
  expect(bench.take(Message.Stopped)).toHaveLength(1);
  expect([bench.loop.ended, bench.context.pieces.used(), bench.context.requests.used()]).toEqual([true, 0, 0]);
});

it("a volume that has failed: what is under way is answered, of hours of zeroes nothing more begins, and the worker ends", () => {
  // It went on with them, for main's word and for hours; and with main's ring full it never ended.
  const bench = new ExportBench({ originBytes: SIZE });
  bench.ring.held = zeroing;
  const client = bench.connect();
  for (let i = 0; i < 64; i++) client.request(Command.WriteZeroes, 0, SIZE);
  bench.run();
  bench.deaf = true;
  for (let i = 0; i < 5000; i++) bench.context.outbox.send(Message.NeedOrigin, 0, 0);
  bench.send(Message.Stop, 0, StopHow.Abandon);
  bench.run();
  expect(bench.loop.ended).toBe(false);
  bench.ring.held = () => false;
  bench.run();
  expect(count(bench, IoOp.Allocate)).toBe(LONG);
  expect(client.replies()).toHaveLength(64);
  expect(bench.loop.ended).toBe(true);
});

it("a FUA write that has ended when the volume fails is not said to be durable", () => {
  const { bench, client } = fuaWriteUnderWay();
  bench.send(Message.Stop, 0, StopHow.Abandon);
  bench.run();
  bench.ring.held = () => false;
  bench.run();
  expect(client.replies().map(({ error }) => error)).toEqual([NBD_EIO]);
});
