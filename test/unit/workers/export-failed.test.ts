/**
 * What a failure gives back, what is looked at again, and what a short transfer means: each of these was planted as a small mistake, and
 * nothing noticed.
 */
import { describe, expect, it } from "vitest";
import {
  ORIGIN_READ_GATE,
  ORIGIN_WRITE_GATE,
  snapshotReadGate,
  snapshotWriteGate,
} from "../../../src/base/gate-numbers.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { bucketOf } from "../../../src/table/tracking.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";

const CHUNK = 16384;
const BLOCK = 4096;
const EIO = 5;
const ENOSPC = 28;
const EAGAIN = 11;
const DATA = dataPattern(700, 6);

/** One snapshot, whose chunks 20 … 22 the worker has in reserve. */
function reserved(): { readonly bench: ExportBench; readonly snapshot: BenchSnapshot } {
  const bench = new ExportBench({ reserves: true });
  const snapshot = bench.addSnapshot();
  bench.send(Message.Reserved, 0, 0, 20, 0, 3);
  return { bench, snapshot };
}

/** Nothing is held any more: memory, records, gates. */
function expectNothingHeld(bench: ExportBench): void {
  const { pieces, requests, slots } = bench.context;
  expect({ pieces: pieces.used(), requests: requests.used(), slots: slots.used() }).toEqual({
    ...{ pieces: 0, requests: 0, slots: 0 },
  });
  for (const gate of [ORIGIN_WRITE_GATE, ORIGIN_READ_GATE, snapshotWriteGate(0), snapshotReadGate(0)]) {
    expect([gate, bench.volume.gate(gate).inFlight()]).toEqual([gate, 0]);
  }
}

function tracked(snapshot: BenchSnapshot, chunk: number): number {
  const { tracking } = snapshot.words;
  return tracking.readers(bucketOf(chunk), 0) + tracking.readers(bucketOf(chunk), 1);
}

/** Something happens between the announcement of a tracked read and the second look at the table. */
function amidTracking(bench: ExportBench, happens: () => void): void {
  const { tracking } = bench.served.snapshot(0).words;
  const begin = tracking.beginRange;
  let once = false;
  tracking.beginRange = (first, count) => {
    const parities = begin.call(tracking, first, count);
    if (!once) happens();
    once = true;
    return parities;
  };
}

describe("a reserved chunk that cannot be filled", () => {
  const failures = [
    ["the origin cannot be read", IoOp.Read, -EIO],
    ["the origin has no more bytes", IoOp.Read, 0],
    ["the COW device cannot be written", IoOp.Write, -EIO],
    ["the COW device takes no byte", IoOp.Write, 0],
  ] as const;

  it.each(failures)("by a write on the snapshot gives its memory and the chunk back: %s", (_, op, result) => {
    // The slot that the chunk was put together in was never given back: after some hundred failures no write had memory.
    const { bench } = reserved();
    const client = bench.connect("s0");
    bench.ring.fault = (o) => (o.op === op && isDeviceFile(o.file) ? result : undefined);
    const write = client.write(CHUNK + 500, DATA);
    bench.run();
    const [need] = bench.tokens(Message.NeedChunk);
    bench.ring.fault = () => undefined;
    bench.release(need, ENOSPC);
    bench.run();
    expect(client.errors()).toEqual({ [write]: ENOSPC });
    expectNothingHeld(bench);
    client.write(5 * CHUNK + 500, DATA);
    bench.run();
    expect(bench.take(Message.Claim).map((m) => [m[3], m[5]])).toEqual([[5, 20]]);
  });

  it.each(failures)("by a write of the origin gives its memory and the chunk back: %s", (_, op, result) => {
    const { bench, snapshot } = reserved();
    const client = bench.connect();
    bench.ring.fault = (o) => (o.op === op && isDeviceFile(o.file) ? result : undefined);
    const write = client.write(CHUNK + 500, DATA);
    bench.run();
    const [need] = bench.tokens(Message.NeedOrigin);
    expect(bench.context.slots.used(), "the request's own").toBe(1);
    bench.ring.fault = () => undefined;
    bench.publish(snapshot, 1, 7, true);
    bench.release(need);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expectNothingHeld(bench);
    client.write(5 * CHUNK + 500, DATA);
    bench.run();
    expect(bench.take(Message.ClaimOrigin).map((m) => [m[3], m[5]])).toEqual([[5, 20]]);
  });

  it("whole, is not looked for again by the same write, and serves the next one", () => {
    const { bench } = reserved();
    const client = bench.connect("s0");
    bench.ring.fault = (o) => (o.op === IoOp.Write && isDeviceFile(o.file) ? -EIO : undefined);
    client.write(CHUNK, dataPattern(CHUNK, 3));
    bench.run();
    expect(bench.tokens(Message.NeedChunk)).toHaveLength(1);
    bench.ring.fault = () => undefined;
    client.write(5 * CHUNK, dataPattern(CHUNK, 3));
    bench.run();
    expect(bench.take(Message.Claim).map((m) => [m[3], m[5]])).toEqual([[5, 20]]);
  });

  it("is claimed by a later part of the request: only the part that failed asks main", () => {
    const { bench } = reserved();
    const client = bench.connect("s0");
    let failures = 1;
    bench.ring.fault = (o) => (o.op === IoOp.Write && isDeviceFile(o.file) && failures-- > 0 ? -EIO : undefined);
    client.write(CHUNK, dataPattern(2 * CHUNK, 3));
    bench.run();
    expect(bench.take(Message.NeedChunk).map((m) => m[3])).toEqual([1]);
    expect(bench.take(Message.Claim).map((m) => m[3])).toEqual([2]);
  });
});

