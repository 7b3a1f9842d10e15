import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { CopyJobs } from "../../../src/core/copy-jobs.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** A chunk that is copied in two parts, for a write of the snapshot. */
function inParts(): CoreBench {
  const bench = new CoreBench(800, { copyBytes: 4096 });
  bench.open({ chunk: 16 });
  bench.core.needChunk(1, 0, 3, ChunkNeed.Copy);
  expect(bench.copies).toHaveLength(2);
  return bench;
}

test("the first part that fails ends the snapshot, whatever the others do; the write fails for what went wrong first (E-9)", () => {
  const bench = inParts();
  bench.copied(errno.EIO);
  expect(bench.metadataJobs.map(({ kind }) => kind)).toEqual(["header"]);
  bench.copied(0, 1, errno.ENOSPC);
  bench.metadataDone();
  expect(bench.released.get(1)).toBe(errno.EIO);
});

test("a copy whose last part fails is none (E-9)", () => {
  const bench = inParts();
  bench.copied();
  bench.copied(errno.EIO);
  expect(bench.core.status(0).counters.copies).toBe(0);
});

test("a merge's copy fails with what could not be read, or written (S-66)", () => {
  for (const failure of [[errno.ENXIO], [0, 1, errno.ENXIO]] as const) {
    const bench = new CoreBench(800);
    bench.open({ exceptions: [[1, 2]] });
    const operation = bench.operation((id) => bench.core.mergeStart(id, 0));
    bench.copied(...failure);
    expect(bench.finishedWith.get(operation)).toBe(errno.ENXIO);
  }
});

test("a job's number is used again, and counted once (E-18)", () => {
  const bench = new CoreBench(800);
  const jobs = new CopyJobs(bench);
  const ends: number[] = [];
  const owner = { copyDone: (error: number): void => void ends.push(error) };
  const copy = (): void => jobs.startRange(owner, 1, 0, 0, 8, 8);
  for (let i = 0; i < 2; i++) copy();
  expect(bench.copies.map(({ id }) => id)).toEqual([0, 1]);
  jobs.ended(1, 1, 0, 0, 0, () => {});
  copy();
  expect([bench.copies.at(-1)!.id, jobs.underWay]).toEqual([1, 2]);
  for (const id of [0, 1]) jobs.ended(id, 1, 0, 0, 0, () => {});
  expect([ends, jobs.underWay]).toEqual([[0, 0, 0], 0]);
  expect(() => jobs.ended(1, 1, 0, 0, 0, () => {})).toThrow("the job is under way");
});

test("a target gets no more than what is read (E-18)", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.needOrigin(1, 0, 8);
  const [{ targets }] = bench.copies as [(typeof bench.copies)[0]];
  const jobs = new CopyJobs(bench);
  expect(() => jobs.startParts(0, 7, targets, [{} as never], [0])).toThrow("gets what is read");
  expect(() => jobs.startParts(0, 8, [{ ...targets[0]!, offsetSectors: 4 }], [{} as never], [0])).toThrow(
    "what is read",
  );
  expect(() => jobs.startParts(0, 8, targets, [], [])).toThrow("written by a target");
  expect(() => jobs.startRange({ copyDone: () => {} }, 1, 0, 1, 0, 8)).toThrow("from one device to another");
});
