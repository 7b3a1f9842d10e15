import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { decodeHeader } from "../../../src/format/disk-header.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

test("register, header, state, then the releases (S-70, E-15, C-25)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open({ registered: true });
  bench.core.needOrigin(1, 0, 8);
  bench.clear();
  bench.copied(errno.EIO);
  expect(bench.take()).toEqual(["register 0 invalid"]);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["header 0"]);
  expect([ports.state, bench.released.size]).toEqual([SnapshotState.Active, 0]);
  const job = bench.metadataDone();
  expect(job.kind === "header" && decodeHeader(job.header)).toMatchObject({ valid: 0, chunkSectors: 8 });
  expect(bench.take()).toEqual(["notice 0 invalid", "release 1 0"]);
  expect(ports.state).toBe(SnapshotState.Invalid);
  expect(bench.core.status(0).text).toBe("Invalid");
});

test("a header that cannot be written is tried again, reported, and the origin goes on (S-70)", () => {
  const bench = new CoreBench(800, { headerAttempts: 3 });
  bench.open({ cowSectors: 16 });
  bench.core.needOrigin(1, 0, 8);
  for (let i = 0; i < 3; i++) {
    expect(bench.released.has(1)).toBe(false);
    bench.metadataDone(0, errno.EIO);
  }
  expect(bench.take()).toEqual([
    "header 0",
    "header 0",
    "header 0",
    "notice 0 header-write-failed",
    "notice 0 invalid",
    "release 1 0",
  ]);
});

test("a dropped snapshot whose header cannot be written is registered as Invalid, not forgotten (S-70, E-46)", () => {
  // It was taken out of the register first; then its header stayed valid: given again, it opened as a snapshot that misses origin data.
  const bench = new CoreBench(800, { headerAttempts: 2 });
  bench.open({ registered: true });
  bench.clear();
  bench.core.dropSnapshot(7, 0);
  expect(bench.take()).toEqual(["register 0 removed"]);
  bench.core.registered(0, 0);
  for (let i = 0; i < 2; i++) bench.metadataDone(0, errno.EIO);
  expect(bench.take()).toEqual(["header 0", "header 0", "notice 0 header-write-failed", "register 0 invalid"]);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(expect.arrayContaining(["notice 0 invalid"]));
});

/** An Invalid snapshot with a valid header: its copy has failed, and so has every write of the header. */
function invalidWithHeader(): CoreBench {
  const bench = new CoreBench(800, { headerAttempts: 2 });
  bench.open({ registered: true });
  bench.core.needOrigin(1, 0, 8);
  bench.copied(errno.ENOSPC);
  bench.core.registered(0, 0);
  for (let i = 0; i < 2; i++) bench.metadataDone(0, errno.ENOSPC);
  expect(bench.take()).toEqual(expect.arrayContaining(["register 0 invalid", "notice 0 header-write-failed"]));
  bench.clear();
  return bench;
}

test("an Invalid snapshot that kept its header loses it before it is unregistered (S-70, E-41, E-46)", () => {
  const bench = invalidWithHeader();
  bench.core.dropSnapshot(7, 0);
  expect(bench.take()).toEqual(["header 0"]);
  const job = bench.metadataDone();
  expect(job.kind === "header" && decodeHeader(job.header).valid).toBe(0);
  expect(bench.take()).toEqual(["register 0 removed"]);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(expect.arrayContaining(["finished 0"]));
});

test("an Invalid snapshot that still cannot lose its header is dropped, and stays registered as Invalid (S-70, E-46)", () => {
  // It was unregistered: the store, valid by its header and known to nobody, opened again as a snapshot that misses origin data.
  const bench = invalidWithHeader();
  bench.core.dropSnapshot(7, 0);
  for (let i = 0; i < 2; i++) bench.metadataDone(0, errno.ENOSPC);
  const events = bench.take();
  expect(events.slice(0, 3)).toEqual(["header 0", "header 0", "notice 0 header-write-failed"]);
  expect(events).toEqual(expect.arrayContaining(["finished 0"]));
  expect(events.some((event) => event.startsWith("register"))).toBe(false);
});

