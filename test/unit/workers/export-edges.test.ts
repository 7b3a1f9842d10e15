/**
 * Direct devices take whole blocks: what a request covers only in part is read, put around its bytes, and written alone.
 */
import { describe, expect, it } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { ORIGIN_WRITE_GATE, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ORIGIN_FILE } from "../../support/device-numbers.ts";

const MIB = 2 ** 20;
const EIO = 5;
const EIO_RESULT = -5;

/** Let every write that asks for it be alone, one after the other, as main does. */
function grantExclusives(bench: ExportBench): number {
  let granted = 0;
  for (;;) {
    const waiting = bench.take(Message.NeedExclusive);
    if (waiting.length === 0) return granted;
    for (const [, token, gate] of waiting) {
      bench.volume.gate(gate).close();
      bench.run();
      expect(bench.volume.gate(gate).inFlight()).toBe(0);
      bench.send(Message.ExclusiveGranted, token, gate);
      bench.run();
      expect(bench.tokens(Message.ExclusiveDone)).toEqual([token]);
      bench.openGate(gate);
      bench.run();
      granted += 1;
    }
  }
}

/** The bytes as they should be after a write. */
function written(before: Uint8Array, offset: number, payload: Uint8Array): Buffer {
  const after = Buffer.from(before);
  after.set(payload, offset);
  return after;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

describe("a write of parts of blocks", () => {
  it("is durable where it is to be; what stands around it is just read", () => {
    const bench = new ExportBench({ originAlign: 4096 });
    const client = bench.connect();
    client.write(5000, dataPattern(5000, 3), CommandFlag.Fua);
    bench.run();
    expect(grantExclusives(bench)).toBe(1);
    const done = bench.ring.log.filter(
      ({ op, file }) => file === ORIGIN_FILE && (op === IoOp.Read || op === IoOp.Write),
    );
    expect(done.map(({ op, argument }) => [op, argument])).toEqual([
      ...[
        [IoOp.Read, 0],
        [IoOp.Read, 0],
      ],
      [IoOp.Write, IoArg.Dsync],
    ]);
  });

  it.each([
    [1000, 5000],
    [0, 100],
    [4000, 96],
    [100, 300],
    [4096, 5000],
    [5000, 3192],
    [8191, 2],
    [512, 3 * MIB + 17],
    [MIB - 1, 2 * MIB + 2],
  ])("at %i, of %i bytes of the origin changes nothing around it", (offset, length) => {
    const bench = new ExportBench({ originBytes: 4 * MIB, originAlign: 4096 });
    const client = bench.connect();
    const payload = dataPattern(length, 7);
    const after = written(bench.origin, offset, payload);
    const cookie = client.write(offset, payload);
    bench.run();
    grantExclusives(bench);
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(sameBytes(bench.origin, after)).toBe(true);
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
  });

  it("of a snapshot whose chunks are larger than one device operation loses nothing where operations meet", () => {
    // Operations met at any byte; the block there was read, and laid over the bytes of the request's next operation.
    const chunkBytes = 4 * MIB;
    const bench = new ExportBench({ originBytes: 8 * MIB, chunkBytes, cowAlign: 4096 });
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 1);
    const client = bench.connect("s0");
    const payload = dataPattern(3 * MIB, 7);
    const after = written(snapshot.cow, chunkBytes + 512, payload);
    const cookie = client.write(512, payload);
    bench.run();
    grantExclusives(bench);
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(sameBytes(snapshot.cow, after)).toBe(true);
  });

  it("of the merging volume with such chunks loses nothing, either", () => {
    const chunkBytes = 4 * MIB;
    const bench = new ExportBench({ originBytes: 8 * MIB, chunkBytes, originAlign: 4096, cowAlign: 4096 });
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 1);
    snapshot.words.setState(SnapshotState.Merging);
    bench.volume.setList([]);
    bench.volume.setMerging(0);
    const client = bench.connect();
    const payload = dataPattern(5 * MIB, 7);
    const onCow = written(snapshot.cow, chunkBytes + 1000, payload.subarray(0, chunkBytes - 1000));
    const onOrigin = written(bench.origin, chunkBytes, payload.subarray(chunkBytes - 1000));
    const cookie = client.write(1000, payload);
    bench.run();
    grantExclusives(bench);
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(sameBytes(snapshot.cow, onCow)).toBe(true);
    expect(sameBytes(bench.origin, onOrigin)).toBe(true);
  });

  it("is durable with FUA", () => {
    const bench = new ExportBench({ originAlign: 4096 });
    const client = bench.connect();
    client.write(100, dataPattern(100, 7), CommandFlag.Fua);
    bench.run();
    grantExclusives(bench);
    const writes = bench.ring.log.filter((operation) => operation.op === IoOp.Write);
    expect(writes.map((operation) => operation.argument)).toEqual([IoArg.Dsync]);
  });

  it("fails without a write where an edge cannot be read, and is alone no longer", () => {
    const bench = new ExportBench({ originAlign: 4096 });
    const client = bench.connect();
    bench.ring.fault = (operation) => (operation.op === IoOp.Read ? EIO_RESULT : undefined);
    const cookie = client.write(100, dataPattern(9000, 7));
    bench.run();
    expect(grantExclusives(bench)).toBe(1);
    expect(client.errors()).toEqual({ [cookie]: EIO });
    expect(bench.ring.log.some((operation) => operation.op === IoOp.Write)).toBe(false);
  });

  it("whose snapshot has become invalid while it waited to be alone fails, and is alone no longer", () => {
    const bench = new ExportBench({ cowAlign: 4096 });
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3);
    const client = bench.connect("s0");
    const cookie = client.write(100, dataPattern(100, 7));
    bench.run();
    const [[, token, gate]] = bench.take(Message.NeedExclusive);
    expect(gate).toBe(snapshotWriteGate(0));
    snapshot.words.setState(SnapshotState.Invalid);
    bench.send(Message.ExclusiveGranted, token, gate);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: EIO });
    expect(bench.tokens(Message.ExclusiveDone)).toEqual([token]);
  });
});

