/**
 * Shares of a worker's memory (E-28). One export's requests come to no end, for its device hangs: the others find records, pieces and memory. Found was that 128 reads of a mebibyte
 * of such a snapshot took every large slot of the worker.
 */
import { expect, it } from "vitest";
import { MAX_PIECES_PER_WORKER, MAX_REQUESTS_PER_WORKER } from "../../../src/base/constants.ts";
import { errno } from "../../../src/base/errno.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { cowFile } from "../../support/device-numbers.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { LIVE_VOLUME, Message } from "../../../src/ring/messages.ts";
import { mayHave } from "../../../workers/export/export-share.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { ExportClient } from "../../support/export-client.ts";

const MIB = 2 ** 20;
const CHUNK = 16384;

/** Two snapshots, the first with all its chunks, whose device does not answer. */
function hung(originBytes = 8 * MIB): ExportBench {
  const bench = new ExportBench({ originBytes, chunkBytes: CHUNK });
  const [snapshot] = [bench.addSnapshot(0), bench.addSnapshot(1)];
  for (let chunk = 0; chunk < originBytes / CHUNK; chunk++) bench.publish(snapshot, chunk, 1 + chunk);
  bench.ring.held = ({ op, file }) => (op === IoOp.Read || op === IoOp.Write) && file === cowFile(0);
  return bench;
}

/** `count` clients ask for as much as they like. */
function crowd(bench: ExportBench, count: number, name: string, ask: (client: ExportClient) => void): ExportClient[] {
  const clients = Array.from({ length: count }, () => bench.connect(name));
  for (const client of clients) ask(client);
  bench.run();
  return clients;
}

function answers(bench: ExportBench, name: string, bytes: number): void {
  const client = bench.connect(name);
  const cookies = [client.read(0, bytes), client.read(0, bytes)];
  bench.run();
  expect(client.errors(), `${bytes} of '${name}'`).toEqual({ [cookies[0]]: 0, [cookies[1]]: 0 });
}

it.each([
  [512, 256, 8],
  [MIB, 12, 2],
  [4 * MIB, 2, 4],
  [512, 40, 40],
])(
  "reads of %i bytes of a snapshot that hangs, %i by each of %i clients, leave others enough (E-28)",
  (bytes, depth, count) => {
    const bench = hung();
    const clients = crowd(bench, count, "s0", (client) => {
      for (let i = 0; i < depth; i++) client.read(0, bytes);
    });
    for (const name of ["", "s1"]) for (const size of [512, 64 * 1024, MIB, 4 * MIB]) answers(bench, name, size);
    bench.ring.held = () => false;
    bench.run();
    for (const client of clients) expect(Object.values(client.errors())).toEqual(Array(depth).fill(0));
    const { requests, pieces, slots } = bench.context;
    expect([requests.used(), pieces.used(), slots.used()]).toEqual([0, 0, 0]);
  },
);

it("clients of the origin who wait for a snapshot that hangs leave other clients of the origin enough to go on", () => {
  const bench = hung();
  bench.volume.setList([1]);
  // Main does not answer: what is to be kept waits for a device.
  const clients = crowd(bench, 4, "", (client) => {
    for (let i = 0; i < 256; i++) client.write((i * CHUNK) % (8 * MIB), dataPattern(512, 3));
  });
  expect(bench.tokens(Message.NeedOrigin).length).toBeGreaterThan(300);
  answers(bench, "", 512);
  answers(bench, "", 4096);
  answers(bench, "s1", MIB);
  expect(clients.map((client) => Object.keys(client.errors()).length)).toEqual([0, 0, 0, 0]);
});

it("who waits for memory of an export that hangs keeps none from the clients of another", () => {
  const bench = hung();
  crowd(bench, 40, "s0", (client) => void client.read(0, MIB));
  const [client] = crowd(bench, 1, "", (one) => {
    one.socket.blocked = true;
    for (let i = 0; i < 3; i++) one.read(0, MIB);
  });
  const held = bench.context.requests.all.filter(({ slot, handler }) => slot !== -1 && handler?.index === LIVE_VOLUME);
  expect(held.length).toBe(3);
  client!.socket.blocked = false;
  bench.run();
  expect(Object.values(client!.errors())).toEqual([0, 0, 0]);
});

