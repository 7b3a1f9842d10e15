/**
 * The life of a ring: making and closing leaks nothing, a worker that sleeps in it can be woken and ended, and nothing is
 * written into the arena after it was closed.
 *
 * The workers here are plain JavaScript over the addon alone, for this is about the addon's own thread-ends.
 */
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { SnapringError, errno } from "../../src/base/errno.ts";
import { createNativeRing } from "../../src/device/native-ring.ts";
import { FileKind } from "../../src/device/port.ts";
import { newSharedPages } from "../../src/device/shared-pages.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { PAGE, RingBench, addon, modes } from "./ring-bench.ts";

const ADDON = join(import.meta.dirname, "../../native-bindings/build/Release/snapring.node");

const WORKER = `
  const { workerData, parentPort } = require("node:worker_threads");
  const { addon, uring, arena, event, socket, leave, watch } = workerData;
  const shared = (words) => new Int32Array(new SharedArrayBuffer(words * 4));
  const submissions = shared(16 * 8);
  const ring = require(addon).createRing(uring, new Uint8Array(arena), submissions, shared(4 * 8), 8, 8, 65536, 0);
  if (watch) ring.watchLoop();
  ring.setFile(0, event, 3);
  ring.setFile(1, socket, 2);
  submissions.set([8, 0, 1, 0, 8], 0);
  submissions.set([5, 1, 2, 4096, 4096], 16);
  parentPort.postMessage("sleeping");
  if (leave) ring.turn(2, false);
  while (!leave) ring.turn(Atomics.exchange(new Int32Array(arena), 2048, 1) === 0 ? 2 : 0, true);
`;

/** What this process has open, as the kernel names it. */
function openFiles(): string[] {
  const names = readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // The descriptor that lists the folder.
      return [];
    }
  });
  return names.filter((name) => /io_uring|eventfd|socket|snapring/.test(name)).sort();
}

describe.each(modes())("the life of a ring (%s)", (mode) => {
  const benches: RingBench[] = [];
  afterEach(() => {
    for (const bench of benches.splice(0)) bench[Symbol.dispose]();
  });

  function worker(
    leave: boolean,
    watch = false,
  ): { worker: Worker; bench: RingBench; event: number; arena: SharedArrayBuffer } {
    const bench = new RingBench(mode);
    benches.push(bench);
    const event = bench.event(0);
    const [own] = bench.sockets(1);
    const arena = newSharedPages(65536);
    const workerData = { addon: ADDON, uring: mode === "uring", arena, event, socket: own, leave, watch };
    return { worker: new Worker(WORKER, { eval: true, workerData }), bench, event, arena };
  }

  it("200 rings, each with files and operations that wait, leave no descriptor behind", () => {
    const before = openFiles();
    for (let i = 0; i < 200; i++) {
      using bench = new RingBench(mode, { registeredBytes: 65536 });
      bench.sockets(0);
      bench.file(2, PAGE);
      bench.event(3);
      bench.turn(
        [
          { op: IoOp.Receive, file: 0, at: 0, length: 8, user: 1, link: true },
          { op: IoOp.Read, file: 2, at: 0, length: 8, user: 2 },
          { op: IoOp.EventRead, file: 3, user: 3 },
          { op: IoOp.Timeout, argument: 4_000_000_000, user: 4 },
        ],
        false,
      );
    }
    expect(openFiles()).toEqual(before);
  });

  it("a worker that sleeps in its ring ends once it was woken, and takes its ring with it", async () => {
    const before = openFiles().length;
    const { worker: thread, bench, event } = worker(false);
    await once(thread, "message");
    const ended = thread.terminate();
    // It may be asleep or about to: the event stays signalled, so that it finds it in any case.
    addon().signalEvent(event);
    await ended;
    bench[Symbol.dispose]();
    benches.splice(0);
    expect(openFiles().length).toBe(before);
  });

  it("a worker whose ring watches its event loop ends wherever it sleeps, without being woken", async () => {
    const before = openFiles().length;
    const { worker: thread, bench } = worker(false, true);
    await once(thread, "message");
    await thread.terminate();
    bench[Symbol.dispose]();
    benches.splice(0);
    expect(openFiles().length).toBe(before);
  });

  it("a worker that leaves with operations under way leaves no ring, and nothing is received afterwards", async () => {
    const before = openFiles().length;
    const { worker: thread, bench, arena } = worker(true);
    await once(thread, "exit");
    bench.arena.fill(0x41, 0, 8);
    bench.run([{ op: IoOp.Send, file: 2, at: 0, length: 8, user: 1 }]);
    expect(new Uint8Array(arena, PAGE, 8).every((byte) => byte === 0)).toBe(true);
    expect(bench.run([{ op: IoOp.Receive, file: 1, at: PAGE, length: 8, user: 2 }])).toEqual([{ user: 2, result: 8 }]);
    bench[Symbol.dispose]();
    benches.splice(0);
    expect(openFiles().length).toBe(before);
  });

  it("after close, the files are free at once: no lock stays behind (E-42)", () => {
    for (let i = 0; i < 50; i++) {
      const bench = new RingBench(mode);
      const path = `/proc/self/fd/${bench.file(0, PAGE)}`;
      const fd = openSync(path, "r+");
      const other = openSync(path, "r+");
      bench.ring.setFile(1, fd, FileKind.Async);
      expect(addon().lockFile(fd, true)).toEqual([0, 0]);
      closeSync(fd);
      expect(addon().lockFile(other, true)[0]).toBe(-errno.EAGAIN);
      bench.ring.close();
      expect(addon().lockFile(other, true)).toEqual([0, 0]);
      closeSync(other);
      bench[Symbol.dispose]();
    }
  });

  it("after close, what was under way is not received", () => {
    using bench = new RingBench(mode);
    const [own] = bench.sockets(0);
    const other = createNativeRing({ arena: newSharedPages(PAGE), capacity: 4, files: 4, mode });
    other.setFile(0, own, FileKind.Socket);
    other.submissions.set([IoOp.Receive, 0, 1, 0, 8], 0);
    expect(other.turn(1, false)).toBe(0);
    other.close();
    bench.run([{ op: IoOp.Send, file: 1, at: 0, length: 8, user: 1 }]);
    expect(bench.run([{ op: IoOp.Receive, file: 0, at: PAGE, length: 8, user: 2 }])).toEqual([{ user: 2, result: 8 }]);
  });
});

