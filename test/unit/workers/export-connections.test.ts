/**
 * Connections: how they begin, wait for room and end, with requests in flight and with clients that vanish.
 */
import { expect, it } from "vitest";
import { MAX_REQUESTS_PER_CONNECTION } from "../../../src/base/constants.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { encodeRequest, option } from "../../support/export-client.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const MIB = 2 ** 20;
const EIO = 5;

it("reads through the origin while a snapshot's client is served, each its own reply", () => {
  const bench = new ExportBench();
  bench.addSnapshot();
  const origin = bench.connect();
  const other = bench.connect("s0");
  const a = origin.read(1000, 3000);
  const b = other.read(5, 100);
  bench.run();
  expect(origin.replies()).toEqual([{ cookie: a, error: 0, data: Buffer.from(bench.origin.subarray(1000, 4000)) }]);
  expect(other.replies()).toEqual([{ cookie: b, error: 0, data: Buffer.from(bench.origin.subarray(5, 105)) }]);
});

it("takes a request that comes byte by byte", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  const payload = dataPattern(700, 4);
  for (const byte of Buffer.concat([encodeRequest(Command.Write, 512, 700, 0, 77), payload])) {
    client.socket.push(Buffer.of(byte));
    bench.run();
  }
  expect(client.errors()).toEqual({ 77: 0 });
  expect(Buffer.compare(bench.origin.subarray(512, 1212), payload)).toBe(0);
});

it("after DISC every request under way is answered, then the connection is closed", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  const read = client.read(0, 512);
  client.disconnect();
  bench.run();
  expect(bench.closed()).toEqual([]);
  bench.ring.held = () => false;
  bench.run();
  expect(client.errors()).toEqual({ [read]: 0 });
  expect(bench.closed()).toEqual([client.id]);
});

it("a DISC that comes together with the option is no reason to wait for the client to close", () => {
  // It was parsed while the next receive was under way, which nobody cancelled: the worker could not be stopped, not even cut.
  const bench = new ExportBench();
  const client = bench.accept();
  client.enter("");
  client.disconnect();
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  expect(bench.ring.underWay(IoOp.Receive)).toBe(0);
  bench.send(Message.Stop, 0, 0);
  bench.run();
  expect(bench.tokens(Message.Stopped)).toHaveLength(1);
});

it("an unknown export closes the connection at once, also where more than the option has come", () => {
  const bench = new ExportBench();
  const client = bench.accept();
  client.enter("nobody");
  client.socket.push(Buffer.alloc(100));
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
});

it("a client that floods the handshake with options gets every answer", () => {
  // The inbox was full of options that wait for their turn; a receive without room for a byte looks like the end of the stream.
  const bench = new ExportBench();
  const client = bench.accept();
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(3);
  const unknown = option(99, Buffer.alloc(1000));
  const options = 200;
  client.socket.push(flags, ...Array.from({ length: options }, () => unknown));
  client.socket.push(option(1, Buffer.alloc(0)));
  const { socket } = client;
  socket.blocked = true;
  bench.run();
  expect(bench.closed()).toEqual([]);
  socket.blocked = false;
  bench.run();
  const reply = 20 + "option is not supported".length;
  expect(socket.sent.length).toBe(18 + options * reply + 10);
});