it("a client that has as much as it may waits for itself: nobody else is to leave for it", () => {
  const bench = hung();
  const [client] = crowd(bench, 1, "s0", (one) => {
    for (let i = 0; i < 60; i++) one.read(0, 128 * 1024);
  });
  const has = bench.context.requests.all.filter(({ slot }) => slot !== -1).length;
  expect(has).toBe(32);
  expect(bench.take(Message.Waiting)).toEqual([]);
  crowd(bench, 1, "s0", (one) => {
    for (let i = 0; i < 60; i++) one.read(0, 128 * 1024);
  });
  expect(bench.take(Message.Waiting)).toHaveLength(1);
  bench.ring.held = () => false;
  bench.run();
  expect(Object.values(client!.errors())).toEqual(Array(60).fill(0));
});

it("a client that has gone leaves what hangs to its export, not to the next client at its place", () => {
  const bench = hung();
  const [gone] = crowd(bench, 1, "s0", (client) => {
    for (let i = 0; i < 8; i++) client.read(0, MIB);
  });
  gone!.socket.gone = true;
  bench.run();
  const [next] = crowd(bench, 1, "s0", () => {});
  const { connections } = bench.context;
  const place = connections.find(({ id }) => id === next!.id)!;
  expect([place.pieces, [...place.slots]]).toEqual([0, [0, 0, 0, 0]]);
  bench.ring.held = () => false;
  bench.run();
  expect([bench.context.pieces.used(), bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0, 0]);
});

it("whatever becomes of requests, all that they had comes back to their export's share and their client's", () => {
  const bench = hung();
  const names = ["", "s0"];
  const clients = names.flatMap((name) =>
    crowd(bench, 3, name, (client) => {
      for (const bytes of [512, 64 * 1024, MIB]) client.read(0, bytes);
      client.write(0, dataPattern(64 * 1024, 5));
      client.request(Command.WriteZeroes, 4096, 2 * MIB);
      client.request(Command.Trim, 4096, 2 * MIB);
    }),
  );
  // Main answers none of the origin's writes before the others are looked at.
  const handlers = new Set(
    bench.context.requests.all.map(({ handler }) => handler).filter((handler) => handler !== null),
  );
  const shares = [...handlers].map(({ share }) => share);
  expect(
    shares.some(({ requests, pieces, slots }) => requests > 0 && pieces > 0 && slots.some((used) => used > 0)),
  ).toBe(true);
  for (const client of clients.slice(1, 4)) client.socket.gone = true;
  bench.run();
  bench.ring.held = () => false;
  bench.run();
  for (const token of [...bench.tokens(Message.NeedOrigin), ...bench.tokens(Message.NeedChunk)])
    bench.release(token, errno.EIO);
  bench.run();
  const { connections, requests, pieces, slots } = bench.context;
  expect([requests.used(), pieces.used(), slots.used()]).toEqual([0, 0, 0]);
  for (const had of [...shares, ...connections]) {
    expect([had.requests, had.pieces, had.longBytes, had.longPieces, [...had.slots]]).toEqual([
      0,
      0,
      0,
      0,
      [0, 0, 0, 0],
    ]);
  }
});

it("an export that is alone has three quarters, one client of it half, and there is always something left", () => {
  const takes = (total: number, before: number, clients: number): number[] => {
    let [free, ofExport] = [total - before, 0];
    return Array.from({ length: clients }, () => {
      let own = 0;
      for (; mayHave(free, ofExport, own); free--, ofExport++) own += 1;
      return own;
    });
  };
  const sum = (all: number[]): number => all.reduce((a, b) => a + b, 0);
  for (const total of [MAX_REQUESTS_PER_WORKER, MAX_PIECES_PER_WORKER, 512, 64, 24]) {
    expect(takes(total, 0, 1)).toEqual([total / 2]);
    expect(sum(takes(total, 0, 100))).toBe((3 * total) / 4);
    expect(sum(takes(total, (3 * total) / 4, 100))).toBe(Math.floor((3 * total) / 16));
  }
  // Of three, two, and one is for another export.
  expect(takes(3, 0, 2)).toEqual([2, 0]);
  expect([mayHave(1, 0, 0), mayHave(0, 0, 0)]).toEqual([true, false]);
});