it("a granted chunk that cannot be written gives its memory back before main answers", () => {
  const bench = new ExportBench();
  bench.addSnapshot();
  const client = bench.connect("s0");
  const write = client.write(500, DATA);
  bench.run();
  expect(bench.context.slots.used()).toBe(2);
  bench.ring.fault = (o) => (o.op === IoOp.Read ? 0 : undefined);
  const [token] = bench.tokens(Message.NeedChunk);
  bench.grant(token, 0, 0, 4, false);
  bench.run();
  expect(bench.take(Message.Written).map((m) => m[5])).toEqual([EIO]);
  bench.release(token, EIO);
  bench.run();
  expect(client.errors()).toEqual({ [write]: EIO });
  expectNothingHeld(bench);
});

describe("a chunk is put together from short transfers", () => {
  it.each([
    ["at its beginning", 0, 700],
    ["in its middle", 500, 700],
    ["at its end", CHUNK - 700, 700],
  ])("of a write %s", (_, offset, length) => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const write = client.write(offset, dataPattern(length, 6));
    bench.run();
    bench.ring.fault = (o) => (isDeviceFile(o.file) && (o.op === IoOp.Read || o.op === IoOp.Write) ? 1000 : undefined);
    const [token] = bench.tokens(Message.NeedChunk);
    bench.grant(token, 0, 0, 4, false);
    bench.run();
    bench.release(token);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    const whole = Buffer.from(bench.origin.subarray(0, CHUNK));
    whole.set(dataPattern(length, 6), offset);
    expect(Buffer.compare(snapshot.cow.subarray(4 * CHUNK, 5 * CHUNK), whole)).toBe(0);
  });
});

