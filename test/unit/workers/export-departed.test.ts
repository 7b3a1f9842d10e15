/**
 * Clients that have gone: their place is free at once, whatever the devices and main still have of theirs; and their numbers meet no successor.
 */
import { expect, it } from "vitest";
import {
  INBOX_BYTES,
  MAX_CONNECTIONS_PER_WORKER,
  MAX_PIECE_BYTES,
  MAX_WHOLE_BYTES,
  STILL_READS_MS,
} from "../../../src/base/constants.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { encodeRequest, type ExportClient } from "../../support/export-client.ts";
import { stopClock } from "../../support/stopped-clock.ts";

const MIB = 2 ** 20;

const clock = stopClock();

/** Nothing of anybody is left. */
function expectNothingLeft(bench: ExportBench): void {
  const { slots, requests, pieces } = bench.context;
  expect([slots.used(), requests.used(), pieces.used()]).toEqual([0, 0, 0]);
}

/** Takes a slot of a mebibyte, of which there are 16, or one of the two larger ones. */
const LARGE = 140_000;

/** Three connections and their reads, held by the device, which have taken every large slot. */
function slotsTaken(bench: ExportBench): ExportClient[] {
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  const holders = Array.from({ length: 3 }, () => bench.connect());
  for (const client of holders) for (let i = 0; i < 16; i++) client.read(0, LARGE);
  bench.run();
  expect(bench.context.slots.used()).toBe(18);
  return holders;
}

it("a client that closes while its reads are under way on the device gives its place back before they end", () => {
  const bench = new ExportBench();
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  const client = bench.connect();
  for (let i = 0; i < 8; i++) client.read(0, 4096);
  bench.run();
  client.socket.closed = true;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  expect(bench.ring.underWay(IoOp.Read)).toBe(8);
  const next = bench.connect();
  bench.ring.held = () => false;
  bench.run();
  const read = next.read(0, 512);
  bench.run();
  expect(next.replies()).toEqual([{ cookie: read, error: 0, data: Buffer.from(bench.origin.subarray(0, 512)) }]);
  expectNothingLeft(bench);
});

it("one that closes while it waits for memory gives its place back at once, though nothing comes back", () => {
  // Nothing was received from it any more: it kept its place until the requests of everybody before it had ended.
  const bench = new ExportBench();
  slotsTaken(bench);
  const dead = Array.from({ length: 5 }, () => bench.connect());
  for (const client of dead) for (let i = 0; i < 8; i++) client.read(0, LARGE);
  bench.run();
  for (const client of dead) client.socket.closed = true;
  bench.run();
  expect(bench.closed()).toEqual(dead.map((client) => client.id));
  bench.ring.held = () => false;
  bench.run();
  expect(bench.context.slots.used()).toBe(0);
});

it("one that only half-closes while it waits for memory gets every answer", () => {
  const bench = new ExportBench();
  slotsTaken(bench);
  const half = bench.connect();
  const reads = Array.from({ length: 3 }, (_, i) => half.read(i * 512, LARGE));
  const small = half.read(0, 512);
  bench.run();
  half.socket.ended = true;
  bench.run();
  expect(bench.closed()).toEqual([]);
  bench.ring.held = () => false;
  bench.run();
  expect(half.replies().map(({ cookie, error }) => [cookie, error])).toEqual([...reads, small].map((c) => [c, 0]));
  expect(bench.closed()).toEqual([half.id]);
});

it("a client that sends eight reads and closes, again and again, never has more than the place it is in", () => {
  const bench = new ExportBench({ originBytes: 16 * MIB });
  bench.ring.held = (operation) => operation.op === IoOp.Read && bench.ring.turns % 3 !== 0;
  for (let i = 0; i < 2 * MAX_CONNECTIONS_PER_WORKER; i++) {
    const client = bench.connect();
    for (let j = 0; j < 8; j++) client.read(j * MIB, MIB);
    if (i % 2 === 0) bench.turn();
    client.socket.closed = true;
    for (let turns = 0; turns < 4; turns++) bench.turn();
  }
  bench.ring.held = () => false;
  bench.run();
  const ends = bench.take(Message.ConnectionClosed);
  expect(ends).toHaveLength(2 * MAX_CONNECTIONS_PER_WORKER);
  expect(ends.filter(([, , cause]) => cause !== 0)).toEqual([]);
  expectNothingLeft(bench);
});

it("what a client asked for before DISC is done although it has gone; what another asked for, who said nothing, is given up", () => {
  const bench = new ExportBench({ originBytes: 64 * MIB });
  bench.ring.held = (operation) => operation.op === IoOp.Allocate;
  const [polite, rude] = [bench.connect(), bench.connect()];
  for (const [client, offset] of [
    [polite, 0],
    [rude, 32 * MIB],
  ] as const) {
    // More than may be under way at a time, and one more that waits for its turn.
    client.request(Command.WriteZeroes, offset, 8 * MIB);
    client.request(Command.WriteZeroes, offset + 8 * MIB, 8 * MIB);
  }
  bench.run();
  polite.disconnect();
  bench.run();
  for (const client of [polite, rude]) client.socket.closed = true;
  clock.now += STILL_READS_MS;
  bench.run();
  expect(new Set(bench.closed())).toEqual(new Set([polite.id, rude.id]));
  expect(bench.ring.underWay(IoOp.Allocate)).toBeGreaterThan(0);
  bench.ring.held = () => false;
  bench.run();
  const zeroed = (from: number, to: number): boolean => Buffer.alloc(to - from).equals(bench.origin.subarray(from, to));
  expect(zeroed(0, 16 * MIB)).toBe(true);
  expect(zeroed(32 * MIB, 48 * MIB)).toBe(false);
  expectNothingLeft(bench);
});

