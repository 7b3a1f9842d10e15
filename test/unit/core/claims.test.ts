import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { ORIGIN_READ_GATE } from "../../../src/base/gate-numbers.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

test("reserves come as runs, which a metadata chunk divides (S-4, S-44)", () => {
  const bench = new CoreBench(800);
  bench.open({ chunk: 1, exceptions: Array.from({ length: 30 }, (_, i) => [i, 2 + i] as const) });
  expect(bench.core.reserve(0, 4)).toEqual([
    [32, 2],
    [35, 2],
  ]);
});

test("a transient store reserves chunk 0, too (S-13)", () => {
  const bench = new CoreBench(800);
  bench.open({ store: "N" });
  expect(bench.core.reserve(0, 2)).toEqual([[0, 2]]);
});

test("reserves are given and claimed while new exceptions may be made, and never else (S-44, S-45)", () => {
  const bench = new CoreBench(800);
  // Full for want of room in the file system, while the device has some.
  bench.open({ store: "PO" });
  bench.core.reserve(0, 1);
  bench.core.needChunk(1, 0, 4, ChunkNeed.Copy);
  bench.copied(0, 1, errno.ENOSPC);
  bench.core.claim(2, 0, 9, 2, bench.core.reserveEpoch(0));
  expect([bench.core.reserve(0, 1), bench.released.get(2)]).toEqual([[], errno.EAGAIN]);
  // About to merge.
  bench.open({ exceptions: [[1, 2]] });
  bench.core.reserve(1, 1);
  bench.originPorts.readGate.count = 1;
  bench.operation((id) => bench.core.mergeStart(id, 1));
  bench.core.claim(3, 1, 9, 3, bench.core.reserveEpoch(1));
  expect(bench.released.get(3)).toBe(0);
  bench.core.reserve(1, 1);
  bench.originPorts.readGate.count = 0;
  bench.core.gateDrained(ORIGIN_READ_GATE);
  bench.core.claim(4, 1, 10, 4, bench.core.reserveEpoch(1));
  expect([bench.core.reserve(1, 1), bench.released.get(4)]).toEqual([[], errno.EAGAIN]);
});

test("an Invalid snapshot gives no reserves", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [], spoil: (image) => void (image[4] = 0) });
  expect(bench.core.reserve(0, 1)).toEqual([]);
});

test("while reserves are taken back none are given, even where there is room again (S-46)", () => {
  const bench = new CoreBench(8000);
  const ports = bench.open({ cowSectors: 8 * 36 });
  bench.core.reserve(0, 2);
  ports.writeGate.count = 1;
  for (let chunk = 0; chunk < 40; chunk++) bench.core.needChunk(100 + chunk, 0, chunk, ChunkNeed.Whole);
  bench.core.grow(0, 8 * 100);
  expect(bench.core.reserve(0, 1)).toEqual([]);
  ports.writeGate.count = 0;
  bench.core.gateDrained(4);
  expect(bench.core.reserve(0, 1)).toHaveLength(1);
});

test("a chunk that has its exception is not claimed again, be it settled or on its way (S-45)", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[9, 2]] });
  bench.core.reserve(0, 3);
  bench.core.claim(1, 0, 9, 3, 0);
  bench.core.needChunk(2, 0, 5, ChunkNeed.Copy);
  bench.core.claim(3, 0, 5, 3, 0);
  expect([bench.released.get(1), bench.released.get(3)]).toEqual([errno.EAGAIN, errno.EAGAIN]);
});