describe("a tracked read looks at all of its chunks again (C-3)", () => {
  it.each([1, 2, 4])("an exception of the %i. chunk behind the first that appears meanwhile is found", (behind) => {
    // Only the first chunk was looked at again: the others were read from the origin, which had been overwritten.
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    const view = Buffer.from(bench.origin.subarray(0, 5 * CHUNK)).fill(0x66, behind * CHUNK, (behind + 1) * CHUNK);
    amidTracking(bench, () => {
      bench.publish(snapshot, behind, 9, true, 0x66);
      bench.origin.fill(0x99, behind * CHUNK, (behind + 1) * CHUNK);
    });
    client.read(0, 5 * CHUNK);
    bench.run();
    expect(Buffer.compare(client.replies()[0].data, view)).toBe(0);
    for (let chunk = 0; chunk < 5; chunk++) expect(tracked(snapshot, chunk)).toBe(0);
    expectNothingHeld(bench);
  });

  it("and counts only those that it reads from the origin, each of their buckets", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 20, 9, true, 0x66);
    const client = bench.connect("s0");
    bench.ring.held = (o) => o.op === IoOp.Read;
    client.read(0, 40 * CHUNK);
    bench.run();
    // Buckets of eight chunks: 0 … 7, 8 … 15, 16 … 19 before the exception, 21 … 23, 24 … 31, 32 … 39 behind it.
    expect([0, 8, 16, 24, 32, 40].map((chunk) => tracked(snapshot, chunk))).toEqual([1, 1, 2, 1, 1, 0]);
    bench.ring.held = () => false;
    bench.run();
    expect([0, 8, 16, 24, 32].map((chunk) => tracked(snapshot, chunk))).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("an origin write looks at all of its chunks", () => {
  it.each([0, 1, 2, 3])("the chunk %i alone is not settled: it waits", (missing) => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    for (let chunk = 0; chunk < 4; chunk++) {
      if (chunk !== missing) bench.publish(snapshot, chunk, 10 + chunk, true);
    }
    const client = bench.connect();
    client.write(100, dataPattern(3 * CHUNK, 3));
    bench.run();
    expect(bench.take(Message.NeedOrigin)).toHaveLength(1);
    expect(bench.ring.log.some((o) => o.op === IoOp.Write)).toBe(false);
  });

  it("in every snapshot that keeps old data, also one that has overflowed", () => {
    const bench = new ExportBench();
    const [first, second] = [bench.addSnapshot(0), bench.addSnapshot(1)];
    bench.volume.setList([0, 1]);
    bench.publish(first, 0, 10, true);
    second.words.setState(SnapshotState.Overflow);
    const client = bench.connect();
    client.write(0, DATA);
    bench.run();
    expect(bench.take(Message.NeedOrigin)).toHaveLength(1);
    second.words.setState(SnapshotState.Invalid);
    const write = client.write(0, DATA);
    bench.run();
    expect([bench.take(Message.NeedOrigin).length, client.errors()]).toEqual([0, { [write]: 0 }]);
  });

  it("and asks main for its whole range, in sectors that cover it", () => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const client = bench.connect();
    client.write(CHUNK + 511, dataPattern(CHUNK + 2, 3));
    bench.run();
    expect(bench.take(Message.NeedOrigin).map((m) => m.slice(2, 5))).toEqual([[32, 0, 34]]);
  });
});

describe("a write of parts of blocks on a direct device", () => {
  /** One write, alone in its gate. */
  function alone(result: (position: number) => number | undefined): {
    readonly bench: ExportBench;
    readonly errors: Record<number, number>;
  } {
    const bench = new ExportBench({ originAlign: BLOCK });
    const client = bench.connect();
    client.write(1000, dataPattern(9000, 7));
    bench.run();
    const [[, token, gate]] = bench.take(Message.NeedExclusive);
    bench.volume.gate(gate).close();
    bench.ring.fault = (o) => (o.op === IoOp.Read ? result(o.position) : undefined);
    bench.send(Message.ExclusiveGranted, token, gate);
    bench.run();
    expect(bench.tokens(Message.ExclusiveDone)).toEqual([token]);
    bench.openGate(gate);
    bench.run();
    return { bench, errors: client.errors() };
  }

  it.each([
    ["the first block", 0, 512],
    ["the last block", 8192, 512],
    ["the first block, without a byte", 0, 0],
    ["the last block, all but a byte", 8192, BLOCK - 1],
  ])("that reads %s short fails, and nothing is written around it", (_, block, result) => {
    // What had not been read was taken for read, and the memory's old content written over the neighbours' bytes.
    const before = dataPattern(1024 * 1024, 1);
    const { bench, errors } = alone((position) => (position === block ? result : undefined));
    expect(errors).toEqual({ 1: EIO });
    expect(Buffer.compare(bench.origin, before)).toBe(0);
    expectNothingHeld(bench);
  });

  it("whose both edges fail ends once, with an error, when both are over", () => {
    const { bench, errors } = alone(() => -EIO);
    expect(errors).toEqual({ 1: EIO });
    expectNothingHeld(bench);
  });

  it("goes on from a short write where that ended", () => {
    const bench = new ExportBench({ originAlign: BLOCK });
    const client = bench.connect();
    const write = client.write(0, dataPattern(4 * BLOCK, 7));
    bench.ring.fault = (o) => (o.op === IoOp.Write ? BLOCK : undefined);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(bench.ring.log.filter((o) => o.op === IoOp.Write).map((o) => [o.position, o.length])).toEqual([
      [0, 4 * BLOCK],
      [BLOCK, 3 * BLOCK],
      [2 * BLOCK, 2 * BLOCK],
      [3 * BLOCK, BLOCK],
    ]);
    expect(Buffer.compare(bench.origin.subarray(0, 4 * BLOCK), dataPattern(4 * BLOCK, 7))).toBe(0);
  });
});

