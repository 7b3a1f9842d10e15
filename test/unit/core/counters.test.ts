/**
 * Each figure of a snapshot has more than one source: whoever copies, fills or commits is counted, wherever it comes from.
 *
 * A new figure missed the second of its sources, and nothing noticed.
 */
import { expect, it } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

const CHUNK_BYTES = 8 * 512;

function counters(bench: CoreBench): { copies: number; copiedBytes: number; grants: number } {
  const { copies, copiedBytes, grants } = bench.core.status(0).counters;
  return { copies, copiedBytes, grants };
}

function commits(bench: CoreBench): readonly number[] {
  const { commits: groups, exceptionsCommitted, metadataBytes } = bench.core.status(0).counters;
  return [groups, exceptionsCommitted, metadataBytes];
}

it("copies: of an origin write, of a snapshot write, and those that a worker has made itself", () => {
  const bench = new CoreBench(803);
  bench.open();
  expect(counters(bench)).toEqual({ copies: 0, copiedBytes: 0, grants: 0 });
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  expect(counters(bench)).toEqual({ copies: 1, copiedBytes: CHUNK_BYTES, grants: 0 });
  bench.core.needChunk(2, 0, 5, ChunkNeed.Copy);
  bench.copied();
  expect(counters(bench)).toEqual({ copies: 2, copiedBytes: 2 * CHUNK_BYTES, grants: 0 });
  bench.core.reserve(0, 2);
  bench.core.claimOrigin(3, 0, 9, 4, 0);
  expect(counters(bench)).toEqual({ copies: 3, copiedBytes: 3 * CHUNK_BYTES, grants: 0 });
  // Of the last chunk the origin has three sectors.
  bench.core.claimOrigin(4, 0, 100, 5, 0);
  expect(counters(bench)).toEqual({ copies: 4, copiedBytes: 3 * CHUNK_BYTES + 3 * 512, grants: 0 });
});

it("a chunk that is copied in parts is one copy, and one that has failed is none", () => {
  const bench = new CoreBench(800, { copyBytes: 4096 });
  bench.open({ chunk: 16 });
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  expect(counters(bench).copies).toBe(0);
  bench.copied();
  expect(counters(bench)).toEqual({ copies: 1, copiedBytes: 2 * CHUNK_BYTES, grants: 0 });
  bench.core.needOrigin(2, 32, 8);
  bench.copied(errno.EIO);
  bench.copied();
  expect(counters(bench).copies).toBe(1);
});

it("grants: of whole chunks, of parts that the worker completes, and chunks that it had in reserve", () => {
  const bench = new CoreBench(800, { fills: true });
  bench.open();
  bench.core.needChunk(1, 0, 1, ChunkNeed.Whole);
  expect(counters(bench)).toEqual({ copies: 0, copiedBytes: 0, grants: 1 });
  bench.core.needChunk(2, 0, 2, ChunkNeed.Fill);
  expect(counters(bench).grants).toBe(2);
  bench.core.reserve(0, 1);
  bench.core.claim(3, 0, 9, 4, 0);
  expect(counters(bench)).toEqual({ copies: 0, copiedBytes: 0, grants: 3 });
  expect([bench.copies.length, bench.granted.size]).toEqual([0, 2]);
});

it("a claim that is refused counts for nothing", () => {
  const bench = new CoreBench(800);
  bench.open();
  bench.core.reserve(0, 2);
  bench.core.claim(1, 0, 9, 2, 7);
  bench.core.claimOrigin(2, 0, 9, 2, 7);
  expect([bench.released.get(1), bench.released.get(2)]).toEqual([errno.EAGAIN, errno.EAGAIN]);
  expect(counters(bench)).toEqual({ copies: 0, copiedBytes: 0, grants: 0 });
});

it("commits: groups, the exceptions in them, and every byte of metadata, zeroed areas included", () => {
  const bench = new CoreBench(8000);
  // Of 32 exceptions in an area one is missing.
  bench.open({ chunk: 1, exceptions: Array.from({ length: 30 }, (_, i) => [i, 2 + i] as const) });
  const before = commits(bench);
  bench.core.needOrigin(1, 40, 2);
  bench.copied();
  bench.metadataDone();
  const [groups, exceptions, bytes] = commits(bench).map((value, i) => value - before[i]!);
  // The area gets full: a block of it, and the whole next one with zeroes.
  expect([groups, exceptions, bytes]).toEqual([1, 2, 512 + 512]);
});
