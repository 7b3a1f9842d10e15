/**
 * Files on both native rings: one table of behaviour, for the loop must not see which of them it has.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { FileKind } from "../../src/device/port.ts";
import { AllocateMode, IoArg, IoOp } from "../../src/ring/io-descriptor.ts";
import { ARENA_BYTES, PAGE, RingBench, modes } from "./ring-bench.ts";

const kinds = modes().flatMap((mode) => [
  { mode, kind: FileKind.Async, name: `${mode}, asynchronous` },
  { mode, kind: FileKind.Inline, name: `${mode}, inline` },
]);

function onDisk(fd: number, length: number, position: number): string {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, position);
  return bytes.toString("latin1");
}

describe.each(kinds)("files ($name)", ({ mode, kind }) => {
  it("a read fills its range of the arena and no more", () => {
    using bench = new RingBench(mode);
    bench.file(0, 3 * PAGE, 0x62, kind);
    bench.arena.fill(0x2e, 0, 3 * PAGE);
    expect(bench.results([{ op: IoOp.Read, at: PAGE, length: PAGE, position: PAGE }])).toEqual([PAGE]);
    expect(bench.text(PAGE - 1, 2)).toBe(".b");
    expect(bench.text(2 * PAGE - 1, 2)).toBe("b.");
  });

  it("memory outside of the registered part serves as well", () => {
    using bench = new RingBench(mode, { registeredBytes: PAGE });
    bench.file(0, 4 * PAGE, 0x63, kind);
    const spanning = { op: IoOp.Read, at: 100, length: PAGE, position: 0, user: 1 };
    const outside = { op: IoOp.Read, at: ARENA_BYTES - PAGE, length: PAGE, position: 0, user: 2 };
    expect(bench.results([spanning, outside])).toEqual([PAGE, PAGE]);
    expect(bench.text(ARENA_BYTES - 1, 1)).toBe("c");
    expect(bench.text(100 + PAGE - 1, 1)).toBe("c");
  });

  it("a write reaches the file, also with Dsync and beyond 4 GiB", () => {
    using bench = new RingBench(mode);
    const fd = bench.file(0, PAGE, 0x61, kind);
    bench.write(512, "hello");
    const far = 5 * 2 ** 32 + 7;
    const results = bench.results([
      { op: IoOp.Write, at: 512, length: 5, position: 3, user: 1 },
      { op: IoOp.Write, at: 512, length: 5, position: far, argument: IoArg.Dsync, user: 2 },
    ]);
    expect(results).toEqual([5, 5]);
    expect(onDisk(fd, 10, 0)).toBe("aaahelloaa");
    expect(onDisk(fd, 5, far)).toBe("hello");
  });

  it("a read at the end of the file is short, and behind it is 0", () => {
    using bench = new RingBench(mode);
    bench.file(0, 1000, 0x61, kind);
    const results = bench.results([
      { op: IoOp.Read, length: PAGE, position: 600, user: 1 },
      { op: IoOp.Read, length: PAGE, position: 5000, user: 2 },
    ]);
    expect(results).toEqual([400, 0]);
  });

  it("vectors gather and scatter in order", () => {
    using bench = new RingBench(mode);
    const fd = bench.file(0, 64, 0x2e, kind);
    bench.write(PAGE, "abcdef");
    const count = bench.vector(0, [
      [PAGE + 3, 3],
      [PAGE, 0],
      [PAGE, 3],
    ]);
    expect(
      bench.results([{ op: IoOp.WriteVector, at: 0, length: count, position: 10, argument: IoArg.Dsync }]),
    ).toEqual([6]);
    expect(onDisk(fd, 8, 9)).toBe(".defabc.");
    bench.vector(0, [
      [2 * PAGE, 2],
      [2 * PAGE + 10, 4],
    ]);
    expect(bench.results([{ op: IoOp.ReadVector, at: 0, length: 2, position: 10 }])).toEqual([6]);
    expect(bench.text(2 * PAGE, 2)).toBe("de");
    expect(bench.text(2 * PAGE + 10, 4)).toBe("fabc");
  });

  it("sync completes with 0", () => {
    using bench = new RingBench(mode);
    bench.file(0, 64, 0x2e, kind);
    expect(bench.results([{ op: IoOp.Sync }])).toEqual([0]);
  });

  it("a file grows by allocation, and not with KeepSize", () => {
    using bench = new RingBench(mode);
    const fd = bench.file(0, 64, 0x2e, kind);
    expect(bench.results([{ op: IoOp.Allocate, position: 0, length2: 2 * PAGE }])).toEqual([0]);
    expect(fstatSync(fd).size).toBe(2 * PAGE);
    const kept = { op: IoOp.Allocate, position: 0, length2: 4 * PAGE, argument: AllocateMode.KeepSize };
    expect(bench.results([kept])).toEqual([0]);
    expect(fstatSync(fd).size).toBe(2 * PAGE);
  });

  it.each([
    ["a punched hole", AllocateMode.PunchHole | AllocateMode.KeepSize],
    ["a zeroed range", AllocateMode.ZeroRange],
    ["a discarded range of a file", AllocateMode.Discard],
  ])("%s reads as zeroes, its neighbours stay", (_name, argument) => {
    using bench = new RingBench(mode);
    const fd = bench.file(0, 4 * PAGE, 0x61, kind);
    expect(bench.results([{ op: IoOp.Allocate, position: PAGE, length2: PAGE, argument }])).toEqual([0]);
    expect(onDisk(fd, PAGE + 2, PAGE - 1)).toBe(`a${"\0".repeat(PAGE)}a`);
  });

  it("direct I/O works out of the arena", () => {
    using bench = new RingBench(mode);
    bench.file(0, 4 * PAGE, 0x64, kind, constants.O_RDWR | constants.O_DIRECT);
    bench.arena.fill(0x65, PAGE, 2 * PAGE);
    const results = bench.results([
      { op: IoOp.Write, at: PAGE, length: PAGE, position: PAGE, user: 1, link: true },
      { op: IoOp.Read, at: 0, length: PAGE, position: PAGE, user: 2 },
    ]);
    expect(results).toEqual([PAGE, PAGE]);
    expect(bench.text(0, 1)).toBe("e");
  });

  it("an error of the file is the completion's result", () => {
    using bench = new RingBench(mode);
    bench.file(0, 64, 0x2e, kind, constants.O_RDONLY);
    expect(bench.results([{ op: IoOp.Write, length: 8 }])).toEqual([-errno.EBADF]);
  });

  it("a linked operation starts after the one before it", () => {
    using bench = new RingBench(mode);
    bench.file(0, PAGE, 0x61, kind);
    bench.write(0, "first");
    const results = bench.results([
      { op: IoOp.Sync, user: 0, link: true },
      { op: IoOp.Write, at: 0, length: 5, user: 1, link: true, argument: IoArg.Dsync },
      { op: IoOp.Read, at: 100, length: 5, user: 2, link: true },
      { op: IoOp.Write, at: 100, length: 5, position: 5, user: 3, link: true },
      { op: IoOp.Read, at: 200, length: 10, user: 4 },
    ]);
    expect(results).toEqual([0, 5, 5, 5, 10]);
    expect(bench.text(200, 10)).toBe("firstfirst");
  });

  it("behind a failed or short member, a chain is cancelled, and the next chain is not", () => {
    using bench = new RingBench(mode);
    const fd = bench.file(0, 100, 0x61, kind);
    const results = bench.results([
      { op: IoOp.Read, length: 200, user: 0, link: true },
      { op: IoOp.Write, length: 4, user: 1, link: true },
      { op: IoOp.Sync, user: 2 },
      { op: IoOp.Allocate, length2: 1, argument: AllocateMode.PunchHole | AllocateMode.KeepSize, position: 0, user: 3 },
      { op: IoOp.Read, length: 10, at: 500, position: 50, user: 4 },
    ]);
    expect(results).toEqual([100, -errno.ECANCELED, -errno.ECANCELED, 0, 10]);
    expect(onDisk(fd, 2, 4)).toBe("aa");
  });

  it("a link on the last descriptor of a turn does not reach into the next turn", () => {
    using bench = new RingBench(mode);
    bench.file(0, 10, 0x61, kind);
    expect(bench.results([{ op: IoOp.Read, length: 20, link: true }])).toEqual([10]);
    expect(bench.results([{ op: IoOp.Read, length: 10 }])).toEqual([10]);
  });

  it("closing a descriptor does not take the file from the ring; clearing its index does", () => {
    using bench = new RingBench(mode);
    const fd = openSync(`/proc/self/fd/${bench.file(0, 10, 0x7a, kind)}`, "r+");
    bench.ring.setFile(1, fd, kind);
    closeSync(fd);
    expect(bench.results([{ op: IoOp.Read, length: 10, file: 1 }])).toEqual([10]);
    expect(bench.text(0, 1)).toBe("z");
    bench.ring.setFile(1, -1, FileKind.Async);
    expect(bench.results([{ op: IoOp.Read, length: 10, file: 1 }])).toEqual([-errno.EBADF]);
  });

  it("an index that is set again stands for the new file", () => {
    using bench = new RingBench(mode);
    bench.file(0, 10, 0x61, kind);
    const other = bench.file(1, 10, 0x62, kind);
    bench.ring.setFile(0, other, kind);
    expect(bench.results([{ op: IoOp.Read, length: 10, file: 0 }])).toEqual([10]);
    expect(bench.text(0, 1)).toBe("b");
  });
});

describe.each(modes())("zero and copy (%s)", (mode) => {
  it("overlapping bytes are moved whole", () => {
    using bench = new RingBench(mode);
    bench.write(0, "abcdefgh");
    bench.ring.copy(2, 0, 6);
    expect(bench.text(0, 8)).toBe("ababcdef");
    bench.ring.zero(1, 2);
    expect(bench.text(0, 4)).toBe("a\0\0b");
  });

  it("a range that leaves the arena is refused", () => {
    using bench = new RingBench(mode);
    expect(() => bench.ring.copy(ARENA_BYTES - 1, 0, 2)).toThrow(RangeError);
    expect(() => bench.ring.copy(0, ARENA_BYTES - 1, 2)).toThrow(RangeError);
    expect(() => bench.ring.copy(0, 0, Number.MAX_SAFE_INTEGER)).toThrow(RangeError);
    expect(() => bench.ring.zero(ARENA_BYTES, 1)).toThrow(RangeError);
    expect(() => bench.ring.zero(-1, 1)).toThrow(TypeError);
    bench.ring.zero(ARENA_BYTES, 0);
  });
});
