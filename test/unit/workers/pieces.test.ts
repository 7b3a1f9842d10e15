/** From requests to pieces and back: whose turn it is, what a request ends with, and what of it is asked of main and devices besides its bytes. */
import { describe, expect, it } from "vitest";
import {
  MAX_LONG_BYTES_PER_CONNECTION,
  MAX_LONG_PIECES_PER_CONNECTION,
  MAX_PIECES_PER_REQUEST,
  MAX_PIECES_PER_WORKER,
  MAX_WHOLE_BYTES,
  STILL_READS_MS,
} from "../../../src/base/constants.ts";
import { ORIGIN_READ_GATE } from "../../../src/base/gate-numbers.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { ExportCounter } from "../../../src/ring/counters.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { Operation } from "../../../workers/export/request.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { cowFile, ORIGIN_FILE } from "../../support/device-numbers.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { encodeRequest, type ExportClient } from "../../support/export-client.ts";
import { stopClock } from "../../support/stopped-clock.ts";

const MIB = 2 ** 20;
const [EPERM, EIO, ENOSPC] = [1, 5, 28];
const CHUNK = 4096;
/** Chunks that lie scattered, and those of one read, which takes a piece for each, and a small slot. */
const SMALL = 512;
const CHUNKS = 128;
const PER_READ = 32;

const clock = stopClock();

/** A snapshot whose chunks lie scattered on its device, which reads nothing. */
function scattered(): { readonly bench: ExportBench; readonly snapshot: BenchSnapshot } {
  const bench = new ExportBench({ originBytes: CHUNKS * SMALL, chunkBytes: SMALL });
  const snapshot = bench.addSnapshot();
  for (let chunk = 0; chunk < CHUNKS; chunk++) bench.publish(snapshot, chunk, CHUNKS - chunk);
  bench.ring.held = ({ op }) => op === IoOp.Read;
  return { bench, snapshot };
}

/** Where on the COW device reads have begun since the last call, by their chunks. */
function chunksRead(bench: ExportBench): number[] {
  const reads = bench.ring.log.splice(0).filter(({ op, file }) => op === IoOp.Read && file === cowFile(0));
  return reads.map(({ position }) => CHUNKS - position / SMALL);
}

/** Reads, until the client has to wait for pieces. */
function starve(bench: ExportBench, client: ExportClient): number[] {
  const { starving } = bench.context;
  const cookies: number[] = [];
  const others = starving.length;
  for (let i = 0; i < MAX_PIECES_PER_WORKER / PER_READ && starving.length === others; i++) {
    cookies.push(client.read(0, PER_READ * SMALL));
    bench.run();
  }
  expect(starving.length).toBe(others + 1);
  return cookies;
}

/** The files that were flushed. */
function synced(bench: ExportBench): number[] {
  return bench.ring.log.filter(({ op }) => op === IoOp.Sync).map(({ file }) => file);
}

describe("the last step of FUA", () => {
  it("is none of a write that has failed", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3);
    snapshot.words.setVisible(1);
    bench.ring.fault = ({ op }) => (op === IoOp.Write ? -EIO : undefined);
    const client = bench.connect("s0");
    const write = client.write(0, dataPattern(512, 3), CommandFlag.Fua);
    bench.run();
    expect([client.errors(), bench.take(Message.NeedDurable)]).toEqual([{ [write]: EIO }, []]);
  });

  it.each([
    ["read", Command.Read, 512],
    ["cache", Command.Cache, 512],
  ])("is none of a %s: main is not asked, the device not flushed", (_, command, length) => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3);
    snapshot.words.setVisible(1);
    const client = bench.connect("s0");
    const cookie = client.request(command, 0, length, CommandFlag.Fua);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(bench.take(Message.NeedDurable)).toEqual([]);
    expect(synced(bench)).toEqual([]);
  });
});

