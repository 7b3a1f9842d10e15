/**
 * Payloads of more than 32 MiB: read and sent, or received and written, part by part in one slot, which never holds more than a part.
 */
import { expect, it } from "vitest";
import { INBOX_BYTES, MAX_WHOLE_BYTES } from "../../../src/base/constants.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { encodeRequest } from "../../support/export-client.ts";
import type { FakeSocket } from "../../support/fake-socket.ts";
import { ORIGIN_FILE } from "../../support/device-numbers.ts";

const MIB = 2 ** 20;
const LENGTH = MAX_WHOLE_BYTES + MIB + 777;
const OFFSET = 5 * MIB - 1234;
const SIZE = OFFSET + LENGTH + 4096;
const [EIO, ENOSPC, EPIPE] = [5, 28, 32];
const PART_SLOTS = 1;

function largeBench(): ExportBench {
  return new ExportBench({ originBytes: SIZE, chunkBytes: 4 * MIB });
}

/** What it is sent is counted, not kept; `sample` gets the first bytes of each send. */
function countingSocket(socket: FakeSocket, sample: (bytes: Uint8Array, at: number) => void): () => number {
  let count = 0;
  socket.send = (parts) => {
    if (socket.gone || socket.closed) return -EPIPE;
    if (socket.blocked) return undefined;
    const before = count;
    for (const part of parts) {
      sample(part, count);
      count += part.length;
    }
    return count - before;
  };
  return () => count;
}

