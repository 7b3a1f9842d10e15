/**
 * Connections that outlive their snapshot. A dropped snapshot's index, file and gates are used again by the next one, while clients of
 * the old one are still connected.
 */
import { expect, it } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { ExportCounter } from "../../../src/ring/counters.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { snapshotReadGate, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const EIO = 5;
const ESHUTDOWN = 108;

it("a client of a dropped snapshot neither reads nor writes the one that took its place (E-41)", () => {
  // The removed snapshot's state is Absent, which was not refused: its old table led into the new snapshot's store.
  const bench = new ExportBench();
  const old = bench.addSnapshot(0);
  bench.publish(old, 3, 7);
  const client = bench.connect("s0");
  old.words.setState(SnapshotState.Invalid);
  old.words.setState(SnapshotState.Absent);
  bench.control({ kind: "forget", volume: 0, index: 0, name: "s0" });
  const next = bench.addSnapshot(0);
  const before = next.cow.slice();
  const read = client.read(3 * 16384, 512);
  const unmapped = client.read(0, 512);
  const write = client.write(3 * 16384, dataPattern(512, 9));
  const first = client.write(0, dataPattern(512, 9));
  bench.run();
  expect(client.errors()).toEqual({ [read]: EIO, [unmapped]: EIO, [write]: EIO, [first]: EIO });
  expect(Buffer.compare(next.cow, before)).toBe(0);
  expect(bench.tokens(Message.NeedChunk)).toEqual([]);
});

it("a snapshot that is not created yet is not served", () => {
  const bench = new ExportBench();
  const snapshot = bench.addSnapshot(0);
  snapshot.words.setState(SnapshotState.Absent);
  const client = bench.connect("s0");
  const read = client.read(0, 512);
  bench.run();
  expect(client.errors()).toEqual({ [read]: EIO });
});

it.each([
  ["read", snapshotReadGate(0)],
  ["write", snapshotWriteGate(0)],
])("a %s looks at the state again inside of its gate (C-32, C-38)", (kind, gate) => {
  // The state was looked at only before the gate: a merge that took the gate in between was not seen.
  const bench = new ExportBench();
  const snapshot = bench.addSnapshot(0);
  bench.publish(snapshot, 0, 5);
  const client = bench.connect("s0");
  const state = snapshot.words;
  const { ring } = bench;
  const pass = bench.volume.gate(gate);
  const cookie = kind === "read" ? client.read(0, 512) : client.write(0, dataPattern(512, 9));
  // Main takes the snapshot away just when the request announces itself.
  const add = Atomics.add;
  Atomics.add = ((...args: Parameters<typeof Atomics.add>) => {
    if (pass.inFlight() === 0) state.setState(SnapshotState.Merging);
    return add(...args);
  }) as typeof Atomics.add;
  try {
    bench.run();
  } finally {
    Atomics.add = add;
  }
  expect(client.errors()).toEqual({ [cookie]: ESHUTDOWN });
  expect(ring.log.some((operation) => operation.op === IoOp.Read || operation.op === IoOp.Write)).toBe(false);
  expect(pass.inFlight()).toBe(0);
});

it("a new snapshot's statistics begin at zero, and requests of a client of its predecessor are not charged to it", () => {
  // The counters belong to the slot: the new snapshot had the numbers of the dropped one, and got what its clients went on to ask.
  const bench = new ExportBench();
  const old = bench.addSnapshot(0);
  const client = bench.connect("s0");
  for (let i = 0; i < 3; i++) client.read(0, 512);
  bench.run();
  expect(old.counters[ExportCounter.Reads]).toBe(3);
  expect(old.counters.reduce((sum, n) => sum + n)).toBeGreaterThan(3 * 512);
  old.words.setState(SnapshotState.Absent);
  bench.control({ kind: "forget", volume: 0, index: 0, name: "s0" });
  const fresh = bench.addSnapshot(0);
  client.read(0, 512);
  client.write(0, dataPattern(512, 1));
  bench.run();
  expect(fresh.counters.every((n) => n === 0)).toBe(true);
  const next = bench.connect("s0");
  next.read(0, 512);
  bench.run();
  expect(fresh.counters[ExportCounter.Reads]).toBe(1);
  expect(bench.counters[ExportCounter.Reads]).toBe(0);
});

it("a dropped snapshot's table is let go when it is dropped, also while clients of it stay connected", () => {
  // It stayed mapped until another snapshot took the slot.
  const bench = new ExportBench();
  const { words } = bench.addSnapshot(0);
  const client = bench.connect("s0");
  client.read(0, 512);
  bench.run();
  const view = bench.served.snapshot(0);
  const { table } = view;
  words.setState(SnapshotState.Absent);
  bench.control({ kind: "forget", volume: 0, index: 0, name: "s0" });
  expect(bench.served.snapshots[0]).toBeUndefined();
  expect(view.table).not.toBe(table);
  const late = client.read(0, 512);
  // Main's answer to a wish of before.
  bench.send(Message.Reserved, 0, 0, 5, 0, 2);
  bench.run();
  expect(client.errors()).toMatchObject({ [late]: EIO });
});
