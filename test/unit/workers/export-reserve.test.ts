/**
 * Chunks that a worker holds in reserve: a first write fills one and claims it, whoever was faster wins.
 */
import { describe, expect, it } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { EPOCH_SHIFT } from "../../support/raw-message.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";

const CHUNK = 16384;
const EIO = 5;
const EAGAIN = 11;

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function chunkOf(device: Uint8Array, chunk: number): Uint8Array {
  return device.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
}

describe("chunks in reserve", () => {
  /** A snapshot whose worker has the chunks 20 … 22 in reserve. */
  function reserved(epoch = 0): { bench: ExportBench; snapshot: BenchSnapshot } {
    const bench = new ExportBench({ reserves: true });
    const snapshot = bench.addSnapshot();
    bench.send(Message.Reserved, 0, epoch << EPOCH_SHIFT, 20, 0, 3);
    return { bench, snapshot };
  }

  it("are filled before main is asked, inside of the write gate, and claimed (C-15)", () => {
    const { bench, snapshot } = reserved();
    const client = bench.connect("s0");
    bench.ring.held = (o) => o.op === IoOp.Write;
    const write = client.write(CHUNK + 500, dataPattern(700, 6));
    bench.run();
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(1);
    bench.ring.held = () => false;
    bench.run();
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
    const [claim] = bench.take(Message.Claim);
    expect(claim.slice(2, 7)).toEqual([0, 1, 0, 20, 0]);
    expect(client.replies()).toEqual([]);
    bench.release(claim[1]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    const whole = Buffer.from(chunkOf(bench.origin, 1));
    whole.set(dataPattern(700, 6), 500);
    expect(same(chunkOf(snapshot.cow, 20), whole)).toBe(true);
  });

  it("serve another write where the claim came too late, and the write goes where the chunk is now", () => {
    const { bench, snapshot } = reserved();
    const client = bench.connect("s0");
    const write = client.write(CHUNK + 500, dataPattern(700, 6));
    bench.run();
    const [late] = bench.tokens(Message.Claim);
    bench.publish(snapshot, 1, 7, false, 0x99);
    bench.release(late, EAGAIN);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(same(snapshot.cow.subarray(7 * CHUNK + 500, 7 * CHUNK + 1200), dataPattern(700, 6))).toBe(true);
    expect(bench.context.slots.used()).toBe(0);
    client.write(5 * CHUNK, dataPattern(700, 6));
    bench.run();
    expect(bench.take(Message.Claim).map((m) => [m[3], m[5]])).toEqual([[5, 20]]);
  });

  it("are void after a change of the epoch (C-15)", () => {
    const { bench, snapshot } = reserved();
    bench.run();
    snapshot.words.setReserveEpoch(1);
    const client = bench.connect("s0");
    client.write(CHUNK + 500, dataPattern(700, 6));
    bench.run();
    expect(bench.take(Message.Claim)).toEqual([]);
    expect(bench.take(Message.NeedChunk)).toHaveLength(1);
  });

  it("take the ordinary way where they cannot be filled", () => {
    const { bench } = reserved();
    const client = bench.connect("s0");
    bench.ring.fault = (o) => (o.op === IoOp.Write ? -EIO : undefined);
    client.write(CHUNK + 500, dataPattern(700, 6));
    bench.run();
    expect(bench.take(Message.Claim)).toEqual([]);
    expect(bench.take(Message.NeedChunk)).toHaveLength(1);
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
  });

  it("are asked for with the first write, and not with each", () => {
    const bench = new ExportBench({ reserves: true });
    bench.addSnapshot(3);
    const client = bench.connect("s3");
    const asked = (): number[][] => bench.take(Message.NeedReserve).map((message) => message.slice(1, 4));
    client.write(0, dataPattern(512, 6));
    bench.run();
    expect(asked()).toEqual([[0, 3, 4]]);
    client.write(CHUNK, dataPattern(512, 6));
    bench.run();
    expect(asked()).toEqual([]);
    expect(bench.take(Message.NeedChunk)).toHaveLength(2);
  });

  it("are written durably where the write is to be, and what belongs beside it is just read", () => {
    for (const [flags, argument] of [
      [CommandFlag.Fua, IoArg.Dsync],
      [0, 0],
    ]) {
      const { bench } = reserved();
      const client = bench.connect("s0");
      client.write(CHUNK + 500, dataPattern(700, 6), flags);
      bench.run();
      const arguments_ = (op: number): number[] =>
        bench.ring.log.filter((o) => o.op === op && isDeviceFile(o.file)).map((o) => o.argument);
      expect([arguments_(IoOp.Read), arguments_(IoOp.Write)]).toEqual([[0], [argument]]);
    }
  });

  it("serve a whole chunk of zeroes, too", () => {
    const { bench, snapshot } = reserved();
    const client = bench.connect("s0");
    const zero = client.request(Command.WriteZeroes, 0, CHUNK);
    bench.run();
    const [claim] = bench.take(Message.Claim);
    snapshot.table.publish(0, 20, EntryState.Visible);
    bench.release(claim[1]);
    bench.run();
    expect(client.errors()).toEqual({ [zero]: 0 });
    expect(same(chunkOf(snapshot.cow, 20), Buffer.alloc(CHUNK))).toBe(true);
  });

  it("are not taken where the chunk is too large to be put together here: main has it copied", () => {
    const bench = new ExportBench({ reserves: true, chunkBytes: 16 * CHUNK });
    bench.addSnapshot();
    bench.send(Message.Reserved, 0, 0, 20, 0, 3);
    const client = bench.connect("s0");
    client.write(500, dataPattern(700, 6));
    bench.run();
    expect([bench.take(Message.Claim).length, bench.take(Message.NeedChunk).length]).toEqual([0, 1]);
  });

  it("are no piece's any more where main answers nothing further", () => {
    const { bench } = reserved();
    const client = bench.connect("s0");
    const write = client.write(CHUNK + 500, dataPattern(700, 6));
    bench.run();
    expect(bench.context.pieces.all.filter(({ claim }) => claim.isHeld)).toHaveLength(1);
    bench.send(Message.StopVolume, 0, StopHow.Abandon);
    bench.run();
    expect(client.errors()).toEqual({ [write]: EIO });
    expect(bench.context.pieces.all.filter(({ claim }) => claim.isHeld)).toEqual([]);
  });
});
