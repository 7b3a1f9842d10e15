/**
 * Helper threads of the ring without io_uring (native-bindings/src/helpers.h): who waits for a device, and how much of them one may have that hangs.
 * This process stands behind those devices: had a turn waited for one, it would wait for ever.
 */
import {
  close,
  constants,
  existsSync,
  mkdirSync,
  open,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { FileKind } from "../../src/device/port.ts";
import { IoArg, IoOp } from "../../src/ring/io-descriptor.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { FaultPlan } from "../support/lying-device/fault-plan.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { type Done, nop, PAGE, RingBench } from "./ring-bench.ts";

const MIB = 2 ** 20;
/** One of its own, and a quarter of 60. */
const PER_FILE = 16;
const SHARED = 60;
const EALREADY = 114;
const PIDS: string = existsSync("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";

/** What one line of a folder of /proc says of each entry; an entry may go meanwhile. */
function entries(folder: string, look: (entry: string) => string): string[] {
  return readdirSync(folder).flatMap((entry) => {
    try {
      return [look(`${folder}/${entry}`)];
    } catch {
      return [];
    }
  });
}

const helpers = (): number =>
  entries("/proc/self/task", (task) => readFileSync(`${task}/comm`, "utf8")).filter(
    (name) => name === "snapring-helper\n",
  ).length;
const descriptors = (): number =>
  entries("/proc/self/fd", readlinkSync).filter((name) => /eventfd|snapring|file|hung/.test(name)).length;

/** This process gets no further thread until it calls what it is given; undefined: the system's cgroups are not for it to make. */
function limitThreads(): (() => void) | undefined {
  const group = `${PIDS}/snapring-test-${process.pid}`;
  try {
    mkdirSync(group);
  } catch {
    return undefined;
  }
  writeFileSync(`${group}/cgroup.procs`, `${process.pid}`);
  writeFileSync(`${group}/pids.max`, `${readdirSync("/proc/self/task").length}`);
  return () => {
    writeFileSync(`${group}/pids.max`, "max");
    writeFileSync(`${PIDS}/cgroup.procs`, `${process.pid}`);
    rmdirSync(group);
  };
}

describe("without io_uring, a helper", () => {
  it("is there for nothing that need not wait: no thread, no descriptor, no further system call", () => {
    using bench = new RingBench("poll");
    const before = descriptors();
    bench.file(0, PAGE, 0x61, FileKind.Inline);
    const write = { op: IoOp.Write, length: 8, user: 1 };
    // Just written: it is in the page cache, or in memory anyway.
    expect(bench.results([write, { op: IoOp.Read, at: PAGE, length: PAGE, user: 2 }])).toEqual([8, PAGE]);
    expect(bench.ring.counters()).toMatchObject({ inline: 2, enters: 0 });
    expect(helpers()).toBe(0);
    // The file twice: the test's, and the ring's own.
    expect(descriptors()).toBe(before + 2);
  });

  it("sleeps beside the ring, which sleeps itself until there is something", () => {
    using bench = new RingBench("poll");
    bench.file(0, PAGE);
    for (let i = 0; i < 50; i++) expect(bench.results([{ op: IoOp.Sync }])).toEqual([0]);
    const { inline, enters } = bench.ring.counters();
    expect(inline).toBe(0);
    expect(enters).toBeLessThanOrEqual(100);
    expect(helpers()).toBe(1);
  });

  it("ends after a while without work, and with its ring, whose files and event go, too", async () => {
    const before = descriptors();
    const bench = new RingBench("poll");
    bench.file(0, PAGE);
    expect(bench.results([{ op: IoOp.Sync }])).toEqual([0]);
    await expect.poll(helpers).toBe(0);
    const many = Array.from({ length: 8 }, (_, user) => ({ op: IoOp.Sync, user }));
    expect(bench.results(many)).toEqual(many.map(() => 0));
    bench[Symbol.dispose]();
    await expect.poll(helpers).toBe(0);
    expect(descriptors()).toBe(before);
  });

  it("moves what is longer than its own memory piece by piece, in and out of any vector, and short at the end of the file", () => {
    using bench = new RingBench("poll", { arenaBytes: 8 * MIB });
    const fd = bench.file(0, 0);
    const length = 3 * MIB + 12_345;
    for (let at = 0; at < length; at += 4) bench.words[(MIB + at) / 4] = at * 2_654_435_761;
    const content = Buffer.from(bench.arena.slice(MIB, MIB + length));
    bench.vector(0, [
      [MIB, 1_000_001],
      [MIB + 1_000_001, 0],
      [MIB + 1_000_001, length - 1_000_001],
    ]);
    const write = { op: IoOp.WriteVector, at: 0, length: 3, position: 77, argument: IoArg.Dsync };
    expect(bench.results([write])).toEqual([length]);
    expect(readFileSync(`/proc/self/fd/${fd}`).subarray(77).equals(content)).toBe(true);
    bench.arena.fill(0x2e, MIB);
    bench.vector(0, [
      [MIB + 2_000_000, 2_000_000],
      [MIB, 2_000_000],
    ]);
    expect(bench.results([{ op: IoOp.ReadVector, at: 0, length: 2, position: 77 }])).toEqual([length]);
    expect(content.subarray(0, 2_000_000).equals(bench.arena.subarray(MIB + 2_000_000, MIB + 4_000_000))).toBe(true);
    expect(content.subarray(2_000_000).equals(bench.arena.subarray(MIB, MIB + length - 2_000_000))).toBe(true);
    // Behind the end of the file nothing has been touched.
    expect(bench.text(MIB + length - 2_000_000, 4)).toBe("....");
    const direct = bench.file(1, 4 * MIB, 0x62, FileKind.Async, constants.O_RDWR | constants.O_DIRECT);
    expect(direct).toBeGreaterThan(0);
    expect(bench.results([{ op: IoOp.Read, file: 1, at: MIB, length: 3 * MIB, position: PAGE }])).toEqual([3 * MIB]);
    expect(bench.arena.subarray(MIB, 4 * MIB).every((byte) => byte === 0x62)).toBe(true);
  });
});

describe("a device that does not answer, without io_uring,", () => {
  let bench: RingBench;
  let folder: FuseFolder;
  let silent: RegExp;
  /** Calls that have come to a silent device. */
  let calls: number;
  let answer: () => void;
  let answered: Promise<void>;
  const fds: number[] = [];
  const done: Done[] = [];

  beforeEach(async (context) => {
    requireFuse(context);
    folder = await FuseFolder.mount({ makeFile: () => new TextFile() });
    bench = new RingBench("poll", { files: 64, capacity: 1024 });
    silent = /^hung/;
    calls = 0;
    answered = new Promise((resolve) => {
      answer = resolve;
    });
  });

  afterEach(async () => {
    answer();
    bench.ring.close();
    // Who closes a file asks its server: not in this thread.
    for (const fd of fds.splice(0)) await promisify(close)(fd);
    bench[Symbol.dispose]();
    await folder.unmount();
    done.length = 0;
  });

  /** Files of a FUSE folder, at 0, 1, …. */
  async function devices(names: readonly string[], faults = new FaultPlan()): Promise<void> {
    const log = new DeviceLog();
    for (const [index, name] of names.entries()) {
      const pause = (): Promise<void> | undefined => {
        if (!silent.test(name)) return undefined;
        calls += 1;
        return answered;
      };
      folder.put(name, new LyingDevice({ index, bytes: new Uint8Array(16 * PAGE).fill(0x65), log, faults, pause }));
      // The server says once that it does not care who closes a file.
      if (index === 0) await promisify(close)(await promisify(open)(folder.path(name), "r+"));
      const fd = await promisify(open)(folder.path(name), "r+");
      fds.push(fd);
      bench.ring.setFile(index, fd, FileKind.Async);
    }
  }

  function start(descriptors: Parameters<RingBench["turn"]>[0]): void {
    done.push(...bench.turn(descriptors, false));
  }

  /** Turns until these are over, and no others. */
  async function ended(users: readonly number[]): Promise<void> {
    await expect
      .poll(() => {
        start([]);
        return done.map(({ user }) => user).sort((a, b) => a - b);
      })
      .toEqual(users);
  }

  const result = (user: number): number | undefined => done.find((one) => one.user === user)?.result;
  const read = (file: number, user: number): Parameters<RingBench["turn"]>[0][number] => {
    return { op: IoOp.Read, file, user, at: PAGE * (user % 200), length: 512 };
  };

  it("holds up no other file, socket or event of its ring, and keeps sixteen threads", async () => {
    await devices(["hung", "good"]);
    start(Array.from({ length: 100 }, (_, user) => read(0, user)));
    await expect.poll(() => calls).toBe(PER_FILE);
    bench.sockets(4);
    start([
      read(1, 200),
      { op: IoOp.Send, file: 4, user: 201, at: 0, length: 8 },
      { op: IoOp.Receive, file: 5, user: 202, at: PAGE, length: 8 },
      { op: IoOp.Timeout, user: 203, argument: 100 },
      nop(204),
    ]);
    await ended([200, 201, 202, 203, 204]);
    expect([calls, helpers()]).toEqual([PER_FILE, PER_FILE + 1]);
    answer();
    await ended(Array.from({ length: 105 }, (_, i) => (i < 100 ? i : i + 100)));
    expect(done.every(({ user, result: bytes }) => user > 200 || bytes === 512)).toBe(true);
  });

  it("keeps a part of what is left, so that any number of them leave each other file a thread", async () => {
    const names = Array.from({ length: 30 }, (_, i) => `hung${i}`);
    await devices([...names, "good"]);
    start(names.flatMap((_, file) => Array.from({ length: 20 }, (_value, i) => read(file, file * 20 + i))));
    const last = names.length * 20;
    start([read(names.length, last)]);
    await ended([last]);
    expect(helpers()).toBeLessThanOrEqual(SHARED + 31);
    answer();
    await ended(Array.from({ length: last + 1 }, (_, user) => user));
  });

  it("keeps no other file waiting where the system refused that one a thread, once", async ({ skip }) => {
    // A commit waited for ever for the device of somebody else, until its ring was given something further.
    await devices(["hung"]);
    start([read(0, 0)]);
    await expect.poll(() => calls).toBe(1);
    bench.file(1, PAGE);
    const lift = limitThreads();
    if (lift === undefined) skip("a limit on threads cannot be set here");
    try {
      start([{ op: IoOp.Sync, file: 1, user: 1 }]);
      start([]);
      expect([done.length, helpers()]).toEqual([0, 1]);
    } finally {
      lift?.();
    }
    expect(bench.turn([], true)).toMatchObject([{ user: 1, result: 0 }]);
    answer();
    await ended([0]);
  });

  it("lets go in order, and what is linked behind an operation starts when that has ended whole", async () => {
    await devices(["hung"]);
    const link = true;
    start([
      { op: IoOp.Write, user: 1, at: 0, length: 512, position: 0, link },
      { op: IoOp.Sync, user: 2, link },
      { op: IoOp.Read, user: 3, at: PAGE, length: 512, position: 15.5 * PAGE, link },
      { op: IoOp.Read, user: 4, at: 2 * PAGE, length: PAGE, position: 15.5 * PAGE, link },
      { op: IoOp.Write, user: 5, at: 0, length: 512 },
    ]);
    await expect.poll(() => calls).toBe(1);
    start([]);
    expect(done).toEqual([]);
    answer();
    await ended([1, 2, 3, 4, 5]);
    expect([1, 2, 3, 4, 5].map(result)).toEqual([512, 0, 512, PAGE / 2, -errno.ECANCELED]);
    expect(done.map(({ user }) => user)).toEqual([1, 2, 3, 4, 5]);
  });

  it("answers with an error, which is the result", async () => {
    await devices(["good"], new FaultPlan({ kind: "write", call: 1, error: errno.ENOSPC }));
    start([
      { op: IoOp.Write, user: 1, at: 0, length: 512, link: true },
      { op: IoOp.Sync, user: 2 },
    ]);
    await ended([1, 2]);
    expect([1, 2].map(result)).toEqual([-errno.ENOSPC, -errno.ECANCELED]);
  });

  it("keeps what it has begun; what waits for a thread can be cancelled, and what is linked behind it", async () => {
    await devices(["hung"]);
    const first = Array.from({ length: PER_FILE }, (_, user) => read(0, user));
    const link = true;
    start([...first, { ...read(0, 20), link }, nop(21), read(0, 22)]);
    await expect.poll(() => calls).toBe(PER_FILE);
    start([
      { op: IoOp.Cancel, user: 30, argument: 20 },
      { op: IoOp.Cancel, user: 31, argument: 0 },
      { op: IoOp.Cancel, user: 32, argument: 20 },
    ]);
    await ended([20, 21, 30, 31, 32]);
    expect([20, 21, 30, 31, 32].map(result)).toEqual([-errno.ECANCELED, -errno.ECANCELED, 0, -EALREADY, -errno.ENOENT]);
    expect(calls).toBe(PER_FILE);
    answer();
    await ended([...first.map(({ user = -1 }) => user), 20, 21, 22, 30, 31, 32]);
  });

  it("is left alone by a ring that is closed: what comes back later touches no memory, and gives its file back", async () => {
    await devices(["hung", "good"]);
    const before = descriptors();
    start(Array.from({ length: 20 }, (_, user) => ({ ...read(0, user), link: user === 19 })));
    await expect.poll(() => calls).toBe(PER_FILE);
    expect(bench.ring.close()).toBe(false);
    expect(helpers()).toBe(PER_FILE);
    bench.arena.fill(0x2e);
    answer();
    await expect.poll(helpers).toBe(0);
    expect(bench.arena.every((byte) => byte === 0x2e)).toBe(true);
    // The ring's own descriptors of both files.
    await expect.poll(descriptors).toBe(before - 2);
  });
});
