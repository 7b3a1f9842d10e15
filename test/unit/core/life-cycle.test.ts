import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { ORIGIN_WRITE_GATE, snapshotReadGate, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

test("creation: format, register, hold, drain, list, release, flush the origin (E-40, C-30)", () => {
  const bench = new CoreBench(800);
  const gate = bench.originPorts.writeGate;
  gate.count = 1;
  const operation = bench.create();
  expect(bench.take()).toEqual(["format 0"]);
  bench.metadataDone();
  expect(bench.take()).toEqual(["register 0 active"]);
  // Clients are not held up so far.
  expect(gate.closed).toBe(false);
  bench.core.registered(0, 0);
  expect([bench.take(), gate.closed, bench.originPorts.list]).toEqual([["prepared", "closing"], true, []]);
  gate.count = 0;
  bench.core.gateDrained(ORIGIN_WRITE_GATE);
  expect(bench.take()).toEqual(["held", "opened", "flush origin"]);
  expect([bench.originPorts.list, gate.closed, bench.ports[0]!.state]).toEqual([[0], false, SnapshotState.Active]);
  expect(bench.finishedWith.has(operation)).toBe(false);
  bench.originFlushed();
  expect([bench.take(), bench.finishedWith.get(operation)]).toEqual([["durable", "finished 0"], 0]);
  expect(bench.core.status(0).text).toBe("16/4096 16");
});

test("creation does not wait for writes that wait at main; they look again (C-30, create W_WAITHELD)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  const operation = bench.create(8, 4096, false);
  bench.metadataDone(1);
  bench.originFlushed();
  expect(bench.finishedWith.get(operation)).toBe(0);
  bench.copied();
  bench.metadataDone(0);
  expect(bench.released.get(1)).toBe(0);
  bench.core.needOrigin(2, 0, 8);
  expect(bench.copies).toMatchObject([{ targets: [{ device: 2 }] }]);
});

test("no snapshot is created while one is merging (C-31)", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[1, 2]] });
  bench.operation((operation) => bench.core.mergeStart(operation, 0));
  expect(bench.finishedWith.get(bench.create())).toBe(errno.EBUSY);
});

test("a drop lets copies end, unregisters, drops the header, drains the gates, and leaves the list (E-41)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ registered: true });
  bench.core.needOrigin(1, 0, 8);
  ports.readGate.count = 1;
  const operation = bench.operation((id) => bench.core.dropSnapshot(id, 0));
  bench.core.needOrigin(2, 80, 8);
  bench.clear();
  bench.copied();
  expect(bench.take()).toEqual(["register 0 removed"]);
  bench.core.registered(0, 0);
  bench.metadataDone();
  expect(bench.take()).toEqual(["header 0", "notice 0 invalid", "release 1 0", "release 2 0"]);
  expect(bench.finishedWith.has(operation)).toBe(false);
  ports.readGate.count = 0;
  bench.core.gateDrained(snapshotReadGate(0));
  expect(bench.finishedWith.get(operation)).toBe(0);
  expect([bench.originPorts.list, ports.state]).toEqual([[], SnapshotState.Absent]);
  expect([bench.originPorts.writeGate.closed, ports.writeGate.closed, ports.readGate.closed]).toEqual([
    false,
    false,
    false,
  ]);
  expect(bench.finishedWith.get(bench.operation((id) => bench.core.dropSnapshot(id, 0)))).toBe(errno.ENOENT);
});

test("close lets everything end, commits what is only visible, and flushes the cow devices (E-42)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needChunk(1, 0, 4, ChunkNeed.Copy);
  bench.clear();
  const operation = bench.operation((id) => bench.core.close(id));
  bench.copied();
  expect(bench.groupOf(bench.metadataDone())).toEqual([[4, 2]]);
  expect(bench.finishedWith.has(operation)).toBe(false);
  expect(bench.metadataDone()).toMatchObject({ kind: "flush", device: 1 });
  expect(bench.finishedWith.get(operation)).toBe(0);
});

test("close reports a flush that failed (E-42)", () => {
  const bench = new CoreBench(800);
  bench.open();
  const operation = bench.operation((id) => bench.core.close(id));
  bench.metadataDone(0, errno.EIO);
  expect(bench.finishedWith.get(operation)).toBe(errno.EIO);
});

test("writes that must be alone get the gate one after the other, when it is empty (C-17)", () => {
  const bench = new CoreBench(800);
  const gate = bench.originPorts.writeGate;
  gate.count = 2;
  bench.core.needExclusive(1, ORIGIN_WRITE_GATE);
  bench.core.needExclusive(2, ORIGIN_WRITE_GATE);
  expect([gate.closed, bench.exclusives]).toEqual([true, []]);
  gate.count = 0;
  bench.core.gateDrained(ORIGIN_WRITE_GATE);
  expect(bench.exclusives).toEqual([1]);
  bench.core.exclusiveDone(1, ORIGIN_WRITE_GATE);
  expect([bench.exclusives, gate.closed]).toEqual([[1, 2], true]);
  bench.core.exclusiveDone(2, ORIGIN_WRITE_GATE);
  expect(gate.closed).toBe(false);
});

test("a creation and an exclusive write take the gate in turn; it stays closed between them (C-30)", () => {
  const bench = new CoreBench(800);
  bench.core.needExclusive(1, ORIGIN_WRITE_GATE);
  bench.create(8, 4096, false);
  bench.metadataDone();
  bench.core.needExclusive(2, ORIGIN_WRITE_GATE);
  expect(bench.take()).toEqual(["exclusive 1", "format 0", "prepared", "closing"]);
  bench.core.exclusiveDone(1, ORIGIN_WRITE_GATE);
  expect(bench.take()).toEqual(["held", "opened", "flush origin", "exclusive 2"]);
  expect(bench.exclusives).toEqual([1, 2]);
  expect(bench.originPorts.writeGate.closed).toBe(true);
});

test("the gate of a snapshot may be asked for, too", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  bench.core.needExclusive(1, snapshotWriteGate(0));
  expect([bench.exclusives, ports.writeGate.closed]).toEqual([[1], true]);
});

test("what is not there yet, or is being dropped, takes no orders; a volume that closes merges nothing (E-36, E-41)", () => {
  const bench = new CoreBench(800);
  for (let i = 0; i < 2; i++) bench.open({ exceptions: [[1, 2]] });
  bench.create();
  const answer = (start: (id: number) => void): readonly unknown[] => {
    const operation = bench.operation(start);
    return [bench.finishedWith.get(operation), bench.messages.get(operation)];
  };
  const missing = [errno.ENOENT, "no such snapshot"];
  expect(answer((id) => bench.core.dropSnapshot(id, 2))).toEqual(missing);
  bench.operation((id) => bench.core.dropSnapshot(id, 0));
  expect(answer((id) => bench.core.dropSnapshot(id, 0))).toEqual(missing);
  expect(answer((id) => bench.core.mergeStart(id, 0))).toEqual(missing);
  bench.operation((id) => bench.core.close(id));
  expect(answer((id) => bench.core.mergeStart(id, 1))).toEqual([errno.ESHUTDOWN, "the volume is closing"]);
});

test("a merge that is about to be presented is not asked for it twice (E-36)", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[1, 2]] });
  bench.originPorts.readGate.count = 1;
  bench.operation((id) => bench.core.mergePresent(id, 0));
  const again = bench.operation((id) => bench.core.mergePresent(id, 0));
  expect([bench.finishedWith.get(again), bench.messages.get(again)]).toEqual([
    errno.EBUSY,
    "the snapshot is merging already",
  ]);
});