it("one that has said its last request, and reads on, is asked now and then: it may close later", () => {
  const bench = new ExportBench();
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  const client = bench.connect();
  client.read(0, 4096);
  bench.run();
  client.socket.ended = true;
  bench.run();
  client.socket.closed = true;
  bench.run();
  expect(bench.closed()).toEqual([]);
  clock.now += STILL_READS_MS;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  bench.ring.held = () => false;
  bench.run();
  expectNothingLeft(bench);
});

it("a worker that stops has said of each client that it is closed before it says so", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.messages = [];
  bench.send(Message.Stop, 0, 0);
  bench.run();
  const kinds = bench.messages.map(([kind]) => kind).filter((kind) => kind !== Message.VolumeStopped);
  expect([kinds, bench.closed()]).toEqual([[Message.ConnectionClosed, Message.Stopped], [client.id]]);
});

it("a worker that stops waits for what those who have gone left under way, and says so once", () => {
  const bench = new ExportBench();
  bench.ring.held = (operation) => operation.op === IoOp.Write;
  const client = bench.connect();
  client.write(0, dataPattern(4096, 2));
  bench.run();
  client.socket.gone = true;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  bench.send(Message.Stop, 0, 0);
  bench.run();
  expect(bench.loop.ended).toBe(false);
  bench.ring.held = () => false;
  bench.run();
  expect([bench.tokens(Message.Stopped).length, bench.loop.ended]).toEqual([1, true]);
});

it("a worker that stops begins nothing more of what those who have said DISC and gone had asked for", () => {
  const bench = new ExportBench({ originBytes: 16 * MIB });
  bench.ring.held = (operation) => operation.op === IoOp.Allocate;
  const client = bench.connect();
  client.request(Command.WriteZeroes, 0, 16 * MIB);
  bench.run();
  client.disconnect();
  bench.run();
  client.socket.closed = true;
  clock.now += STILL_READS_MS;
  bench.run();
  const begun = bench.ring.underWay(IoOp.Allocate);
  expect([begun > 0, bench.closed()]).toEqual([true, [client.id]]);
  bench.send(Message.Stop, 0, StopHow.Cut);
  bench.ring.held = () => false;
  bench.run();
  expect(bench.loop.ended).toBe(true);
  expect(bench.ring.log.filter(({ op }) => op === IoOp.Allocate)).toHaveLength(begun);
});

it("a cancel and a completion name their client, not only its record", () => {
  const bench = new ExportBench();
  const users = new Set<number>();
  const rounds = 3;
  for (let i = 0; i < rounds; i++) {
    const client = bench.connect();
    client.disconnect();
    bench.run();
    expect(bench.closed()).toEqual([client.id]);
    for (const { op, user } of bench.ring.log.splice(0)) if (op === IoOp.Receive) users.add(user);
  }
  expect(users.size).toBe(rounds);
});

/** A write in parts, of which the first is at a device that does not answer; `more`: so much has come behind it. */
function partUnderWay(more: number): { bench: ExportBench; client: ExportClient } {
  const bench = new ExportBench({ originBytes: MAX_WHOLE_BYTES + MIB });
  bench.ring.held = (operation) => operation.op === IoOp.Write;
  const client = bench.connect();
  const header = encodeRequest(Command.Write, 0, MAX_WHOLE_BYTES + MIB, 0, 1);
  client.socket.push(header, dataPattern(MAX_PIECE_BYTES + more, 4));
  bench.run();
  expect(bench.ring.underWay(IoOp.Write)).toBe(1);
  return { bench, client };
}

it("who goes while a part of his write is at a device leaves it, and nothing behind it", () => {
  // The part ended, and the next one was asked of nobody: that ended the thread, and with it every client's connection.
  const { bench, client } = partUnderWay(0);
  client.socket.gone = true;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  bench.ring.held = () => false;
  bench.run();
  expectNothingLeft(bench);
  const next = bench.connect();
  const read = next.read(MAX_PIECE_BYTES - 512, 1024);
  bench.run();
  const [{ cookie, data }] = next.replies();
  expect(cookie).toBe(read);
  expect(Buffer.compare(data.subarray(0, 512), dataPattern(MAX_PIECE_BYTES, 4).subarray(-512))).toBe(0);
});

it("he is found to have gone although there is no room for more of what he has sent", () => {
  // Nobody asked: he kept his place for as long as the device hung.
  const { bench, client } = partUnderWay(INBOX_BYTES);
  expect(bench.ring.underWay(IoOp.Receive)).toBe(0);
  client.socket.closed = true;
  clock.now += STILL_READS_MS;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  bench.ring.held = () => false;
  bench.run();
  expectNothingLeft(bench);
});