it("a client that vanishes in the middle of a payload gives its slot back", () => {
  const bench = new ExportBench();
  const slots = bench.context.slots;
  const client = bench.connect();
  client.socket.push(encodeRequest(Command.Write, 0, 100_000, 0, 1), dataPattern(50_000, 2));
  bench.run();
  expect(slots.used()).toBe(1);
  client.socket.gone = true;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  expect([slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
  expect(Buffer.compare(bench.origin, dataPattern(bench.origin.length, 1))).toBe(0);
});

it("a client that vanishes with requests in flight is forgotten at once, and its record serves the next", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  for (let i = 0; i < 5; i++) client.read(i * 4096, 4096);
  bench.run();
  client.socket.gone = true;
  bench.run();
  expect(bench.closed()).toEqual([client.id]);
  bench.ring.held = () => false;
  bench.run();
  const next = bench.connect();
  const read = next.read(0, 512);
  bench.run();
  expect(next.errors()).toEqual({ [read]: 0 });
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("slots of a client that has gone go to those who wait, though nothing else happens", () => {
  // They came back at the very end of a turn, behind the look at who waits; the worker then slept on it.
  const bench = new ExportBench({ originBytes: 4 * MIB });
  const gone = bench.connect();
  const waits = bench.connect();
  gone.socket.blocked = true;
  gone.read(0, 512);
  bench.run();
  gone.read(0, 2 * MIB);
  gone.read(0, 2 * MIB);
  bench.run();
  const read = waits.read(0, 2 * MIB);
  bench.run();
  expect(waits.replies()).toEqual([]);
  gone.socket.gone = true;
  bench.run();
  expect(waits.errors()).toEqual({ [read]: 0 });
});

it("a client that does not read its replies leaves records to the others", () => {
  // It took every record: nobody else on this worker was served until it went.
  const bench = new ExportBench();
  const greedy = bench.connect();
  const modest = bench.connect();
  greedy.socket.blocked = true;
  for (let i = 0; i < 2000; i++) greedy.request(Command.Flush, 0, 0);
  bench.run();
  expect(bench.context.requests.used()).toBe(MAX_REQUESTS_PER_CONNECTION);
  const read = modest.read(0, 512);
  bench.run();
  expect(modest.errors()).toEqual({ [read]: 0 });
  greedy.socket.blocked = false;
  bench.run();
  expect(greedy.replies()).toHaveLength(2000);
});

it("a worker that is told to stop answers what is under way, and takes nothing new", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  const read = client.read(0, 512);
  bench.run();
  bench.send(Message.Stop, 0, 0);
  bench.run();
  client.read(512, 512);
  bench.run();
  expect(bench.loop.ended).toBe(false);
  bench.ring.held = () => false;
  bench.run();
  expect(client.errors()).toEqual({ [read]: 0 });
  expect([bench.closed(), bench.tokens(Message.Stopped).length, bench.loop.ended]).toEqual([[client.id], 1, true]);
});

it("a worker that is told to cut does not wait for clients that do not read", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  client.socket.blocked = true;
  client.read(0, 512);
  bench.run();
  client.read(0, 512);
  bench.run();
  bench.send(Message.Stop, 0, 0);
  bench.run();
  expect(bench.loop.ended).toBe(false);
  bench.send(Message.Stop, 0, 1);
  bench.run();
  expect([bench.closed(), bench.loop.ended]).toEqual([[client.id], true]);
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("a worker whose main is dead ends what waits for it with an error (Stop 2)", () => {
  // Requests that waited at main kept their connections, and so the worker and the volume's close waited for ever.
  const bench = new ExportBench();
  const snapshot = bench.addSnapshot();
  bench.publish(snapshot, 1, 9);
  const writer = bench.connect();
  const first = writer.write(0, dataPattern(512, 2));
  bench.volume.gate(ORIGIN_READ_GATE).close();
  const parked = writer.read(0, 512);
  bench.run();
  bench.volume.gate(ORIGIN_WRITE_GATE).close();
  const held = writer.write(0, dataPattern(512, 2));
  const copy = bench.connect("s0");
  const part = copy.write(0, dataPattern(512, 2));
  bench.run();
  bench.send(Message.Stop, 0, 2);
  bench.run();
  expect(writer.errors()).toEqual({ [first]: EIO, [parked]: EIO, [held]: EIO });
  expect(copy.errors()).toEqual({ [part]: EIO });
  expect(bench.loop.ended).toBe(true);
  expect([bench.context.slots.used(), bench.context.pieces.used()]).toEqual([0, 0]);
});

it("says Stopped also where the ring to main is full", () => {
  // The last message went into the queue behind the full ring, and the loop ended with it.
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.held = (operation) => operation.op === IoOp.Read;
  client.read(0, 512);
  bench.run();
  bench.deaf = true;
  bench.send(Message.Stop, 0, 0);
  // Who comes now is turned away.
  for (let i = 0; i < 4100; i++) {
    bench.send(Message.Adopt, 1000 + i, -1);
    bench.turn();
  }
  bench.ring.held = () => false;
  for (let i = 0; i < 10; i++) bench.turn();
  bench.deaf = false;
  for (let i = 0; i < 10; i++) bench.turn();
  expect(bench.tokens(Message.Stopped)).toHaveLength(1);
  expect(bench.loop.ended).toBe(true);
});

it("a connection that failed while it waited for room is not read for its successor, who is greeted and served", () => {
  // Its record was read once more after its end, which closed whoever came next.
  const bench = new ExportBench();
  for (let round = 0; round < 3; round++) {
    const crowd = bench.connect();
    bench.ring.held = (operation) => operation.op === IoOp.Read;
    const reads = Array.from({ length: 4 }, () => bench.connect());
    for (const one of [crowd, ...reads]) for (let i = 0; i < MAX_REQUESTS_PER_CONNECTION; i++) one.read(0, 512);
    bench.run();
    crowd.read(0, 512);
    for (const one of reads) one.read(0, 512);
    bench.run();
    for (const one of reads) one.socket.gone = true;
    bench.run();
    crowd.socket.gone = true;
    bench.ring.held = () => false;
    bench.run();
    expect(bench.closed()).toHaveLength(5);
    const successors = Array.from({ length: 6 }, () => bench.connect());
    for (const one of successors) {
      const read = one.read(0, 512);
      bench.run();
      expect(one.errors()).toEqual({ [read]: 0 });
      one.disconnect();
    }
    bench.run();
    expect(bench.closed()).toHaveLength(6);
  }
});
