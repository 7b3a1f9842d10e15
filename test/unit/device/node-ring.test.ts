import { constants, fstatSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { FileKind } from "../../../src/device/port.ts";
import { AllocateMode, COMPLETION_WORDS, IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { ARENA_BYTES, type Descriptor, type Done, NodeBench, onDisk, PAGE } from "./node-bench.ts";

const MSG_WAITALL = 0x100;
const HALF = ARENA_BYTES / 2;
const nop = (user: number, link = false): Descriptor => ({ op: IoOp.Nop, user, link });

describe("files on the node ring", () => {
  test("a read fills its range of the arena and no more", async () => {
    await using bench = new NodeBench();
    bench.file(0, 3 * PAGE, 0x62);
    bench.arena.fill(0x2e, 0, 3 * PAGE);
    expect(bench.results([{ op: IoOp.Read, at: PAGE, length: PAGE, position: PAGE }])).toEqual([PAGE]);
    expect(bench.text(PAGE - 1, 2)).toBe(".b");
    expect(bench.text(2 * PAGE - 1, 2)).toBe("b.");
  });

  test("a write reaches the file, also with Dsync and beyond 4 GiB", async () => {
    await using bench = new NodeBench();
    const fd = bench.file(0, PAGE);
    bench.write(512, "hello");
    const far = 5 * 2 ** 32 + 7;
    const results = bench.results([
      { op: IoOp.Write, at: 512, length: 5, position: 3, user: 1 },
      { op: IoOp.Write, at: 512, length: 5, position: far, argument: IoArg.Dsync, user: 2 },
      { op: IoOp.Sync, user: 3 },
    ]);
    expect(results).toEqual([5, 5, 0]);
    expect(onDisk(fd, 10, 0)).toBe("aaahelloaa");
    expect(onDisk(fd, 5, far)).toBe("hello");
  });

  test("a read at the end of the file is short, and behind it is 0", async () => {
    await using bench = new NodeBench();
    bench.file(0, 1000);
    const results = bench.results([
      { op: IoOp.Read, length: PAGE, position: 600, user: 1 },
      { op: IoOp.Read, length: PAGE, position: 5000, user: 2 },
    ]);
    expect(results).toEqual([400, 0]);
  });

  test("vectors gather and scatter in order", async () => {
    await using bench = new NodeBench();
    const fd = bench.file(0, 64, 0x2e);
    bench.write(PAGE, "abcdef");
    const write = bench.vector(0, [
      [PAGE + 3, 3],
      [PAGE, 0],
      [PAGE, 3],
    ]);
    const descriptor = { op: IoOp.WriteVector, at: 0, length: write, position: 10, argument: IoArg.Dsync };
    expect(bench.results([descriptor])).toEqual([6]);
    expect(onDisk(fd, 8, 9)).toBe(".defabc.");
    bench.vector(0, [
      [2 * PAGE, 2],
      [2 * PAGE + 10, 4],
    ]);
    expect(bench.results([{ op: IoOp.ReadVector, at: 0, length: 2, position: 10 }])).toEqual([6]);
    expect(bench.text(2 * PAGE, 2)).toBe("de");
    expect(bench.text(2 * PAGE + 10, 4)).toBe("fabc");
  });

  test("direct I/O works out of the arena, zeroes included", async () => {
    await using bench = new NodeBench();
    const fd = bench.file(0, 4 * PAGE, 0x64, constants.O_RDWR | constants.O_DIRECT);
    bench.arena.fill(0x65, PAGE, 2 * PAGE);
    const results = bench.results([
      { op: IoOp.Write, at: PAGE, length: PAGE, position: PAGE, user: 1, link: true },
      { op: IoOp.Allocate, position: 2 * PAGE, length2: PAGE, argument: AllocateMode.ZeroRange, user: 2, link: true },
      { op: IoOp.Read, at: 8 * PAGE, length: 4 * PAGE, position: 0, user: 3 },
    ]);
    expect(results).toEqual([PAGE, 0, 4 * PAGE]);
    const letters = [8, 9, 10, 11].map((page) => bench.text(page * PAGE, PAGE));
    expect(letters).toEqual(["d", "e", "\0", "d"].map((letter) => letter.repeat(PAGE)));
    expect(fstatSync(fd).size).toBe(4 * PAGE);
  });

  test.each([
    ["a punched hole", AllocateMode.PunchHole | AllocateMode.KeepSize],
    ["a zeroed range", AllocateMode.ZeroRange],
    ["a zeroed range that keeps the size", AllocateMode.ZeroRange | AllocateMode.KeepSize],
  ])("%s reads as zeroes, its neighbours stay", async (_name, argument) => {
    await using bench = new NodeBench();
    const fd = bench.file(0, 3 * 1024 * 1024);
    const length2 = 2 * 1024 * 1024 + 100;
    expect(bench.results([{ op: IoOp.Allocate, position: 1000, length2, argument }])).toEqual([0]);
    expect(onDisk(fd, length2 + 2, 999)).toBe(`a${"\0".repeat(length2)}a`);
    expect(fstatSync(fd).size).toBe(3 * 1024 * 1024);
  });

  test("a range over the end of the file grows it, unless the size is kept", async () => {
    await using bench = new NodeBench();
    const fd = bench.file(0, PAGE);
    const over = { op: IoOp.Allocate, position: PAGE - 8, length2: PAGE };
    const hole = AllocateMode.PunchHole | AllocateMode.KeepSize;
    expect(bench.results([{ ...over, argument: hole }])).toEqual([0]);
    expect(fstatSync(fd).size).toBe(PAGE);
    expect(onDisk(fd, 9, PAGE - 9)).toBe(`a${"\0".repeat(8)}`);
    expect(bench.results([{ ...over, argument: AllocateMode.ZeroRange }])).toEqual([0]);
    expect(fstatSync(fd).size).toBe(2 * PAGE - 8);
    expect(bench.results([{ op: IoOp.Allocate, position: 0, length2: 3 * PAGE }])).toEqual([0]);
    expect(fstatSync(fd).size).toBe(3 * PAGE);
    expect(bench.results([{ op: IoOp.Allocate, position: 0, length2: PAGE }])).toEqual([0]);
    expect(fstatSync(fd).size).toBe(3 * PAGE);
  });

  test("a discard is advice and changes nothing; space cannot be reserved", async () => {
    await using bench = new NodeBench();
    const fd = bench.file(0, PAGE);
    const discard = { op: IoOp.Allocate, position: 0, length2: PAGE, argument: AllocateMode.Discard };
    expect(bench.results([discard])).toEqual([0]);
    expect(onDisk(fd, PAGE, 0)).toBe("a".repeat(PAGE));
    expect(bench.results([{ ...discard, argument: AllocateMode.KeepSize }])).toEqual([-errno.EOPNOTSUPP]);
  });

  test("an error of the system is the result", async () => {
    await using bench = new NodeBench();
    bench.file(0, PAGE, 0x61, constants.O_RDONLY);
    bench.ring.setFile(1, 999_999, FileKind.Async);
    const results = bench.results([
      { op: IoOp.Write, file: 0, length: 8, user: 1 },
      { op: IoOp.Read, file: 1, length: 8, user: 2 },
      { op: IoOp.Sync, file: 1, user: 3 },
      { op: IoOp.Allocate, file: 0, length2: 8, argument: AllocateMode.ZeroRange, user: 4 },
    ]);
    expect(results).toEqual([-errno.EBADF, -errno.EBADF, -errno.EBADF, -errno.EBADF]);
  });
});

describe("chains on the node ring", () => {
  test("a link starts only after a whole success; the rest is cancelled", async () => {
    await using bench = new NodeBench();
    bench.file(0, 10);
    const results = bench.results([
      { op: IoOp.Read, length: 10, user: 1, link: true },
      { op: IoOp.Read, length: 11, user: 2, link: true },
      nop(3, true),
      nop(4),
      nop(5, true),
    ]);
    expect(results).toEqual([10, 10, -errno.ECANCELED, -errno.ECANCELED, 0]);
  });

  test("a chain as long as the ring is one after the other", async () => {
    await using bench = new NodeBench(4096);
    const fd = bench.file(0, 8);
    for (let i = 0; i < 4096; i++) bench.arena[i] = i;
    const chain = Array.from({ length: 4096 }, (_, i) => ({
      op: IoOp.Write,
      at: i,
      length: 1,
      position: 3,
      user: i,
      link: true,
    }));
    expect(bench.results(chain).every((result) => result === 1)).toBe(true);
    expect(readFileSync(`/proc/self/fd/${fd}`)[3]).toBe(255);
  });
});

describe("what waits on the node ring", () => {
  test("with nothing under way, a turn that may wait returns 0", async () => {
    await using bench = new NodeBench();
    expect(bench.ring.turn(0, true)).toBe(0);
  });

  test("a wake-up that came before the sleep, or during it, ends it", async () => {
    await using bench = new NodeBench();
    bench.ring.setFile(1, 0, FileKind.Event);
    const read = { op: IoOp.EventRead, file: 1, at: 64, user: 3 };
    expect(bench.turn([read], false)).toEqual([]);
    Atomics.store(bench.wake, 0, 1);
    expect(bench.turn([], true)).toEqual([{ user: 3, result: 8 }]);
    expect([...bench.arena.subarray(64, 72)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
    expect(bench.wake[0]).toBe(0);
    expect(bench.turn([read], false)).toEqual([]);
    const code = `const { workerData: w } = require("node:worker_threads");
      setTimeout(() => { Atomics.store(w, 0, 1); Atomics.notify(w, 0); }, 20);`;
    const worker = new Worker(code, { eval: true, workerData: bench.wake });
    expect(bench.turn([], true)).toEqual([{ user: 3, result: 8 }]);
    await worker.terminate();
  });

  test("one wake-up ends one read", async () => {
    await using bench = new NodeBench();
    bench.ring.setFile(1, 0, FileKind.Event);
    const read = { op: IoOp.EventRead, file: 1 };
    Atomics.store(bench.wake, 0, 1);
    expect(bench.turn([read, read], false)).toHaveLength(1);
    expect(bench.turn([], false)).toEqual([]);
  });

  test("a timeout completes with ETIME, and a longer one goes on until it is cancelled", async () => {
    await using bench = new NodeBench();
    const long = { op: IoOp.Timeout, argument: 4_000_000_000, user: 1 };
    const short = { op: IoOp.Timeout, argument: 1_000, user: 2 };
    expect(bench.turn([long, short], true)).toEqual([{ user: 2, result: -errno.ETIME }]);
    expect(bench.turn([], false)).toEqual([]);
    expect(bench.run([{ op: IoOp.Cancel, argument: 1, user: 3 }], 2)).toEqual([
      { user: 1, result: -errno.ECANCELED },
      { user: 3, result: 0 },
    ]);
    expect(bench.results([{ op: IoOp.Cancel, argument: 1 }])).toEqual([-errno.ENOENT]);
  });

  test("cancel ends what waits, and what was linked behind it", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "echo");
    const waiting = [{ op: IoOp.Receive, file: 0, length: 10, user: 1, link: true }, nop(2, true), nop(3)];
    expect(bench.turn(waiting, false)).toEqual([]);
    expect(bench.run([{ op: IoOp.Cancel, argument: 1, user: 4 }], 4)).toEqual([
      { user: 1, result: -errno.ECANCELED },
      { user: 2, result: -errno.ECANCELED },
      { user: 3, result: -errno.ECANCELED },
      { user: 4, result: 0 },
    ]);
    // The socket serves on.
    bench.write(0, "ping");
    const send = { op: IoOp.Send, file: 0, at: 0, length: 4, user: 1 };
    const receive = { op: IoOp.Receive, file: 0, at: PAGE, length: 4, user: 2, argument: MSG_WAITALL };
    expect(bench.results([send, receive])).toEqual([4, 4]);
    expect(bench.text(PAGE, 4)).toBe("ping");
  });

  test("more completions than a turn has room for come in the next ones", async () => {
    await using bench = new NodeBench(4);
    const timeout = { op: IoOp.Timeout, argument: 1 };
    for (let i = 0; i < 12; i += 4) {
      const done = bench.turn(
        [0, 1, 2, 3].map((k) => ({ ...timeout, argument: 1_000_000, user: i + k })),
        false,
      );
      expect(done).toEqual([]);
    }
    const all: Done[] = [];
    const cancel = (user: number): Descriptor => ({ op: IoOp.Cancel, argument: user, user: 100 + user });
    for (let i = 0; i < 12; i += 4)
      all.push(
        ...bench.turn(
          [0, 1, 2, 3].map((k) => cancel(i + k)),
          false,
        ),
      );
    while (all.length < 24) {
      const done = bench.turn([], true);
      expect(done.length).toBeGreaterThan(0);
      expect(done.length).toBeLessThanOrEqual(4);
      all.push(...done);
    }
    expect(new Set(all.map((done) => done.user)).size).toBe(24);
    expect(bench.turn([], true)).toEqual([]);
    expect(bench.ring.counters()).toMatchObject({ submitted: 24, completed: 24 });
  });

  test("a closed ring leaves the arena alone", async () => {
    await using bench = new NodeBench();
    bench.ring.setFile(1, 0, FileKind.Event);
    bench.turn([{ op: IoOp.EventRead, file: 1, at: 64 }], false);
    bench.ring.close();
    Atomics.store(bench.wake, 0, 1);
    expect(bench.turn([], true)).toEqual([]);
    expect(bench.arena[64]).toBe(0);
  });
});

describe("sockets on the node ring", () => {
  test("a receive waits for bytes and completes with what has come, then with 0", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "late");
    const receive = { op: IoOp.Receive, file: 0, at: PAGE, length: 100, user: 1 };
    expect(bench.run([receive])).toEqual([{ user: 1, result: 4 }]);
    expect(bench.text(PAGE, 4)).toBe("late");
    expect(bench.run([receive])).toEqual([{ user: 1, result: 0 }]);
  });

  test("a receive that waits for all is not content with a part, unless the peer closes", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "late");
    const receive = { op: IoOp.Receive, file: 0, at: PAGE, length: 100, user: 1, argument: MSG_WAITALL, link: true };
    expect(bench.results([receive, nop(2)])).toEqual([4, -errno.ECANCELED]);
  });

  test("large sends go out whole and in order though the socket takes them in parts, while receives run", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "slow echo");
    const bytes = 1_500_000;
    for (let i = 0; i < bytes; i++) bench.arena[PAGE + i] = (i * 31) % 251;
    const entries = Array.from({ length: 15 }, (_, i) => [PAGE + i * 100_000, 100_000] as const);
    bench.vector(0, entries.slice(0, 10));
    const send = { op: IoOp.SendVector, file: 0, at: 0, length: 10, user: 1 };
    const rest = { op: IoOp.Send, file: 0, at: PAGE + 1_000_000, length: 500_000, user: 2 };
    const early = bench.turn([send, rest], false);
    expect(early).toEqual([]);
    const receive = { op: IoOp.Receive, file: 0, at: HALF, length: bytes, user: 3, argument: MSG_WAITALL };
    const done = bench.run([receive], 3);
    expect(done.map((d) => d.result)).toEqual([1_000_000, 500_000, bytes]);
    const same = Buffer.compare(bench.arena.slice(PAGE, PAGE + bytes), bench.arena.slice(HALF, HALF + bytes));
    expect(same).toBe(0);
  });

  test("received bytes are scattered over a vector", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "echo");
    bench.write(PAGE, "abcdef");
    bench.vector(0, [
      [2 * PAGE, 2],
      [3 * PAGE, 4],
    ]);
    const done = bench.run([
      { op: IoOp.Send, file: 0, at: PAGE, length: 6, user: 1, link: true },
      { op: IoOp.ReceiveVector, file: 0, at: 0, length: 2, user: 2, argument: MSG_WAITALL },
    ]);
    expect(done.map((d) => d.result)).toEqual([6, 6]);
    expect(bench.text(2 * PAGE, 2) + bench.text(3 * PAGE, 4)).toBe("abcdef");
  });

  test("receives on one socket are served in the order in which they came", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "echo");
    const receive = (user: number): Descriptor => ({
      op: IoOp.Receive,
      file: 0,
      at: user * PAGE,
      length: 2,
      user,
      argument: MSG_WAITALL,
    });
    expect(bench.turn([receive(1), receive(2), receive(3)], false)).toEqual([]);
    bench.write(0, "aabbcc");
    bench.run([{ op: IoOp.Send, file: 0, at: 0, length: 6, user: 4 }], 4);
    expect([1, 2, 3].map((user) => bench.text(user * PAGE, 2))).toEqual(["aa", "bb", "cc"]);
  });

  test("a peer that has gone is EPIPE, without a signal", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "close");
    const receive = { op: IoOp.Receive, file: 0, at: PAGE, length: 100, user: 1 };
    expect(bench.results([receive])).toEqual([3]);
    expect(bench.results([receive])).toEqual([0]);
    const send = { op: IoOp.Send, file: 0, length: 10, user: 1 };
    // A little while passes between the peer's last byte and its end.
    let result = 10;
    for (let i = 0; i < 20_000 && result === 10; i++) [result] = bench.results([send]);
    expect([-errno.EPIPE, -errno.ECONNRESET]).toContain(result);
  });

  test("a send of nothing tells whether somebody is there", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "close");
    const nothing = { op: IoOp.Send, file: 0, length: 0, user: 1 };
    let result = 0;
    for (let i = 0; i < 20_000 && result === 0; i++) [result] = bench.results([nothing]);
    expect(result).toBe(-errno.EPIPE);
  });

  test("a wake-up ends a sleep in which a socket waits, too", async () => {
    await using bench = new NodeBench();
    await bench.socket(0, "echo");
    bench.ring.setFile(1, 0, FileKind.Event);
    bench.turn(
      [
        { op: IoOp.Receive, file: 0, length: 10, user: 1 },
        { op: IoOp.EventRead, file: 1, user: 2 },
      ],
      false,
    );
    Atomics.store(bench.wake, 0, 1);
    expect(bench.turn([], true)).toEqual([{ user: 2, result: 8 }]);
  });
});

