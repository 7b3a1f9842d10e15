/**
 * A COW device that does not answer. An origin write that its snapshot has to keep waits for it; found was that later writes waited, too, which only
 * another snapshot had to keep: a copy for both ended as a whole, and the other's exceptions are committed in the order of their allocation.
 */
import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { CopyJobs } from "../../../src/core/copy-jobs.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** Two snapshots, one copy for both. The first has an exception for chunk 9 already. */
function shared(): CoreBench {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[9, 2]] });
  bench.open();
  bench.core.needOrigin(1, 16, 8);
  expect(bench.copies).toMatchObject([{ targets: [{ device: 1 }, { device: 2 }] }]);
  return bench;
}

test("what one target of a copy has got is committed and settled while another is under way (E-18)", () => {
  const bench = shared();
  bench.targetsCopied(0b10);
  expect(bench.groupOf(bench.metadataDone(1))).toEqual([[2, 2]]);
  expect(bench.ports.map((ports) => ports.table.stateOf(2))).toEqual([EntryState.None, EntryState.Settled]);
  expect([bench.released.has(1), bench.metadataJobs]).toEqual([false, []]);
  bench.targetsCopied(0b01);
  bench.metadataDone(0);
  expect(bench.released.get(1)).toBe(0);
});

test("an origin write that the other snapshot alone has to keep goes on, in the order of its store (S-41)", () => {
  const bench = shared();
  bench.core.needOrigin(2, 72, 8);
  expect(bench.copies[1]).toMatchObject({ targets: [{ device: 2 }] });
  bench.core.copied(bench.copies[1]!.id, 1, 0, 0, 0);
  expect(bench.metadataJobs).toEqual([]);
  bench.targetsCopied(0b10);
  expect(bench.groupOf(bench.metadataDone(1))).toEqual([
    [2, 2],
    [9, 3],
  ]);
  expect([bench.released.has(1), bench.released.get(2)]).toEqual([false, 0]);
});

test("a target that fails ends its own snapshot at once, and the other one's copy goes on (E-15, E-18)", () => {
  const bench = shared();
  bench.targetsCopied(0b10, 0, 0b10, errno.EIO);
  expect(bench.metadataDone(1)).toMatchObject({ kind: "header" });
  expect(bench.ports.map(({ state }) => state)).toEqual([SnapshotState.Active, SnapshotState.Invalid]);
  bench.targetsCopied(0b01);
  expect(bench.groupOf(bench.metadataDone(0))).toEqual([
    [9, 2],
    [2, 3],
  ]);
  expect(bench.released.get(1)).toBe(0);
});

test("a snapshot can be dropped as soon as its own targets have ended (E-41)", () => {
  const bench = shared();
  bench.targetsCopied(0b10);
  bench.metadataDone(1);
  const operation = bench.operation((id) => bench.core.dropSnapshot(id, 1));
  bench.metadataDone(1);
  expect(bench.finishedWith.get(operation)).toBe(0);
});

test("a job's number is used again behind its last target, and each of them ends once (E-18)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.targetsCopied(0b01);
  bench.core.needOrigin(2, 8, 8);
  expect(bench.copies.map(({ id }) => id)).toEqual([0, 1]);
  bench.targetsCopied(0b10);
  bench.core.needOrigin(3, 16, 8);
  expect(bench.copies.map(({ id }) => id)).toEqual([0, 1, 0]);
  bench.core.copied(1, 0b01, 0, 0, 0);
  expect(() => bench.core.copied(1, 0b01, 0, 0, 0)).toThrow("a target ends once");
});

test("a target that failed has ended, and an answer names one", () => {
  const jobs = new CopyJobs(new CoreBench(800));
  jobs.startRange({ copyDone: () => {} }, 1, 0, 0, 8, 8);
  expect(() => jobs.ended(0, 0, 0, 0, 0, () => {})).toThrow("has ended");
  expect(() => jobs.ended(0, 1, 0, 2, 5, () => {})).toThrow("has ended");
  expect(() => jobs.ended(0, 2, 0, 0, 0, () => {})).toThrow("a target ends once");
});
