/**
 * Clients that hold what others need: who has not finished its handshake in time, or has not moved its data for long while
 * somebody waits, is cut off when main says that the time is over; nobody else is.
 */
import { expect, it } from "vitest";
import { MAX_SEND_BYTES, TRANSFER_MS } from "../../../src/base/constants.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { CloseCause, Message } from "../../../src/ring/messages.ts";
import { encodeRequest, type ExportClient, option } from "../../support/export-client.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { stopClock } from "../../support/stopped-clock.ts";

/** For one of the two largest slots; two of them are more than one connection may hold. */
const LARGE = 7 * 2 ** 20;

const clock = stopClock();

/** [connection, cause] of those that the worker has finished with since the last call. */
function closed(bench: ExportBench): number[][] {
  return bench.take(Message.ConnectionClosed).map(([, id, cause]) => [id, cause]);
}

/** A worker whose two largest slots are held by two clients that do not read their replies. */
function bothTaken(): { bench: ExportBench; deaf: ExportClient[] } {
  const bench = new ExportBench({ originBytes: LARGE });
  const deaf = [bench.connect(), bench.connect()];
  for (const client of deaf) {
    client.socket.blocked = true;
    client.read(0, LARGE);
  }
  bench.run();
  expect(bench.context.slots.used()).toBe(2);
  expect(bench.take(Message.Waiting)).toEqual([]);
  return { bench, deaf };
}