test("what comes while the snapshot is dropped waits for its end (C-25)", () => {
  const bench = new CoreBench(800);
  bench.open({ cowSectors: 16 });
  bench.core.needOrigin(1, 0, 8);
  bench.core.needOrigin(2, 80, 8);
  bench.core.needChunk(3, 0, 20, ChunkNeed.Whole);
  expect(bench.released.size).toBe(0);
  bench.metadataDone();
  expect([...bench.released].sort()).toEqual([
    [1, 0],
    [2, 0],
    [3, errno.EIO],
  ]);
});

test("a header never overlaps an area write (S-56), and a full store first commits what is good", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open({ cowSectors: 32 });
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.core.needChunk(2, 0, 5, ChunkNeed.Copy);
  bench.copied();
  bench.core.needChunk(3, 0, 6, ChunkNeed.Copy);
  expect(bench.metadataJobs.map(({ kind }) => kind)).toEqual(["commit"]);
  bench.metadataDone();
  expect(bench.groupOf(bench.metadataDone())).toEqual([
    [0, 2],
    [5, 3],
  ]);
  expect(bench.metadataJobs.map(({ kind }) => kind)).toEqual(["header"]);
  bench.metadataDone();
  expect(bench.released.get(3)).toBe(errno.ENOSPC);
});

test("a flush of a snapshot that turns Invalid fails (E-1, S-57)", () => {
  const bench = new CoreBench(800, { early: true });
  bench.open();
  bench.core.needChunk(1, 0, 5, ChunkNeed.Copy);
  bench.copied();
  bench.core.needDurable(2, 0, 1);
  bench.metadataDone(0, errno.EIO);
  bench.metadataDone();
  expect(bench.released.get(2)).toBe(errno.EIO);
  bench.core.needDurable(3, 0, 1);
  expect(bench.released.get(3)).toBe(errno.EIO);
});

test("copies that end after their snapshot is Invalid change nothing (C-25)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  bench.core.needOrigin(1, 0, 8);
  bench.core.needOrigin(2, 8, 8);
  bench.copied(errno.EIO);
  bench.metadataDone();
  bench.copied();
  expect(ports.table.count()).toBe(0);
  expect([...bench.released]).toEqual([
    [1, 0],
    [2, 0],
  ]);
});

test("an Invalid snapshot asks nothing of origin writes (E-13)", () => {
  const bench = new CoreBench(800);
  bench.open({ spoil: (image) => void (image[4] = 0), exceptions: [] });
  expect(bench.core.status(0).text).toBe("Invalid");
  bench.core.needOrigin(1, 0, 8);
  expect(bench.released.get(1)).toBe(0);
});

test("a drop whose record cannot be written is a drop, and a line in the log (E-41, E-46)", () => {
  const bench = invalidWithHeader();
  const operation = bench.operation((id) => bench.core.dropSnapshot(id, 0));
  bench.metadataDone();
  bench.clear();
  bench.core.registered(0, errno.EIO);
  expect(bench.take()).toEqual(["notice 0 register-failed", "finished 0"]);
  expect([bench.finishedWith.get(operation), bench.core.snapshots()]).toEqual([0, []]);
  // It has ended: nothing waits for it any more.
  const closed = bench.operation((id) => bench.core.close(id));
  expect(bench.finishedWith.get(closed)).toBe(0);
});

test("a drop of a snapshot that is turning Invalid waits for that, and goes on from there (E-41, S-70)", () => {
  const bench = new CoreBench(800);
  bench.open({ registered: true });
  bench.core.needOrigin(1, 0, 8);
  bench.copied(errno.EIO);
  bench.clear();
  const operation = bench.operation((id) => bench.core.dropSnapshot(id, 0));
  expect(bench.take()).toEqual([]);
  bench.core.registered(0, 0);
  bench.metadataDone();
  expect(bench.take()).toEqual(["header 0", "notice 0 invalid", "release 1 0", "register 0 removed"]);
  bench.core.registered(0, 0);
  expect([bench.take(), bench.finishedWith.get(operation)]).toEqual([["finished 0"], 0]);
});
