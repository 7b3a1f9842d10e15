import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** A store of three chunks: one is being committed, one is visible, one is being copied, and the next need finds no room. */
function runningOut(options: ConstructorParameters<typeof CoreBench>[1]): CoreBench {
  const bench = new CoreBench(800, options);
  bench.open({ cowSectors: 5 * 8 });
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  for (const chunk of [5, 6]) bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Copy);
  bench.copied();
  bench.core.needChunk(7, 0, 7, ChunkNeed.Copy);
  return bench;
}

test("a copy that fails while a full store is saved ends the saving: no further area is written (S-57, S-70)", () => {
  const bench = runningOut({ early: true });
  bench.copied(errno.EIO);
  expect(bench.metadataDone().kind).toBe("commit");
  expect(bench.metadataDone().kind).toBe("header");
  expect(bench.metadataJobs).toEqual([]);
  expect([1, 5, 6, 7].map((token) => bench.released.get(token))).toEqual([0, 0, errno.EIO, errno.ENOSPC]);
});

test("with turns, too, a full store saves what is visible before its header is written (S-70)", () => {
  const bench = new CoreBench(800, { early: true, turns: true });
  bench.open({ cowSectors: 3 * 8 });
  bench.core.turn();
  while (bench.metadataJobs.length > 0) bench.metadataDone();
  bench.core.needChunk(1, 0, 5, ChunkNeed.Copy);
  bench.copied();
  bench.core.needOrigin(2, 0, 8);
  expect(bench.metadataJobs).toEqual([]);
  bench.core.turn();
  expect(bench.groupOf(bench.metadataDone())).toEqual([[5, 2]]);
  expect(bench.metadataJobs.map(({ kind }) => kind)).toEqual(["header"]);
});

test("without S-57 nothing is saved: what is not committed was never seen (S-53, S-70)", () => {
  const bench = new CoreBench(800, { early: false });
  bench.open({ cowSectors: 4 * 8 });
  for (const chunk of [5, 6]) bench.core.needChunk(chunk, 0, chunk, ChunkNeed.Copy);
  bench.copied();
  bench.core.needOrigin(2, 0, 8);
  expect(bench.metadataJobs.map(({ kind }) => kind)).toEqual(["header"]);
});

test("a copy that fails after its snapshot is Invalid is no second failure (C-25)", () => {
  const bench = new CoreBench(800);
  bench.open();
  for (const token of [1, 2]) bench.core.needOrigin(token, 8 * token, 8);
  bench.copied(errno.EIO);
  bench.metadataDone();
  bench.clear();
  bench.copied(errno.EIO);
  expect([bench.take(), bench.metadataJobs]).toEqual([[], []]);
});

test("the record of a failure waits for the write that is under way, and says so if it fails itself (S-56, S-70)", () => {
  const bench = new CoreBench(800);
  bench.open({ registered: true });
  for (const token of [1, 2]) bench.core.needOrigin(token, 8 * token, 8);
  bench.copied();
  bench.copied(errno.EIO);
  bench.clear();
  bench.metadataDone();
  expect(bench.take()).toEqual(["register 0 invalid"]);
  bench.core.registered(0, errno.EIO);
  expect(bench.take()).toEqual(["notice 0 register-failed", "header 0"]);
});

test("a record that is written is no notice (S-70)", () => {
  const bench = new CoreBench(800);
  bench.open({ registered: true });
  bench.core.needOrigin(1, 8, 8);
  bench.copied(errno.EIO);
  bench.clear();
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["header 0"]);
});

test("a transient store has no header: it is Invalid at once, with nothing pending, and so is its drop (S-13, E-41)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ store: "N", cowSectors: 64 });
  for (const token of [1, 2]) bench.core.needOrigin(token, 8 * token, 8);
  bench.core.needChunk(3, 0, 9, ChunkNeed.Copy);
  expect(bench.core.status(0).pending).toBe(3);
  bench.copied(errno.EIO);
  expect([ports.state, bench.metadataJobs, bench.core.status(0).pending]).toEqual([SnapshotState.Invalid, [], 0]);
  expect([1, 2, 3].map((token) => bench.released.get(token))).toEqual([0, 0, errno.EIO]);
  while (bench.copies.length > 0) bench.copied();
  bench.open({ store: "N", cowSectors: 64 });
  const dropped = bench.operation((id) => bench.core.dropSnapshot(id, 1));
  expect([bench.finishedWith.get(dropped), bench.core.snapshots()]).toEqual([0, [0]]);
});
