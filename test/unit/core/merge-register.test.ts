import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import type { CoreOptions } from "../../../src/core/core-options.ts";
import { type BenchSnapshot, CoreBench } from "../../support/core/core-bench.ts";

const TWO: BenchSnapshot = {
  registered: true,
  exceptions: [
    [10, 2],
    [50, 3],
  ],
};

function newBench(options: Partial<CoreOptions> = {}, spec: BenchSnapshot = TWO): CoreBench {
  const bench = new CoreBench(800, { mergeBatches: false, ...options });
  bench.open(spec);
  return bench;
}

function start(bench: CoreBench): number {
  return bench.operation((id) => bench.core.mergeStart(id, 0));
}

function stop(bench: CoreBench): number {
  return bench.operation((id) => bench.core.mergeStop(id, 0));
}

/** One run: copied, the origin flushed, erased. */
function step(bench: CoreBench): void {
  bench.copied();
  bench.metadataDone();
  bench.metadataDone();
}

test("that a snapshot merges is registered before it is presented, and before its first chunk is copied (E-36)", () => {
  const bench = newBench();
  const ports = bench.ports[0]!;
  start(bench);
  expect(bench.take()).toEqual(["register 0 merging"]);
  expect([bench.originPorts.merging, ports.state]).toEqual([-1, SnapshotState.Active]);
  // Nobody is answered in between: what the register says is what clients see.
  expect([bench.originPorts.writeGate.closed, ports.writeGate.closed, ports.readGate.closed]).toEqual([
    true,
    true,
    true,
  ]);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["copy 1→0"]);
  expect([bench.originPorts.merging, ports.state, ports.writeGate.closed]).toEqual([0, SnapshotState.Merging, false]);
});

test("a merge that cannot be registered does not begin, and says so", () => {
  const bench = newBench();
  const operation = start(bench);
  bench.core.needOrigin(1, 80, 8);
  bench.clear();
  bench.core.registered(0, errno.ENOSPC);
  expect(bench.finishedWith.get(operation)).toBe(errno.ENOSPC);
  expect(bench.messages.get(operation)).toContain("cannot be registered");
  expect([bench.originPorts.merging, bench.ports[0]!.state]).toEqual([-1, SnapshotState.Active]);
  expect([bench.originPorts.writeGate.closed, bench.copies.length, bench.released.get(1)]).toEqual([false, 0, 0]);
  // And again, when the disk has room.
  start(bench);
  bench.core.registered(0, 0);
  expect(bench.originPorts.merging).toBe(0);
});

test("the end of a merge is registered before the origin is handed back (E-43)", () => {
  const bench = newBench();
  const ports = bench.ports[0]!;
  start(bench);
  bench.core.registered(0, 0);
  const stopped = stop(bench);
  bench.take();
  step(bench);
  expect(bench.take().slice(-1)).toEqual(["register 0 active"]);
  expect([bench.originPorts.merging, ports.state]).toEqual([0, SnapshotState.Merging]);
  expect([bench.originPorts.writeGate.closed, ports.writeGate.closed, ports.readGate.closed]).toEqual([
    true,
    true,
    true,
  ]);
  bench.core.registered(0, 0);
  expect(bench.finishedWith.get(stopped)).toBe(0);
  expect([bench.originPorts.merging, ports.state, ports.writeGate.closed]).toEqual([-1, SnapshotState.Active, false]);
});

test("a stop that cannot be registered fails in words, and the merge stays presented and goes on when it is told to", () => {
  const bench = newBench();
  start(bench);
  bench.core.registered(0, 0);
  const stopped = stop(bench);
  step(bench);
  bench.core.registered(0, errno.EIO);
  expect(bench.finishedWith.get(stopped)).toBe(errno.EIO);
  expect(bench.messages.get(stopped)).toContain("presented still");
  expect([bench.originPorts.merging, bench.originPorts.writeGate.closed]).toEqual([0, false]);
  const again = start(bench);
  step(bench);
  expect(bench.finishedWith.get(again)).toBe(0);
  const last = stop(bench);
  bench.core.registered(0, 0);
  expect([bench.finishedWith.get(last), bench.originPorts.merging]).toEqual([0, -1]);
});

test("a merge that is complete stays registered until it is stopped", () => {
  const bench = newBench();
  const operation = start(bench);
  bench.core.registered(0, 0);
  step(bench);
  step(bench);
  expect(bench.finishedWith.get(operation)).toBe(0);
  expect(bench.take().filter((line) => line.startsWith("register"))).toEqual(["register 0 merging"]);
  stop(bench);
  expect(bench.take()).toEqual(["register 0 active"]);
});