describe("refused by the node ring", () => {
  const TOP = 0xffff_ffff;
  const DISK = 0;
  const EVENT = 1;
  const SOCKET = 2;
  const INVALID: readonly (readonly [string, Descriptor])[] = [
    ["an offset behind the arena", { op: IoOp.Read, at: ARENA_BYTES, length: 1 }],
    ["a range over the arena's end", { op: IoOp.Read, at: ARENA_BYTES - PAGE, length: PAGE + 1 }],
    ["a length that wraps around 2^32", { op: IoOp.Write, at: PAGE, length: TOP }],
    ["an offset near 2^32", { op: IoOp.Write, at: TOP, length: 2 }],
    ["a negative position", { op: IoOp.Read, length: 8, position: -1 }],
    ["an unknown write argument", { op: IoOp.Write, length: 8, argument: 1 }],
    ["an unknown read argument", { op: IoOp.Read, length: 8, argument: 2 }],
    ["an unknown operation", { op: 14 }],
    ["an operation far out", { op: 255 }],
    ["an unknown flag", { op: IoOp.Nop, flags: 4 }],
    ["a read of a socket", { op: IoOp.Read, file: SOCKET, length: 8 }],
    ["a receive from a file", { op: IoOp.Receive, file: DISK, length: 8 }],
    ["an event read of a file", { op: IoOp.EventRead, file: DISK }],
    ["a read of an event", { op: IoOp.Read, file: EVENT, length: 8 }],
    ["an event read over the arena's end", { op: IoOp.EventRead, file: EVENT, at: ARENA_BYTES - 7 }],
    ["a receive of nothing", { op: IoOp.Receive, file: SOCKET, length: 0 }],
    ["a receive with MSG_TRUNC", { op: IoOp.Receive, file: SOCKET, length: 8, argument: 0x20 }],
    ["a send with MSG_OOB", { op: IoOp.Send, file: SOCKET, length: 8, argument: 1 }],
    ["an unknown fallocate mode", { op: IoOp.Allocate, length2: PAGE, argument: 8 }],
    ["a hole that changes the size", { op: IoOp.Allocate, length2: PAGE, argument: AllocateMode.PunchHole }],
    ["an allocation of nothing", { op: IoOp.Allocate, length2: 0 }],
    ["a vector of nothing", { op: IoOp.ReadVector, at: 0, length: 0 }],
    ["a vector off its alignment", { op: IoOp.ReadVector, at: 2, length: 1 }],
    ["a vector over the arena's end", { op: IoOp.ReadVector, at: ARENA_BYTES - 8, length: 2 }],
    ["a vector that is too long", { op: IoOp.WriteVector, at: 0, length: 1025 }],
    ["a vector whose length wraps", { op: IoOp.WriteVector, at: 0, length: 0x2000_0001 }],
    ["a vector whose entry is outside", { op: IoOp.WriteVector, at: PAGE, length: 1 }],
  ];

  test.each(INVALID)("%s is EINVAL, and its chain is not started", async (_name, bad) => {
    await using bench = new NodeBench();
    const fd = bench.file(DISK, PAGE);
    bench.ring.setFile(EVENT, 0, FileKind.Event);
    bench.ring.setFile(SOCKET, 999_999, FileKind.Socket);
    bench.arena.fill(0x2e);
    bench.vector(PAGE, [[ARENA_BYTES - 1, 2]]);
    const write = { op: IoOp.Write, file: DISK, at: 0, length: 8 };
    const results = bench.results([
      { ...write, user: 1, link: true },
      { ...bad, user: 2, link: true },
      { ...write, user: 3 },
    ]);
    expect(results).toEqual([-errno.ECANCELED, -errno.EINVAL, -errno.ECANCELED]);
    expect(bench.results([bad])).toEqual([-errno.EINVAL]);
    expect(onDisk(fd, PAGE, 0)).toBe("a".repeat(PAGE));
  });

  test.each([5, 16, TOP])("index %d of the file table is EBADF where nothing is", async (file) => {
    await using bench = new NodeBench();
    expect(bench.results([{ op: IoOp.Read, file, length: 8 }])).toEqual([-errno.EBADF]);
    bench.file(5, PAGE);
    bench.ring.setFile(5, -1, FileKind.Async);
    expect(bench.results([{ op: IoOp.Read, file: 5, length: 8 }])).toEqual([-errno.EBADF]);
  });

  test("copies and zeroes stay inside the arena", async () => {
    await using bench = new NodeBench();
    bench.write(0, "abcdef");
    bench.ring.copy(2, 0, 6);
    expect(bench.text(0, 8)).toBe("ababcdef");
    bench.ring.zero(1, 2);
    expect(bench.text(0, 4)).toBe("a\0\0b");
    expect(() => bench.ring.copy(ARENA_BYTES - 1, 0, 2)).toThrow(RangeError);
    expect(() => bench.ring.zero(-1, 2)).toThrow(RangeError);
  });

  test("a completion carries the user word and the operation's word", async () => {
    await using bench = new NodeBench();
    bench.turn([{ ...nop(-7), link: true }], false);
    expect([...bench.ring.completions.subarray(0, COMPLETION_WORDS)]).toEqual([-7, 0, 1 << 8, 0]);
  });
});