describe("a request whose client has gone", () => {
  it.each([
    ["", 0],
    [" with FUA", CommandFlag.Fua],
  ])("and of which all is done%s counts as done", (_, flags) => {
    const bench = new ExportBench();
    bench.ring.held = ({ op }) => op === IoOp.Write;
    const client = bench.connect();
    client.write(0, dataPattern(512, 3), flags);
    bench.run();
    client.socket.gone = true;
    bench.run();
    bench.ring.held = () => false;
    bench.run();
    expect(bench.closed()).toEqual([client.id]);
    const { counters } = bench;
    expect([counters[ExportCounter.Errors], counters[ExportCounter.WrittenBytes]]).toEqual([0, 512]);
  });
});

describe("a request that fails in part", () => {
  it.each([
    ["the first error", [EIO, 0], EIO],
    ["the first error", [EIO, EPERM], EIO],
    ["that there is no room", [EIO, ENOSPC], ENOSPC],
    ["that there is no room", [ENOSPC, EIO], ENOSPC],
  ])("says %s: of %j", (_, [first, second], answer) => {
    const bench = new ExportBench({ chunkBytes: CHUNK });
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 9);
    bench.publish(snapshot, 1, 3);
    bench.ring.fault = ({ op, position }) =>
      op !== IoOp.Write ? undefined : position === 9 * CHUNK ? -first! : -second! || undefined;
    const client = bench.connect("s0");
    const write = client.write(0, dataPattern(2 * CHUNK, 3));
    bench.run();
    expect(client.errors()).toEqual({ [write]: answer });
  });

  it("goes no further, also where one piece has all of the rest", () => {
    const bench = new ExportBench({ originBytes: MIB, chunkBytes: CHUNK });
    const snapshot = bench.addSnapshot();
    for (let chunk = 0; chunk < 64; chunk += 2) bench.publish(snapshot, chunk, 1 + (chunk % 8));
    bench.volume.gate(ORIGIN_READ_GATE).close();
    const client = bench.connect();
    const read = client.read(0, 64 * CHUNK);
    bench.run();
    bench.volume.setMerging(snapshot.index);
    snapshot.words.setState(SnapshotState.Merging);
    bench.ring.fault = ({ op }) => (op === IoOp.Read ? -EIO : undefined);
    bench.openGate(ORIGIN_READ_GATE);
    bench.run();
    expect(client.errors()).toEqual({ [read]: EIO });
    expect(bench.ring.log.filter(({ op }) => op === IoOp.Read)).toHaveLength(1);
  });

  it("says why, though its volume fails before it is answered", () => {
    const bench = new ExportBench({ originBytes: 16 * MIB });
    let one = true;
    bench.ring.held = ({ op }) => op === IoOp.Allocate;
    const client = bench.connect();
    const zeroes = client.request(Command.WriteZeroes, 0, 16 * MIB);
    bench.run();
    // Both are seen in one turn: its rest still waits in the line.
    bench.ring.held = ({ op }) => op === IoOp.Allocate && !(one && !(one = false));
    bench.ring.fault = () => -ENOSPC;
    bench.turn();
    bench.send(Message.StopVolume, 0, StopHow.Abandon);
    bench.ring.fault = () => undefined;
    bench.run();
    bench.ring.held = () => false;
    bench.run();
    expect(client.errors()).toEqual({ [zeroes]: ENOSPC });
  });

  it("and of which the rest is still to come, is answered behind that, whatever of it had not begun", () => {
    const length = MAX_WHOLE_BYTES + MIB;
    const bench = new ExportBench({ originBytes: length, chunkBytes: CHUNK });
    bench.addSnapshot();
    const client = bench.connect("s0");
    const part = Buffer.alloc(MIB, 7);
    client.socket.push(encodeRequest(Command.Write, 0, length, 0, 1), part);
    bench.run();
    const tokens = bench.tokens(Message.NeedChunk);
    expect(tokens).toHaveLength(MAX_PIECES_PER_REQUEST);
    for (const token of tokens) bench.release(token, EIO);
    bench.run();
    for (let at = MIB; at < length; at += MIB) client.socket.push(part);
    bench.run();
    expect([client.errors(), bench.context.requests.used()]).toEqual([{ 1: EIO }, 0]);
  });
});

