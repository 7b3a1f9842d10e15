/**
 * More requests than there are records, pieces and slots: everybody waits in turn, nobody is answered twice, nobody sleeps for ever.
 */
import { expect, it } from "vitest";
import { MAX_PIECES_PER_WORKER } from "../../../src/base/constants.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { ExportClient } from "../../support/export-client.ts";
import type { FakeOperation } from "../../support/fake-ring.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const EIO = 5;
/** As many as one client may have. */
const PIECES: number = MAX_PIECES_PER_WORKER / 2;
const CHUNK = 4096;
const CHUNKS = 128;
/** A read of so many chunks that lie scattered on the COW device takes a piece for each. */
const PER_READ = 32;
const READ_BYTES = PER_READ * CHUNK;

/** A bench whose snapshot has every chunk, in descending order, and a read that has found the last free piece. */
function exhausted(): { bench: ExportBench; client: ExportClient; last: number; cookies: number[]; place: number } {
  const bench = new ExportBench({ originBytes: CHUNKS * CHUNK, chunkBytes: CHUNK });
  const snapshot = bench.addSnapshot();
  for (let chunk = 0; chunk < CHUNKS; chunk++) bench.publish(snapshot, chunk, CHUNKS - chunk);
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  const client = bench.connect("s0");
  const cookies = [client.read(0, CHUNK)];
  for (let i = 0; i < PIECES / PER_READ - 1; i++) cookies.push(client.read(0, READ_BYTES));
  // One piece less than it takes.
  const place = 2 * READ_BYTES;
  const last = client.read(place, READ_BYTES);
  bench.run();
  expect(bench.ring.underWay(IoOp.Read)).toBe(PIECES);
  return { bench, client, last, cookies: [...cookies, last], place };
}

/** The operations of the read that found too few pieces. */
function isLast(place: number): (operation: FakeOperation) => boolean {
  const first = CHUNKS - place / CHUNK;
  return ({ position }) => position <= first * CHUNK && position > (first - PER_READ) * CHUNK;
}

it("a read that found too few pieces, and then ends, is answered once", () => {
  // It stood in the list of the starved while its own pieces carried it to its end, and was ended again from there.
  const { bench, client, last, cookies, place } = exhausted();
  const own = isLast(place);
  let one = true;
  bench.ring.held = (operation) => operation.op === IoOp.Read && !(own(operation) && one && !(one = false));
  bench.run();
  bench.ring.held = (operation) => operation.op === IoOp.Read && !own(operation);
  bench.run();
  expect(client.replies().map(({ cookie }) => cookie)).toEqual([last]);
  bench.ring.held = () => false;
  bench.run();
  expect(client.replies().map(({ cookie }) => cookie)).toEqual(cookies.slice(0, -1));
  const whole = client.read(0, READ_BYTES);
  bench.run();
  const [{ cookie, data }] = client.replies();
  expect([cookie, Buffer.compare(data, bench.origin.subarray(0, READ_BYTES))]).toEqual([whole, 0]);
});

it("a read that found too few pieces, and then fails, is answered once", () => {
  const { bench, client, last, place } = exhausted();
  const own = isLast(place);
  bench.ring.held = (operation) => operation.op === IoOp.Read && !own(operation);
  bench.ring.fault = (operation) => (own(operation) ? -EIO : undefined);
  bench.run();
  expect(client.replies().map(({ cookie, error }) => [cookie, error])).toEqual([[last, EIO]]);
});

it("requests that found no piece go on in the order of arrival", () => {
  const { bench, client, cookies } = exhausted();
  const flush = client.request(Command.Flush, 0, 0);
  const write = client.write(0, dataPattern(512, 3), CommandFlag.Fua);
  bench.run();
  bench.ring.held = () => false;
  bench.run();
  const order = client.replies().map(({ cookie }) => cookie);
  expect(order.sort((a, b) => a - b)).toEqual([...cookies, flush, write]);
});

it("sleeps while every piece waits at main", () => {
  // It span until main answered.
  const bench = new ExportBench({ originBytes: 16 * 2 ** 20, chunkBytes: CHUNK });
  bench.addSnapshot();
  const client = bench.connect("s0");
  const writes = PIECES / PER_READ;
  for (let i = 0; i < writes; i++) client.write(i * READ_BYTES, dataPattern(READ_BYTES, 5));
  client.write(writes * READ_BYTES, dataPattern(CHUNK, 5));
  bench.run();
  expect(bench.tokens(Message.NeedChunk)).toHaveLength(PIECES);
});
