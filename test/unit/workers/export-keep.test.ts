/**
 * An origin write that keeps the old data itself: in a chunk that its worker holds in reserve, claimed from main (E-13).
 */
import { describe, expect, it, vi } from "vitest";
import { ORIGIN_WRITE_GATE, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { GatePass } from "../../../src/ring/gate.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";

const CHUNK = 16384;
const EIO = 5;
const EAGAIN = 11;
const DATA = dataPattern(700, 6);

/** One snapshot, whose chunks 20 … 22 the worker has in reserve. */
function reserved(snapshots = 1, originBytes = 1024 * 1024): { bench: ExportBench; snapshot: BenchSnapshot } {
  const bench = new ExportBench({ reserves: true, originBytes });
  const all = Array.from({ length: snapshots }, (_, i) => bench.addSnapshot(i));
  bench.volume.setList(all.map((snapshot) => snapshot.index));
  bench.send(Message.Reserved, 0, 0, 20, 0, 3);
  return { bench, snapshot: all[0] };
}

function chunkOf(device: Uint8Array, chunk: number): Buffer {
  return Buffer.from(device.subarray(chunk * CHUNK, (chunk + 1) * CHUNK));
}

describe("an origin write with chunks in reserve", () => {
  it("keeps the old data inside the snapshot's write gate, not the origin's, claims, and writes when it is settled (C-16)", () => {
    const { bench, snapshot } = reserved();
    const old = chunkOf(bench.origin, 1);
    const client = bench.connect();
    bench.ring.held = (o) => o.op === IoOp.Write;
    const write = client.write(CHUNK + 500, DATA);
    bench.run();
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(1);
    bench.ring.held = () => false;
    bench.run();
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
    const [claim] = bench.take(Message.ClaimOrigin);
    expect(claim.slice(2, 7)).toEqual([0, 1, 0, 20, 0]);
    expect(chunkOf(snapshot.cow, 20)).toEqual(old);
    expect([client.replies(), bench.take(Message.NeedOrigin)]).toEqual([[], []]);
    expect(chunkOf(bench.origin, 1)).toEqual(old);
    bench.publish(snapshot, 1, 20, true);
    bench.release(claim[1]);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    expect(Buffer.from(bench.origin.subarray(CHUNK + 500, CHUNK + 1200))).toEqual(Buffer.from(DATA));
    expect(bench.context.slots.used()).toBe(0);
  });

  it("is never let through by the release alone (C-11)", () => {
    const { bench } = reserved();
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    bench.run();
    bench.release(bench.tokens(Message.ClaimOrigin)[0]);
    bench.run();
    expect(client.replies()).toEqual([]);
    expect(bench.take(Message.ClaimOrigin)).toHaveLength(1);
  });

  it("asks main after a refused claim, and the chunk serves another write", () => {
    const { bench } = reserved();
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    bench.run();
    bench.release(bench.tokens(Message.ClaimOrigin)[0], EAGAIN);
    bench.run();
    expect(bench.take(Message.NeedOrigin)).toHaveLength(1);
    expect(bench.context.slots.used()).toBe(1);
    client.write(5 * CHUNK, DATA);
    bench.run();
    expect(bench.take(Message.ClaimOrigin).map((m) => [m[3], m[5]])).toEqual([[5, 20]]);
  });

  it.each([
    ["read", IoOp.Read],
    ["write", IoOp.Write],
  ])("asks main where the %s of the old data fails, and leaves the gate", (_, op) => {
    const { bench } = reserved();
    const client = bench.connect();
    bench.ring.fault = (o) => (o.op === op ? -EIO : undefined);
    client.write(CHUNK + 500, DATA);
    bench.run();
    expect(bench.take(Message.ClaimOrigin)).toEqual([]);
    expect(bench.take(Message.NeedOrigin)).toHaveLength(1);
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
  });

  it("asks main where the snapshot's gate is closed: it never waits there (E-15)", () => {
    const { bench } = reserved();
    bench.volume.gate(snapshotWriteGate(0)).close();
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    bench.run();
    expect(bench.take(Message.NeedOrigin)).toHaveLength(1);
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
  });

  it("asks main where several snapshots need it: one read serves them all (E-18)", () => {
    const { bench } = reserved(2);
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    bench.run();
    expect([bench.take(Message.ClaimOrigin).length, bench.take(Message.NeedOrigin).length]).toEqual([0, 1]);
  });

  it("keeps it in the one that has not kept it yet", () => {
    const { bench, snapshot } = reserved(2);
    bench.volume.setList([0, 1]);
    bench.publish({ ...snapshot, index: 0 }, 1, 7, true);
    bench.send(Message.Reserved, 0, 1, 30, 0, 1);
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    bench.run();
    expect(bench.take(Message.ClaimOrigin).map((m) => m.slice(2, 7))).toEqual([[1, 1, 0, 30, 0]]);
  });

  it("asks main for a chunk that is visible and not settled, for two chunks, and beside an overflowed snapshot", () => {
    const { bench, snapshot } = reserved();
    bench.publish(snapshot, 1, 7);
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    client.write(3 * CHUNK - 100, DATA);
    bench.run();
    snapshot.words.setState(SnapshotState.Overflow);
    client.write(5 * CHUNK, DATA);
    bench.run();
    expect([bench.take(Message.ClaimOrigin).length, bench.take(Message.NeedOrigin).length]).toEqual([0, 3]);
  });

  it("keeps of the last chunk what exists", () => {
    const { bench, snapshot } = reserved(1, 20 * CHUNK + 1024);
    const client = bench.connect();
    client.write(20 * CHUNK + 100, DATA);
    bench.run();
    expect(bench.take(Message.ClaimOrigin)).toHaveLength(1);
    expect(Buffer.from(snapshot.cow.subarray(20 * CHUNK, 20 * CHUNK + 1024))).toEqual(
      Buffer.from(bench.origin.subarray(20 * CHUNK)),
    );
    expect(snapshot.cow[20 * CHUNK + 1024]).toBe(0xee);
  });

  it("asks main where the snapshot overflows between the look at the list and its gate", () => {
    const { bench, snapshot } = reserved();
    const { writePass } = bench.served.snapshot(0);
    vi.spyOn(writePass, "enter").mockImplementationOnce(() => {
      snapshot.words.setState(SnapshotState.Overflow);
      return GatePass.prototype.enter.call(writePass);
    });
    const client = bench.connect();
    client.write(CHUNK + 500, DATA);
    bench.run();
    expect([bench.take(Message.ClaimOrigin).length, bench.take(Message.NeedOrigin).length]).toEqual([0, 1]);
    expect(bench.volume.gate(snapshotWriteGate(0)).inFlight()).toBe(0);
  });
});