describe("zeroes", () => {
  it("do not wait for reads, however much these have under way", () => {
    const bench = new ExportBench({ originBytes: 8 * MIB });
    bench.ring.held = ({ op }) => op === IoOp.Read;
    const client = bench.connect();
    client.read(0, MAX_LONG_BYTES_PER_CONNECTION);
    const zeroes = client.request(Command.WriteZeroes, 4 * MIB, MIB);
    bench.run();
    expect(client.errors()).toEqual({ [zeroes]: 0 });
  });

  it("of a trim that end at once go on by themselves, though nothing else happens", () => {
    // Replies that leave woke the worker, as a rule.
    const bench = new ExportBench({ originBytes: 32 * MIB, chunkBytes: CHUNK });
    const snapshot = bench.addSnapshot(0, { zeroes: true });
    const client = bench.connect("s0");
    client.socket.blocked = true;
    const trims = 20;
    for (let i = 0; i < trims; i++) client.request(Command.Trim, 0, 32 * MIB);
    bench.run();
    expect(snapshot.counters[Operation.Trim]).toBe(trims);
  });

  it("of many small pieces go on before those that came later", () => {
    const bench = new ExportBench({ originBytes: MIB, chunkBytes: CHUNK });
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    client.request(Command.WriteZeroes, 0, 100 * CHUNK);
    client.request(Command.WriteZeroes, 200 * CHUNK, CHUNK);
    bench.run();
    const [first, ...others] = bench.tokens(Message.NeedChunk);
    expect(others).toHaveLength(MAX_LONG_PIECES_PER_CONNECTION - 1);
    bench.publish(snapshot, 0, 3);
    bench.release(first!);
    bench.run();
    expect(bench.take(Message.NeedChunk).map((words) => words[3])).toEqual([MAX_LONG_PIECES_PER_CONNECTION]);
  });

  it("of a trim are the worker's, also where the device takes a part of them only", () => {
    const bench = new ExportBench({ chunkBytes: CHUNK });
    const snapshot = bench.addSnapshot(0, { zeroes: true });
    bench.publish(snapshot, 0, 9, true, 0x11);
    bench.publish(snapshot, 1, 3, true, 0x11);
    bench.ring.fault = ({ op, length }) => (op === IoOp.Write && length === CHUNK - 512 ? 512 : undefined);
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 512, 2 * CHUNK - 1024);
    bench.run();
    expect(client.errors()).toEqual({ [trim]: 0 });
    const writes = bench.ring.log.filter(({ op }) => op === IoOp.Write);
    expect(writes).toHaveLength(4);
    expect(new Set(writes.map(({ address }) => address))).toEqual(new Set([bench.context.zeroAddress]));
  });
});