test("presented again: nothing is registered, nothing merged, until it is told to go on (S-83)", () => {
  const bench = newBench({}, { ...TWO, merging: true });
  const presented = bench.operation((id) => bench.core.mergePresent(id, 0));
  expect(bench.take()).toEqual(["finished 0"]);
  expect(bench.finishedWith.get(presented)).toBe(0);
  expect([bench.originPorts.merging, bench.ports[0]!.state]).toEqual([0, SnapshotState.Merging]);
  expect(bench.finishedWith.get(bench.create())).toBe(errno.EBUSY);
  start(bench);
  expect(bench.copies).toMatchObject([{ source: 1, sector: 24, targets: [{ device: 0, sector: 400 }] }]);
  stop(bench);
  bench.clear();
  step(bench);
  expect(bench.take().slice(-1)).toEqual(["register 0 active"]);
});

test("to be presented a second time is no more than an answer", () => {
  const bench = newBench({}, { ...TWO, merging: true });
  bench.operation((id) => bench.core.mergePresent(id, 0));
  bench.clear();
  expect(bench.finishedWith.get(bench.operation((id) => bench.core.mergePresent(id, 0)))).toBe(0);
  expect(bench.take()).toEqual(["finished 0"]);
});

test("where nothing may be written it is presented, and its merge rests (E-44)", () => {
  const bench = newBench({ readOnly: true }, { ...TWO, registered: false, merging: true });
  bench.operation((id) => bench.core.mergePresent(id, 0));
  expect(bench.originPorts.merging).toBe(0);
  const operation = start(bench);
  expect([bench.finishedWith.get(operation), bench.copies.length]).toEqual([errno.EPERM, 0]);
});

test("told to stop before it was presented: registered, presented, and handed back at once", () => {
  const bench = newBench();
  start(bench);
  const stopped = stop(bench);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["register 0 merging", "finished 125", "register 0 active"]);
  bench.core.registered(0, 0);
  expect([bench.finishedWith.get(stopped), bench.originPorts.merging]).toEqual([0, -1]);
});

/** A device has no room for the area that its growth has brought, just while the merge is being registered. */
test("the snapshot turns invalid while its merge is being registered: the register hears of both, one after the other", () => {
  const exceptions = Array.from({ length: 32 }, (_, i) => [2 * i, 2 + i] as const);
  const bench = newBench({}, { registered: true, chunk: 1, cowSectors: 34, exceptions });
  const operation = start(bench);
  bench.core.grow(0, 80);
  bench.metadataDone(0, errno.EIO);
  expect(bench.take().filter((line) => line.startsWith("register"))).toEqual(["register 0 merging"]);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["register 0 invalid"]);
  bench.core.registered(0, 0);
  bench.metadataDone();
  expect([bench.ports[0]!.state, bench.originPorts.merging]).toEqual([SnapshotState.Invalid, -1]);
  expect(bench.finishedWith.get(operation)).toBe(errno.EIO);
  expect(bench.ports[0]!.table.stateOf(2)).toBe(EntryState.Settled);
});

test.each([
  ["its gates are not empty", (bench: CoreBench) => void (bench.ports[0]!.readGate.count = 1), true],
  ["the gates are another's", (bench: CoreBench) => bench.core.needExclusive(7, 0), true],
  ["its exceptions are not settled", (bench: CoreBench) => bench.core.needChunk(7, 0, 20, ChunkNeed.Whole), false],
])("told to stop while %s, it never begins, and holds nothing", (_, hold, isGate) => {
  const bench = newBench();
  const ports = bench.ports[0]!;
  hold(bench);
  const started = start(bench);
  expect(bench.finishedWith.has(started)).toBe(false);
  const stopped = stop(bench);
  expect([bench.finishedWith.get(started), bench.finishedWith.get(stopped)]).toEqual([errno.ECANCELED, 0]);
  const gates = [bench.originPorts.readGate, ports.writeGate, ports.readGate];
  expect(gates.map(({ closed }) => closed)).toEqual([false, false, false]);
  // What held it up ends, and nothing of the merge comes after that.
  ports.readGate.count = 0;
  if (isGate && bench.exclusives.length > 0) bench.core.exclusiveDone(7, 0);
  if (!isGate) bench.core.written(0, 20, 0);
  expect([bench.originPorts.merging, ports.state, bench.originPorts.writeGate.closed]).toEqual([
    -1,
    SnapshotState.Active,
    false,
  ]);
  expect(bench.take().filter((line) => line.startsWith("register"))).toEqual([]);
  // It is as if it had not been asked for.
  expect(bench.finishedWith.get(bench.operation((id) => bench.core.mergeStop(id, 0)))).toBe(errno.EINVAL);
});