describe("a device that takes nothing more", () => {
  it.each([
    ["a write", Command.Write],
    ["zeroes", Command.WriteZeroes],
  ])("fails %s, which would go on for ever", (_, command) => {
    const bench = new ExportBench();
    const client = bench.connect();
    bench.ring.fault = (o) => (o.op === IoOp.Allocate ? -95 : o.op === IoOp.Write ? 0 : undefined);
    const payload = command === Command.Write ? dataPattern(BLOCK, 7) : new Uint8Array(0);
    const cookie = client.request(command, 0, BLOCK, 0, payload);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: EIO });
    expectNothingHeld(bench);
  });
});

it("zeroes that are written go on from a short write, and reach their end", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.fault = (o) => (o.op === IoOp.Allocate ? -95 : o.op === IoOp.Write ? 1000 : undefined);
  const cookie = client.request(Command.WriteZeroes, BLOCK, 2 * BLOCK);
  bench.run();
  expect(client.errors()).toEqual({ [cookie]: 0 });
  const after = Buffer.from(dataPattern(1024 * 1024, 1)).fill(0, BLOCK, 3 * BLOCK);
  expect(Buffer.compare(bench.origin, after)).toBe(0);
});

it.each([
  ["refused", EAGAIN, [[5, 20]]],
  ["granted", 0, [[5, 21]]],
])("a chunk in reserve whose claim was %s serves another write, or none", (_, error, next) => {
  const { bench, snapshot } = reserved();
  const client = bench.connect("s0");
  client.write(CHUNK, dataPattern(CHUNK, 3));
  bench.run();
  const [claim] = bench.tokens(Message.Claim);
  bench.publish(snapshot, 1, error === 0 ? 20 : 7);
  bench.release(claim, error);
  bench.run();
  client.write(5 * CHUNK, dataPattern(CHUNK, 3));
  bench.run();
  expect(bench.take(Message.Claim).map((m) => [m[3], m[5]])).toEqual(next);
});

it("a write of several chunks goes to each one's own place, and no further than its run", () => {
  const bench = new ExportBench();
  const snapshot = bench.addSnapshot();
  for (const [chunk, newChunk] of [
    [0, 5],
    [1, 9],
    [2, 10],
  ] as const) {
    bench.publish(snapshot, chunk, newChunk);
  }
  const before = Buffer.from(snapshot.cow);
  const client = bench.connect("s0");
  const payload = Buffer.from(dataPattern(2 * CHUNK, 7));
  const write = client.write(1000, payload);
  bench.run();
  expect(client.errors()).toEqual({ [write]: 0 });
  payload.copy(before, 5 * CHUNK + 1000, 0, CHUNK - 1000);
  payload.copy(before, 9 * CHUNK, CHUNK - 1000);
  expect(Buffer.compare(snapshot.cow, before)).toBe(0);
});

it.each([
  ["a read of the origin", "", ORIGIN_READ_GATE, Command.Read],
  ["a write of the origin", "", ORIGIN_WRITE_GATE, Command.Trim],
  ["a read of a snapshot", "s0", snapshotReadGate(0), Command.Read],
])(
  "%s that finds its gate closed says that it has left: main may have seen it in between",
  (_, name, gate, command) => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const client = bench.connect(name);
    bench.volume.gate(gate).close();
    client.request(command, 0, CHUNK);
    bench.run();
    expect(bench.take(Message.GateDrained).map((m) => m[2])).toEqual([gate]);
    expect(bench.volume.gate(gate).inFlight()).toBe(0);
  },
);