describe("who has found no piece", () => {
  it("is before those of his own that come later, though one has come back meanwhile", () => {
    const { bench } = scattered();
    const client = bench.connect("s0");
    client.read(0, SMALL);
    bench.run();
    starve(bench, client);
    const { starved } = bench.context.starving[0]!;
    expect(starved).toHaveLength(1);
    const next = starved[0]!.cursor / SMALL;
    expect(next).toBeGreaterThan(0);
    chunksRead(bench);
    let one = true;
    bench.ring.held = ({ op }) => op === IoOp.Read && !(one && !(one = false));
    client.read((CHUNKS - 1) * SMALL, SMALL);
    bench.run();
    expect(chunksRead(bench)).toEqual([next]);
    expect(starved.map(({ offset }) => offset)).toEqual([(CHUNKS - 1) * SMALL]);
  });

  it("stands in the line once, and no longer than he waits", () => {
    const { bench } = scattered();
    const client = bench.connect("s0");
    for (let i = 0; i < 2 * (MAX_PIECES_PER_WORKER / PER_READ); i++) client.read(0, PER_READ * SMALL);
    bench.turn();
    bench.turn();
    const { starving, pieces } = bench.context;
    expect([starving.length, starving[0]!.starved.length > 2]).toEqual([1, true]);
    bench.ring.held = () => false;
    bench.run();
    expect([starving.length, pieces.used()]).toEqual([0, 0]);
  });

  it("keeps his turn where another goes who waits for none", () => {
    const { bench } = scattered();
    const [other, client] = [bench.connect("s0"), bench.connect("s0")];
    other.read(0, SMALL);
    bench.run();
    const cookies = starve(bench, client);
    other.socket.gone = true;
    bench.run();
    expect(bench.closed()).toEqual([other.id]);
    bench.ring.held = () => false;
    bench.run();
    expect(client.replies().map(({ cookie, error }) => [cookie, error])).toEqual(cookies.map((cookie) => [cookie, 0]));
    expect(bench.context.pieces.free()).toBe(MAX_PIECES_PER_WORKER);
  });

  it("gets the flush that he has asked for (C-13)", () => {
    const { bench } = scattered();
    const client = bench.connect("s0");
    starve(bench, client);
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    expect(synced(bench)).toEqual([]);
    bench.ring.held = () => false;
    bench.run();
    expect([synced(bench), client.errors()[flush]]).toEqual([[cowFile(0)], 0]);
  });

  it("and goes behind a flush, flushes nothing", () => {
    const { bench } = scattered();
    const client = bench.connect("s0");
    starve(bench, client);
    client.request(Command.Flush, 0, 0);
    bench.run();
    client.socket.gone = true;
    bench.run();
    bench.ring.held = () => false;
    bench.run();
    expect([synced(bench), bench.context.requests.used()]).toEqual([[], 0]);
  });

  it("and goes behind DISC, has it done; nobody comes to wait in his place", () => {
    const { bench, snapshot } = scattered();
    // Of the last one not even a piece may begin: they have all that their export may have.
    const clients = Array.from({ length: 10 }, () => bench.connect("s0"));
    const reads = clients.flatMap((client) => starve(bench, client));
    const { starving, connections, heirs, requests } = bench.context;
    for (const client of clients) {
      client.disconnect();
      bench.run();
      client.socket.closed = true;
      clock.now += STILL_READS_MS;
      bench.run();
      expect(bench.closed()).toEqual([client.id]);
      expect(starving.filter((one) => one === heirs[1])).toHaveLength(1);
    }
    expect(starving).toHaveLength(1);
    expect(connections.filter(({ isStarving, starved }) => isStarving || starved.length > 0)).toEqual([]);
    bench.ring.held = () => false;
    bench.run();
    const { counters } = snapshot;
    expect([counters[Operation.Read], counters[ExportCounter.Errors]]).toEqual([reads.length, 0]);
    expect([starving.length, requests.used()]).toEqual([0, 0]);
  });

  it("and goes, is given up at once", () => {
    const { bench } = scattered();
    const clients = [bench.connect("s0"), bench.connect("s0")];
    for (const client of clients) starve(bench, client);
    const { starving, requests } = bench.context;
    expect(starving.length).toBe(2);
    const before = requests.used();
    for (const { socket } of clients) socket.gone = true;
    bench.run();
    expect(starving.length).toBe(0);
    // What is at the device stays, with its requests.
    expect([requests.used() <= before, bench.ring.underWay(IoOp.Read)]).toEqual([true, bench.context.pieces.used()]);
    bench.ring.held = () => false;
    bench.run();
    expect([requests.used(), bench.context.pieces.used()]).toEqual([0, 0]);
    expect(bench.ring.log.some(({ file }) => file === ORIGIN_FILE)).toBe(false);
  });
});
