/**
 * Zeroes and trims of gigabytes, which cost their client a few bytes: so much of them is under way at a time, everybody has a turn, and
 * nobody else waits behind them.
 */
import { expect, it } from "vitest";
import {
  MAX_LONG_BYTES_PER_CONNECTION,
  MAX_LONG_BYTES_PER_WORKER,
  MAX_LONG_PIECES_PER_CONNECTION,
  MAX_PIECE_BYTES,
} from "../../../src/base/constants.ts";
import { divExact } from "../../../src/base/units.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { FakeOperation } from "../../support/fake-ring.ts";

const MIB = 2 ** 20;
const SIZE = 32 * MIB;
/** What a client of the protocol may ask for at most. */
const FOUR_GIB = 2 ** 32 - 4096;
const LONG = divExact(MAX_LONG_BYTES_PER_CONNECTION, MAX_PIECE_BYTES);

function zeroing({ op }: FakeOperation): boolean {
  return op === IoOp.Allocate;
}

/** A bench on which zeroes stay under way until `let go` of. */
function slow(): ExportBench {
  const bench = new ExportBench({ originBytes: SIZE });
  bench.ring.held = zeroing;
  return bench;
}

/** Let one operation that is under way end. */
function endOne(bench: ExportBench): void {
  let one = true;
  bench.ring.held = (operation) => zeroing(operation) && !(one && !(one = false));
  bench.run();
  bench.ring.held = zeroing;
}

/** Where the operations of the origin began, in order. */
function begun(bench: ExportBench): number[] {
  return bench.ring.log.filter(zeroing).map(({ position }) => position);
}

it("so many bytes of one connection's zeroes are under way, whatever it asks for", () => {
  // 256 requests had 8 pieces each: all of the worker's.
  const bench = slow();
  const client = bench.connect();
  for (let i = 0; i < 100; i++) client.request(Command.WriteZeroes, 0, SIZE);
  bench.run();
  expect(bench.ring.underWay(IoOp.Allocate)).toBe(LONG);
  endOne(bench);
  expect(bench.ring.underWay(IoOp.Allocate)).toBe(LONG);
});

it("so many small pieces of them are, too", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: 4096 });
  bench.addSnapshot();
  const client = bench.connect("s0");
  for (let i = 0; i < 100; i++) client.request(Command.WriteZeroes, i * 8192, 8192);
  bench.run();
  expect(bench.tokens(Message.NeedChunk)).toHaveLength(MAX_LONG_PIECES_PER_CONNECTION);
});

it("they go on in the order of arrival, and every byte is zero in the end", () => {
  const bench = slow();
  const client = bench.connect();
  const cookies = [0, 8, 16].map((mib) => client.request(Command.WriteZeroes, mib * MIB, 8 * MIB));
  bench.run();
  for (let i = 0; i < 24; i++) endOne(bench);
  expect(begun(bench)).toEqual(Array.from({ length: 24 }, (_, i) => i * MIB));
  expect(client.replies().map(({ cookie }) => cookie)).toEqual(cookies);
  expect(Buffer.alloc(24 * MIB).equals(bench.origin.subarray(0, 24 * MIB))).toBe(true);
  expect(Buffer.alloc(MIB).equals(bench.origin.subarray(24 * MIB, 25 * MIB))).toBe(false);
});

it("a read, a write and a flush behind them, also of the same connection, do not wait", () => {
  const bench = slow();
  const greedy = bench.connect();
  const other = bench.connect();
  for (let i = 0; i < 100; i++) greedy.request(Command.WriteZeroes, 0, SIZE);
  bench.run();
  const own = greedy.read(0, 512);
  const cookies = [other.read(0, 512), other.write(512, new Uint8Array(512)), other.request(Command.Flush, 0, 0)];
  bench.run();
  expect(greedy.errors()).toEqual({ [own]: 0 });
  expect(other.errors()).toEqual(Object.fromEntries(cookies.map((cookie) => [cookie, 0])));
});

it("many connections share what an export may have of them, and each has its turn", () => {
  const bench = slow();
  const most = (3 * divExact(MAX_LONG_BYTES_PER_WORKER, MAX_PIECE_BYTES)) / 4;
  const clients = Array.from({ length: most }, () => bench.connect());
  const cookies = clients.map((client, i) => client.request(Command.WriteZeroes, i * MIB, 8 * MIB));
  bench.run();
  expect(bench.ring.underWay(IoOp.Allocate)).toBe(most);
  for (let i = 0; i < 2 * most; i++) endOne(bench);
  // The first piece of each begins at a place of its own.
  const places = new Set(begun(bench));
  for (let i = 0; i < most; i++) expect(places.has(i * MIB)).toBe(true);
  bench.ring.held = () => false;
  bench.run();
  clients.forEach((client, i) => expect(client.errors()).toEqual({ [cookies[i]]: 0 }));
});

it("trims that do nothing take one turn after the other, not a minute of one", () => {
  // The merging volume went chunk by chunk through all of them, in one turn.
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: 4096 });
  const snapshot = bench.addSnapshot(0, { zeroes: true });
  const client = bench.connect("s0");
  const other = bench.connect();
  const trims = 200;
  for (let i = 0; i < trims; i++) client.request(Command.Trim, 0, SIZE);
  const read = other.read(0, 512);
  let errors: Record<number, number> = {};
  for (let turns = 0; turns < 10 && Object.keys(errors).length === 0; turns++) {
    bench.turn();
    errors = other.errors();
  }
  expect(errors).toEqual({ [read]: 0 });
  const soon = client.replies().length;
  expect(soon).toBeLessThan(trims);
  bench.run();
  expect(soon + client.replies().length).toBe(trims);
  bench.volume.setMerging(snapshot.index);
  snapshot.words.setState(SnapshotState.Merging);
  const merged = Array.from({ length: 32 }, () => other.request(Command.Trim, 0, SIZE));
  const before = bench.ring.turns;
  bench.run();
  expect(bench.ring.turns - before).toBeLessThan(20);
  expect(Object.keys(other.errors())).toHaveLength(merged.length);
});

it("sleeps while zeroes wait for their turn, and nothing of them is begun twice", () => {
  const bench = new ExportBench({ originBytes: SIZE, chunkBytes: 4096 });
  bench.addSnapshot();
  const client = bench.connect();
  const cookie = client.request(Command.WriteZeroes, 0, SIZE);
  const places: number[] = [];
  bench.run();
  for (let needs = bench.take(Message.NeedOrigin); needs.length > 0; needs = bench.take(Message.NeedOrigin)) {
    expect(needs.length).toBeLessThanOrEqual(LONG);
    places.push(...needs.map((words) => words[2]));
    for (const [, token] of needs) bench.release(token, 5);
    bench.run();
  }
  expect(places.length).toBe(LONG);
  expect(client.errors()).toEqual({ [cookie]: 5 });
});

it("a request of 4 GiB that lies outside is refused, as ever", () => {
  const bench = slow();
  const client = bench.connect();
  const cookie = client.request(Command.WriteZeroes, 0, FOUR_GIB);
  bench.run();
  expect(client.errors()[cookie]).not.toBe(0);
  expect(bench.ring.underWay(IoOp.Allocate)).toBe(0);
});