it("a read is sent in parts behind one header, holds a slot of a part's size, and no other reply goes between", () => {
  const bench = largeBench();
  const client = bench.connect();
  const before = client.socket.sent.length;
  client.read(OFFSET, LENGTH);
  client.read(0, 512);
  const wrong: number[] = [];
  const sent = countingSocket(client.socket, (bytes, at) => {
    if (at === 0 || at >= 16 + LENGTH) return;
    const expected = bench.origin.subarray(OFFSET + at - 16, OFFSET + at - 16 + bytes.length);
    if (Buffer.compare(bytes.subarray(0, expected.length), expected) !== 0) wrong.push(at);
  });
  let most = 0;
  for (let turns = 0; turns < 2000 && !(turns > 3 && bench.asleep); turns++) {
    bench.turn();
    most = Math.max(most, bench.context.slots.used());
  }
  expect(sent()).toBe(2 * 16 + LENGTH + 512);
  expect(wrong).toEqual([]);
  expect(before).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(PART_SLOTS + 1);
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("parts find room in their slot also where the first one is small, and leave the bytes of other clients alone", () => {
  // The slot was taken for the first part: of 1234 bytes here. The next ones, of a mebibyte, lay over the slots behind it.
  const bench = largeBench();
  const [reader, victim] = [bench.connect(), bench.connect()];
  countingSocket(reader.socket, () => {});
  bench.ring.held = ({ op, position }) => op === IoOp.Read && position >= OFFSET;
  reader.read(OFFSET, LENGTH);
  bench.run();
  victim.socket.blocked = true;
  victim.read(0, 16384);
  bench.run();
  bench.ring.held = () => false;
  bench.run();
  victim.socket.blocked = false;
  bench.run();
  const replies = victim.replies();
  expect(replies.map(({ error }) => error)).toEqual([0]);
  expect(Buffer.compare(replies[0].data, bench.origin.subarray(0, 16384))).toBe(0);
});

it("a part that cannot be read ends the stream; the first one's error is answered", () => {
  const bench = largeBench();
  const [later, first] = [bench.connect(), bench.connect()];
  const sent = countingSocket(later.socket, () => {});
  bench.ring.fault = ({ op, position }) => (op === IoOp.Read && position >= OFFSET + 8 * MIB ? -EIO : undefined);
  later.read(OFFSET, LENGTH);
  bench.run();
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([later.id]);
  expect(sent()).toBeLessThan(9 * MIB);
  bench.ring.fault = ({ op }) => (op === IoOp.Read ? -EIO : undefined);
  const read = first.read(OFFSET, LENGTH);
  bench.run();
  expect(first.errors()).toEqual({ [read]: EIO });
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("a write is received and written part by part, durably with FUA, and answered once, behind what else came", () => {
  const bench = largeBench();
  const client = bench.connect();
  const payload = dataPattern(LENGTH, 9);
  client.socket.push(encodeRequest(Command.Write, OFFSET, LENGTH, CommandFlag.Fua, 7));
  for (let at = 0; at < LENGTH; at += 3 * MIB) {
    client.socket.push(payload.subarray(at, at + 3 * MIB));
    bench.run();
    expect(bench.context.slots.used()).toBeLessThanOrEqual(PART_SLOTS);
  }
  expect(client.errors()).toEqual({ 7: 0 });
  expect(Buffer.compare(bench.origin.subarray(OFFSET, OFFSET + LENGTH), payload)).toBe(0);
  const writes = bench.ring.log.filter(({ op, file }) => op === IoOp.Write && file === ORIGIN_FILE);
  expect(writes.every(({ argument }) => argument === IoArg.Dsync)).toBe(true);
  const read = client.read(0, 512);
  bench.run();
  expect(client.errors()).toEqual({ [read]: 0 });
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("a write of which a part fails is answered with that when all of its payload has come, and writes no further", () => {
  const bench = largeBench();
  const client = bench.connect();
  const payload = dataPattern(LENGTH, 9);
  bench.ring.fault = ({ op, position }) => (op === IoOp.Write && position >= OFFSET + 2 * MIB ? -ENOSPC : undefined);
  client.socket.push(encodeRequest(Command.Write, OFFSET, LENGTH, 0, 7), payload.subarray(0, LENGTH - 1));
  bench.run();
  expect([client.replies(), bench.context.slots.used()]).toEqual([[], 0]);
  bench.ring.fault = () => undefined;
  client.socket.push(payload.subarray(LENGTH - 1));
  const read = client.read(0, 512);
  bench.run();
  expect(client.errors()).toEqual({ 7: ENOSPC, [read]: 0 });
  const end = bench.origin.subarray(OFFSET + 4 * MIB, OFFSET + LENGTH);
  expect(Buffer.compare(end, dataPattern(SIZE, 1).subarray(OFFSET + 4 * MIB, OFFSET + LENGTH))).toBe(0);
});

it.each(["closed", "ended"] as const)("a client that is %s in the middle of either leaves nothing", (how) => {
  const bench = largeBench();
  const [writer, reader] = [bench.connect(), bench.connect()];
  let sent = 0;
  countingSocket(reader.socket, (bytes) => {
    sent += bytes.length;
    if (sent > 4 * MIB) reader.socket.blocked = true;
  });
  bench.ring.held = ({ op }) => op === IoOp.Write;
  writer.socket.push(encodeRequest(Command.Write, OFFSET, LENGTH, 0, 7), Buffer.alloc(2 * MIB));
  reader.read(OFFSET, LENGTH);
  bench.run();
  for (const { socket } of [writer, reader]) socket[how] = true;
  bench.run();
  bench.ring.held = () => false;
  reader.socket.blocked = false;
  reader.socket.gone = true;
  bench.run();
  expect(new Set(bench.tokens(Message.ConnectionClosed))).toEqual(new Set([writer.id, reader.id]));
  expect([bench.context.slots.used(), bench.context.requests.used(), bench.context.pieces.used()]).toEqual([0, 0, 0]);
});

it.each([
  ["a receive is", MIB],
  ["none is", MIB + INBOX_BYTES],
])("a volume that stops while a part is written, and %s under way, does not wait for the next one", (_, more) => {
  const bench = largeBench();
  const client = bench.connect();
  bench.ring.held = ({ op }) => op === IoOp.Write;
  client.socket.push(encodeRequest(Command.Write, 0, LENGTH, 0, 1), dataPattern(more, 4));
  bench.run();
  bench.send(Message.StopVolume, 0, StopHow.Drain);
  bench.run();
  expect([bench.ring.underWay(IoOp.Write), bench.closed()]).toEqual([1, []]);
  bench.ring.held = () => false;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  expect([bench.context.requests.used(), bench.context.slots.used(), bench.served.isOver]).toEqual([0, 0, true]);
});

it("what a client has sent whole is done although the end of its stream comes while a part is written", () => {
  // That was taken for the end of the payload: the last part, which waited in the inbox, was thrown away with what came behind it.
  const bench = largeBench();
  const client = bench.connect();
  const tail = 5000;
  const from = 36 * MIB + tail - LENGTH;
  const payload = dataPattern(LENGTH, 9);
  bench.ring.held = ({ op, position }) => op === IoOp.Write && position >= 35 * MIB;
  client.socket.push(encodeRequest(Command.Write, from, LENGTH, 0, 7), payload);
  client.socket.push(encodeRequest(Command.Write, 0, 512, 0, 8), payload.subarray(0, 512));
  client.socket.ended = true;
  bench.run();
  bench.ring.held = () => false;
  bench.run();
  expect(Buffer.compare(bench.origin.subarray(from, from + LENGTH), payload)).toBe(0);
  expect(client.errors()).toEqual({ 7: 0, 8: 0 });
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
  expect([bench.context.slots.used(), bench.context.requests.used(), bench.context.pieces.used()]).toEqual([0, 0, 0]);
});