it("two clients that do not read hold both large slots only until somebody has waited for TRANSFER_MS", () => {
  // They held them for ever: every large request of every other client of the worker waited with them.
  const { bench, deaf } = bothTaken();
  const waits = bench.connect();
  const read = waits.read(0, LARGE);
  bench.run();
  expect(bench.take(Message.Waiting)).toHaveLength(1);
  clock.now += TRANSFER_MS + 1;
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(closed(bench)).toEqual(deaf.map((client) => [client.id, CloseCause.Transfer]));
  expect(waits.errors()).toEqual({ [read]: 0 });
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("as long as nobody waits, a client may take any time to read", () => {
  const { bench, deaf } = bothTaken();
  clock.now += 100 * TRANSFER_MS;
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(closed(bench)).toEqual([]);
  for (const client of deaf) client.socket.blocked = false;
  bench.run();
  expect(deaf.map((client) => Object.values(client.errors()))).toEqual([[0], [0]]);
});

it("who waits only for itself makes nobody else leave, and clients that do not read do not throw each other out", () => {
  const { bench, deaf } = bothTaken();
  // Behind its own unread reply, and above what one connection may hold.
  for (const client of deaf) client.read(0, LARGE);
  bench.run();
  expect(bench.take(Message.Waiting)).toEqual([]);
  const also = bench.connect();
  also.socket.blocked = true;
  also.read(0, 512);
  bench.run();
  also.read(0, 2 ** 20 + 1);
  bench.run();
  expect(bench.take(Message.Waiting)).toHaveLength(1);
  clock.now += TRANSFER_MS + 1;
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(closed(bench)).toEqual([]);
});

it("a payload that does not come holds its slot no longer than that", () => {
  const bench = new ExportBench({ originBytes: LARGE });
  const slow = [bench.connect(), bench.connect()];
  for (const client of slow) client.socket.push(encodeRequest(Command.Write, 0, LARGE, 0, 1));
  bench.run();
  const waits = bench.connect();
  const read = waits.read(0, LARGE);
  // Byte by byte is not fast enough.
  for (let i = 0; i < 100; i++) {
    clock.now += TRANSFER_MS / 100 + 1;
    for (const client of slow) client.socket.push(Buffer.of(1));
    bench.run();
  }
  expect(bench.take(Message.Waiting)).toHaveLength(1);
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(closed(bench)).toEqual(slow.map((client) => [client.id, CloseCause.Transfer]));
  expect(waits.errors()).toEqual({ [read]: 0 });
  expect(Buffer.compare(bench.origin.subarray(0, 4096), Buffer.alloc(4096, 1))).not.toBe(0);
});

it("a client that came late to the slots has its time, too, and main is told again", () => {
  const { bench, deaf } = bothTaken();
  const waits = bench.connect();
  const read = waits.read(0, LARGE);
  bench.run();
  bench.take(Message.Waiting);
  clock.now += TRANSFER_MS / 2;
  deaf[0].socket.blocked = false;
  bench.run();
  deaf[0].socket.blocked = true;
  expect(waits.errors()).toEqual({ [read]: 0 });
  deaf[0].read(0, LARGE);
  bench.run();
  const again = waits.read(0, LARGE);
  bench.run();
  clock.now += TRANSFER_MS / 2 + 1;
  bench.send(Message.Relieve, 0);
  bench.run();
  // The one that has read meanwhile stays.
  expect(closed(bench)).toEqual([[deaf[1].id, CloseCause.Transfer]]);
  expect(bench.take(Message.Waiting)).toHaveLength(1);
  expect(waits.errors()).toEqual({ [again]: 0 });
});

it("twenty clients that ask and never read keep one that reads waiting no longer than one of them, whatever they have asked for", () => {
  // They took what became free in their turn, each for its time: his turn came after a round of each of them.
  const bench = new ExportBench({ originBytes: 16 * 2 ** 20 });
  const good = bench.connect();
  good.read(0, 512);
  bench.run();
  expect(Object.values(good.errors())).toEqual([0]);
  const deaf = Array.from({ length: 20 }, () => bench.connect());
  for (const client of deaf) {
    client.socket.blocked = true;
    for (let i = 0; i < 30; i++) client.read(0, 2 ** 20);
    bench.run();
  }
  const read = good.read(0, 2 ** 20);
  bench.run();
  expect(bench.take(Message.Waiting)).toHaveLength(1);
  clock.now += TRANSFER_MS + 1;
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(good.errors()).toEqual({ [read]: 0 });
  const write = good.write(0, Buffer.alloc(8 * 2 ** 20));
  bench.run();
  clock.now += TRANSFER_MS + 1;
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(good.errors()).toEqual({ [write]: 0 });
});

it("as long as somebody who has no memory waits for some, nobody gets a second slot of that size", () => {
  const bench = new ExportBench({ originBytes: 2 ** 20 });
  const deaf = [bench.connect(), bench.connect()];
  for (const client of deaf) {
    client.socket.blocked = true;
    for (let i = 0; i < 12; i++) client.read(0, 2 ** 20);
    bench.run();
  }
  const waiting = Array.from({ length: 5 }, () => bench.connect());
  for (const client of waiting) {
    client.socket.blocked = true;
    for (let i = 0; i < 12; i++) client.read(0, 2 ** 20);
  }
  bench.run();
  // Of 20 that one export may have these two had 18; the two larger ones went to two who had nothing.
  expect(bench.context.slots.used()).toBe(20);
  deaf[1].socket.blocked = false;
  deaf[1].socket.gone = true;
  bench.run();
  expect(deaf.map(({ id }) => id)).toContain(closed(bench)[0][0]);
  // Every one of the rest holds some: who has gone first has left enough.
  const holders = new Set(
    bench.context.requests.all.filter(({ slot }) => slot !== -1).map(({ connection }) => connection),
  );
  expect(holders.size).toBe(6);
  expect(bench.context.slots.used()).toBe(20);
});

it("a reply that takes longer than its time in all is not cut, as long as a part of it is read in each", () => {
  const bench = new ExportBench({ originBytes: LARGE });
  const slow = [bench.connect(), bench.connect()];
  const cookies = slow.map((client) => {
    client.socket.blocked = true;
    return client.read(0, LARGE);
  });
  bench.run();
  const waits = bench.connect();
  const read = waits.read(0, LARGE);
  bench.run();
  const parts = Math.ceil((LARGE + 16) / MAX_SEND_BYTES);
  for (let part = 0; part < parts; part++) {
    clock.now += TRANSFER_MS - 1;
    bench.send(Message.Relieve, 0);
    bench.run();
    for (const client of slow) client.socket.blocked = false;
    // One send of each.
    bench.turn();
    for (const client of slow) client.socket.blocked = part < parts - 1;
    bench.run();
  }
  expect(closed(bench)).toEqual([]);
  expect(slow.map((client) => client.errors())).toEqual(cookies.map((cookie) => ({ [cookie]: 0 })));
  const [{ cookie, data }] = waits.replies();
  expect([cookie, Buffer.compare(data, bench.origin)]).toEqual([read, 0]);
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("replies of one turn that are longer than a send by their headers only leave in one send", () => {
  // The second one was cut 32 bytes before its end, and these went alone: a tenth more of processor time for reads of 1 MiB.
  const bench = new ExportBench({ originBytes: LARGE });
  const client = bench.connect();
  const before = client.socket.sends.length;
  const cookies = [client.read(0, 2 ** 20), client.read(2 ** 20, 2 ** 20)];
  bench.run();
  expect(client.errors()).toEqual({ [cookies[0]]: 0, [cookies[1]]: 0 });
  expect(client.socket.sends.slice(before)).toEqual([MAX_SEND_BYTES + 2 * 16]);
});

it("a handshake that is not over is cut, with a client that says nothing or does not read; a client in transmission is not", () => {
  const bench = new ExportBench();
  const silent = bench.accept();
  const deaf = bench.accept();
  deaf.socket.blocked = true;
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(3);
  deaf.socket.push(flags, ...Array.from({ length: 100 }, () => option(3, Buffer.alloc(0))));
  const leaving = bench.accept();
  leaving.socket.push(flags, option(3, Buffer.alloc(0)));
  bench.run();
  leaving.socket.blocked = true;
  leaving.socket.push(option(2, Buffer.alloc(0)));
  bench.run();
  const entered = bench.connect();
  expect(bench.tokens(Message.Entered)).toEqual([entered.id]);
  for (const client of [silent, deaf, leaving, entered]) bench.send(Message.CutHandshake, client.id);
  bench.run();
  expect(closed(bench)).toEqual([silent, deaf, leaving].map((client) => [client.id, CloseCause.Handshake]));
  const read = entered.read(0, 512);
  bench.run();
  expect(entered.errors()).toEqual({ [read]: 0 });
});

it("one connection more than a worker can serve is turned away, and says so to main", () => {
  const bench = new ExportBench();
  const clients = Array.from({ length: 256 }, () => bench.accept());
  const late = bench.accept();
  expect(closed(bench)).toEqual([[late.id, CloseCause.NoRoom]]);
  clients[17].socket.gone = true;
  bench.run();
  expect(closed(bench)).toEqual([[clients[17].id, CloseCause.Ended]]);
  const next = bench.connect();
  const read = next.read(0, 512);
  bench.run();
  expect(next.errors()).toEqual({ [read]: 0 });
});