describe("a read of parts of blocks", () => {
  it.each([
    [0, 1],
    [511, 2],
    [4095, 4098],
    [1234, 300_000],
  ])("at %i, of %i bytes, gets just these", (offset, length) => {
    const bench = new ExportBench({ originAlign: 4096, cowAlign: 4096 });
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 1, 5, false, 0x77);
    const origin = bench.connect();
    const client = bench.connect("s0");
    const view = Buffer.from(bench.origin).fill(0x77, 16384, 32768);
    origin.read(offset, length);
    client.read(offset, length);
    bench.run();
    expect(sameBytes(origin.replies()[0].data, bench.origin.subarray(offset, offset + length))).toBe(true);
    expect(sameBytes(client.replies()[0].data, view.subarray(offset, offset + length))).toBe(true);
  });
});

describe("zeroes at any byte", () => {
  it.each([
    [1, 1, 1],
    [1, 4095, 8194],
    [512, 1000, 10_000],
    [512, 8192, 2808],
    [4096, 100, 200],
    [4096, 100, 30_000],
    [4096, 4096, 100],
  ])("with blocks of %i: from %i on, %i bytes, are zeroes, and nothing around them", (align, offset, length) => {
    const chunkBytes = Math.max(512, align);
    const bench = new ExportBench({ originBytes: 65536, chunkBytes, originAlign: align, cowAlign: align });
    const snapshot = bench.addSnapshot();
    for (let chunk = 0; chunk < 65536 / chunkBytes; chunk++) bench.publish(snapshot, chunk, chunk + 3);
    bench.volume.setList([]);
    for (const client of [bench.connect(), bench.connect("s0")]) {
      const cookie = client.request(Command.WriteZeroes, offset, length);
      bench.run();
      grantExclusives(bench);
      expect(client.errors()).toEqual({ [cookie]: 0 });
    }
    const after = written(dataPattern(65536, 1), offset, Buffer.alloc(length));
    expect(sameBytes(bench.origin, after)).toBe(true);
    const from = 3 * chunkBytes;
    expect(sameBytes(snapshot.cow.subarray(from, from + 65536), after)).toBe(true);
  });

  it("a chunk that had to wait is zeroes, whatever the edges of the request's end brought into memory", () => {
    // All operations of the last page shared one range of memory, and the last of them lays its block's other bytes there.
    const bench = new ExportBench({ originBytes: 65536, chunkBytes: 512, cowAlign: 512 });
    const snapshot = bench.addSnapshot();
    for (let chunk = 0; chunk < 128; chunk++) if (chunk !== 17) bench.publish(snapshot, chunk, chunk + 3);
    const client = bench.connect("s0");
    const cookie = client.request(Command.WriteZeroes, 8192, 2808);
    bench.run();
    const [need] = bench.take(Message.NeedChunk);
    grantExclusives(bench);
    bench.grant(need[1], 0, 17, 132, true);
    bench.run();
    expect(bench.tokens(Message.Written)).toEqual([need[1]]);
    bench.release(need[1]);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(sameBytes(snapshot.cow.subarray(132 * 512, 133 * 512), Buffer.alloc(512))).toBe(true);
  });
});

it("a write that asks to be alone has left its gate before main hears of it, and fails where its snapshot is gone by then (C-17, C-19)", () => {
  // Main saw the gate empty, took the snapshot off, and then met the message: an assertion that ended the volume.
  const bench = new ExportBench({ cowAlign: 4096 });
  const snapshot = bench.addSnapshot(0);
  bench.publish(snapshot, 0, 1);
  const client = bench.connect("s0");
  const gate = bench.volume.gate(snapshotWriteGate(0));
  const before = snapshot.cow.slice();
  bench.deaf = true;
  const cookie = client.write(512, dataPattern(512, 7));
  bench.run();
  expect([gate.inFlight(), bench.tokens(Message.NeedExclusive)]).toEqual([0, []]);
  snapshot.words.setState(SnapshotState.Absent);
  bench.deaf = false;
  bench.run();
  bench.release(bench.tokens(Message.NeedExclusive)[0], EIO);
  bench.run();
  expect([client.errors(), gate.inFlight()]).toEqual([{ [cookie]: EIO }, 0]);
  expect(sameBytes(snapshot.cow, before)).toBe(true);
});