describe("making a ring", () => {
  const arena = newSharedPages(65536);

  it("a part of the arena is registered, and the file table, where the kernel permits", () => {
    const ring = createNativeRing({ arena, capacity: 4, files: 4, registeredBytes: PAGE });
    const expected = ring.kind === "uring" ? PAGE : 0;
    expect(ring.registeredBytes).toBe(expected);
    expect(ring.hasRegisteredFiles).toBe(ring.kind === "uring");
    ring.close();
  });

  it("poll is made on request", () => {
    const ring = createNativeRing({ arena, capacity: 4, files: 4, mode: "poll" });
    expect(ring.kind).toBe("poll");
    ring.close();
  });

  it("auto takes poll where io_uring is switched off, and uring says why it cannot", () => {
    process.env["SNAPRING_NO_URING"] = "1";
    try {
      const ring = createNativeRing({ arena, capacity: 4, files: 4, mode: "auto" });
      expect(ring.kind).toBe("poll");
      ring.close();
      const refused = (): unknown => createNativeRing({ arena, capacity: 4, files: 4, mode: "uring" });
      expect(refused).toThrow(SnapringError);
      expect(refused).toThrow("SNAPRING_NO_URING");
    } finally {
      delete process.env["SNAPRING_NO_URING"];
    }
  });

  it("a descriptor that is not open cannot be set", () => {
    const ring = createNativeRing({ arena, capacity: 4, files: 4 });
    expect(() => ring.setFile(0, 1_000_000, FileKind.Async)).toThrow(/descriptor 1000000/);
    ring.close();
  });

  it("memory that is not on a page, and sizes out of range, are refused", () => {
    const make = (change: object) => (): unknown => createNativeRing({ arena, capacity: 4, files: 4, ...change });
    expect(make({ arena: new SharedArrayBuffer(65536) })).toThrow(/page-aligned/);
    expect(make({ capacity: 0 })).toThrow(/capacity/);
    expect(make({ capacity: 1 << 17 })).toThrow(/capacity/);
    expect(make({ files: 0 })).toThrow(/files/);
    expect(make({ registeredBytes: 65537 })).toThrow(/registeredBytes/);
    expect(make({ registeredBytes: -1 })).toThrow(/registeredBytes/);
    expect(make({ queueEntries: 0.5 })).toThrow(/queueEntries/);
  });
});
