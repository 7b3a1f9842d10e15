/**
 * Messages that name a snapshot which is gone. A request leaves its gate at once, but the worker's messages are published at the end of its
 * turn: a removal that waits for the gate may be over when they come.
 */
import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { snapshotReadGate, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { errno } from "../../../src/base/errno.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** Snapshot 0 has been dropped, while snapshot 1 stays. */
function dropped(): CoreBench {
  const bench = new CoreBench(800);
  bench.open();
  bench.open();
  const operation = bench.operation((id) => bench.core.dropSnapshot(id, 0));
  bench.metadataDone();
  expect(bench.finishedWith.get(operation)).toBe(0);
  bench.clear();
  return bench;
}

test.each<[string, (bench: CoreBench) => void, number]>([
  ["a write that wants to be alone", ({ core }) => core.needExclusive(5, snapshotWriteGate(0)), errno.EIO],
  ["one in its read gate", ({ core }) => core.needExclusive(5, snapshotReadGate(0)), errno.EIO],
  ["a first write", ({ core }) => core.needChunk(5, 0, 3, ChunkNeed.Copy), errno.EIO],
  ["a flush", ({ core }) => core.needDurable(5, 0, 1), errno.EIO],
  ["a claim", ({ core }) => core.claim(5, 0, 3, 4, 0), errno.EIO],
  ["a claim for the origin", ({ core }) => core.claimOrigin(5, 0, 3, 4, 0), errno.EAGAIN],
  ["a write in the merging range", ({ core }) => core.needRange(5, 0), 0],
])("%s of a snapshot that is gone is answered, and nobody else notices (C-19)", (_, message, error) => {
  const bench = dropped();
  message(bench);
  expect(bench.take()).toEqual([`release 5 ${error}`]);
  bench.core.needExclusive(6, snapshotWriteGate(1));
  expect(bench.exclusives).toEqual([6]);
});

test("what needs no answer is passed over", () => {
  const { core, log } = dropped();
  core.drained(0, 3);
  core.gateDrained(snapshotWriteGate(0));
  core.tick(0);
  expect([core.reserve(0, 4), core.reserveEpoch(0)]).toEqual([[], 0]);
  expect(log).toEqual([]);
});

test("a write that waits to be alone behind the removal has its turn, finds nothing, and gives the gate back", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  const operation = bench.operation((id) => bench.core.dropSnapshot(id, 0));
  ports.readGate.count = 1;
  bench.metadataDone();
  bench.core.needExclusive(5, snapshotWriteGate(0));
  expect(bench.exclusives).toEqual([]);
  ports.readGate.count = 0;
  bench.core.gateDrained(snapshotReadGate(0));
  expect([bench.finishedWith.get(operation), bench.exclusives]).toEqual([0, [5]]);
  bench.core.exclusiveDone(5, snapshotWriteGate(0));
  expect([ports.writeGate.closed, ports.readGate.closed]).toEqual([false, false]);
});
