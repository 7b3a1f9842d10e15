/**
 * The addon's functions beside the ring: arguments of any kind never crash it, and each function does what it says.
 */
import { closeSync, constants, mkdtempSync, openSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { deviceFacts } from "../../src/device/device-facts.ts";
import { lockDevice } from "../../src/device/device-lock.ts";
import { closeEvent, createEvent, signalEvent, watchEvent } from "../../src/device/events.ts";
import { differingConstant } from "../../src/device/native.ts";
import { newSharedPages } from "../../src/device/shared-pages.ts";
import { RingBench, addon, modes } from "./ring-bench.ts";

const folder = mkdtempSync(join(tmpdir(), "snapring-addon-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function makeFile(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

const ODD: readonly unknown[] = [
  undefined,
  null,
  "1",
  {},
  [],
  Number.NaN,
  0.5,
  2 ** 53,
  -(2 ** 40),
  Symbol("x"),
  () => 0,
  true,
];

describe("arguments", () => {
  const functions = Object.entries(addon()).filter(([, value]) => typeof value === "function") as [
    string,
    (...values: unknown[]) => unknown,
  ][];

  // What takes no argument, or texts (arguments.test.ts), is right with some of them.
  const others = ["probe", "createEvent", "socketPair", "notifySocket"];

  it.each(functions.filter(([, call]) => !others.includes(call.name)))(
    "%s throws a TypeError for wrong ones",
    (_name, call) => {
      expect(() => call()).toThrow(TypeError);
      for (const odd of ODD) {
        for (let count = 1; count <= 9; count++) expect(() => call(...new Array(count).fill(odd))).toThrow(TypeError);
      }
    },
  );

  it("too many are refused as well", () => {
    for (const [, call] of functions) expect(() => call(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)).toThrow(TypeError);
  });

  it("arrays that are not shared are refused: they could be moved or detached", () => {
    const shared = new Int32Array(new SharedArrayBuffer(1024));
    const arena = new Uint8Array(newSharedPages(65536));
    const make = (...arrays: unknown[]) => {
      return () => addon().createRing(false, ...(arrays as [Uint8Array, Int32Array, Int32Array]), 4, 4, 0, 0);
    };
    expect(make(new Uint8Array(65536), shared, shared)).toThrow(/arena/);
    expect(make(arena, new Int32Array(256), shared)).toThrow(/submissions/);
    expect(make(arena, shared, new Uint32Array(shared.buffer))).toThrow(/completions/);
    expect(make(arena, shared, new Int32Array(new SharedArrayBuffer(60)))).toThrow(/too short/);
    expect(make(arena, new Int32Array(shared.buffer, 0, 63), shared)).toThrow(/too short/);
  });

  it.each(modes())("a ring's functions throw a TypeError for wrong ones (%s)", (mode) => {
    using bench = new RingBench(mode);
    const { ring } = bench;
    for (const odd of ODD) {
      expect(() => ring.turn(odd as number, false)).toThrow(TypeError);
      if (odd !== true) expect(() => ring.turn(0, odd as boolean)).toThrow(TypeError);
      expect(() => ring.setFile(odd as number, -1, 0)).toThrow(TypeError);
      expect(() => ring.setFile(0, odd as number, 0)).toThrow(TypeError);
      expect(() => ring.setFile(0, -1, odd as 0)).toThrow(TypeError);
    }
    expect(() => ring.turn(65, false)).toThrow(TypeError);
    expect(() => ring.setFile(16, -1, 0)).toThrow(TypeError);
    expect(() => ring.setFile(0, -1, 4 as 3)).toThrow(TypeError);
  });
});

describe("constants", () => {
  it("the addon's numbers are ours, and a difference is named", () => {
    expect(differingConstant(addon().constants)).toBeUndefined();
    expect(differingConstant({ ...addon().constants, "IoOp.Read": 2 })).toBe("IoOp.Read");
    expect(differingConstant({ ...addon().constants, "IoOp.New": 99 })).toBe("IoOp.New");
  });
});

describe("device facts", () => {
  it("a file's size and block, and an identity that its other names share (S-21)", () => {
    const path = makeFile("facts", 12_345);
    symlinkSync(path, join(folder, "other-name"));
    const fds = [path, join(folder, "other-name"), makeFile("another", 0)].map((name) => openSync(name, "r"));
    const [one, two, three] = fds.map(deviceFacts);
    expect(one).toMatchObject({ kind: "file", sizeBytes: 12_345, logicalBlockBytes: 512, isReadOnly: false });
    expect(two.identity).toBe(one.identity);
    expect(three.identity).not.toBe(one.identity);
    expect(one.directAlignBytes).toBeGreaterThanOrEqual(512);
    for (const fd of fds) closeSync(fd);
  });

  it("direct I/O at the alignment that it names works", () => {
    const path = makeFile("direct", 65536);
    const fd = openSync(path, "r");
    const facts = deviceFacts(fd);
    closeSync(fd);
    if (!facts.hasDirect) return;
    using bench = new RingBench("poll");
    const direct = bench.keep(openSync(path, constants.O_RDONLY | constants.O_DIRECT));
    bench.ring.setFile(0, direct, 0);
    const length = facts.directAlignBytes;
    expect(bench.results([{ op: 1, at: length, length, position: length }])).toEqual([length]);
  });

  it("a file of 5 TiB has its true size", () => {
    const fd = openSync(makeFile("large", 5 * 2 ** 40), "r");
    expect(deviceFacts(fd).sizeBytes).toBe(5 * 2 ** 40);
    closeSync(fd);
  });

  it("tmpfs is known as memory, a folder as neither file nor device", () => {
    const fd = openSync("/dev/shm", "r");
    expect(deviceFacts(fd)).toMatchObject({ kind: "other", isMemory: false });
    closeSync(fd);
    const path = `/dev/shm/snapring-facts-${process.pid}`;
    writeFileSync(path, "x");
    const file = openSync(path, "r");
    expect(deviceFacts(file)).toMatchObject({ kind: "file", isMemory: true, sizeBytes: 1 });
    closeSync(file);
    rmSync(path);
  });

  it("a descriptor that is not open is EBADF", () => {
    expect(() => deviceFacts(1_000_000)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });
});

describe("locks (E-42)", () => {
  it("the second exclusive lock is refused, and names the holder", () => {
    const path = makeFile("locked", 0);
    const [first, second] = [openSync(path, "r+"), openSync(path, "r")];
    expect(lockDevice(first, path, "exclusive")).toBeUndefined();
    expect(addon().lockFile(second, true)).toEqual([-errno.EAGAIN, process.pid]);
    expect(() => lockDevice(second, path, "shared")).toThrow("locked is in use by this process itself");
    addon().unlockFile(first);
    expect(lockDevice(second, path, "exclusive")).toBeUndefined();
    closeSync(second);
    expect(lockDevice(first, path, "exclusive")).toBeUndefined();
    closeSync(first);
  });

  it.runIf(modes().includes("uring"))(
    "a device that a killed process had in its ring can be locked again",
    async () => {
      const path = makeFile("killed", 65536);
      const addonPath = join(import.meta.dirname, "../../native-bindings/build/Release/snapring.node");
      const code = `
      const addon = require(${JSON.stringify(addonPath)});
      const shared = (bytes) => new Int32Array(new SharedArrayBuffer(bytes));
      const pages = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer;
      const ring = addon.createRing(true, new Uint8Array(pages), shared(256), shared(64), 4, 4, 65536, 0);
      const fd = require("node:fs").openSync(${JSON.stringify(path)}, "r+");
      ring.setFile(0, fd, 0);
      console.log(addon.lockFile(fd, true)[0]);
      setInterval(() => {}, 1000);
    `;
      for (let i = 0; i < 5; i++) {
        const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
        const [said] = await once(child.stdout, "data");
        expect(String(said)).toBe("0\n");
        child.kill("SIGKILL");
        await once(child, "exit");
        const fd = openSync(path, "r+");
        expect(lockDevice(fd, path, "exclusive")).toBeUndefined();
        closeSync(fd);
      }
    },
  );

  it("readers share, a writer does not join them", () => {
    const path = makeFile("shared", 0);
    const [a, b] = [openSync(path, "r"), openSync(path, "r")];
    expect(lockDevice(a, path, "shared") ?? lockDevice(b, path, "shared")).toBeUndefined();
    expect(() => lockDevice(b, path, "exclusive")).toThrow(expect.objectContaining({ code: "EBUSY" }));
    closeSync(a);
    closeSync(b);
  });

  it("another process is kept out, until this one closes", () => {
    const path = makeFile("between", 0);
    const fd = openSync(path, "r+");
    lockDevice(fd, path, "exclusive");
    const tried = (): number | null => spawnSync("flock", ["--nonblock", path, "true"]).status;
    expect(tried()).toBe(1);
    closeSync(fd);
    expect(tried()).toBe(0);
  });
});

describe("events on an event loop", () => {
  it("many signals are one callback, and the next signal is the next one", async () => {
    const fd = createEvent();
    let calls = 0;
    let wake = (): void => {};
    const watch = watchEvent(fd, () => {
      calls++;
      wake();
    });
    const next = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    for (let i = 0; i < 5; i++) signalEvent(fd);
    await next();
    expect(calls).toBe(1);
    signalEvent(fd);
    await next();
    expect(calls).toBe(2);
    watch.close();
    signalEvent(fd);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toBe(2);
    watch.close();
    watch.ref();
    watch.unref();
    closeEvent(fd);
  });

  it("a callback may close its own watch", async () => {
    const fd = createEvent();
    await new Promise<void>((resolve) => {
      const watch = watchEvent(fd, () => {
        watch.close();
        resolve();
      });
      signalEvent(fd);
    });
    closeEvent(fd);
  });

  it("a watch keeps the process alive, and does not after unref; an open one does not hinder its end", () => {
    const addonPath = join(import.meta.dirname, "../../native-bindings/build/Release/snapring.node");
    const code = `
      const addon = require(${JSON.stringify(addonPath)});
      const fd = addon.createEvent();
      const watch = addon.watchEvent(fd, () => { console.log("woken"); watch.unref(); });
      setTimeout(() => addon.signalEvent(fd), 20).unref();
      process.on("exit", () => console.log("end"));
    `;
    const run = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
    expect([run.status, run.stdout]).toEqual([0, "woken\nend\n"]);
  });

  it("an exception in a callback is an uncaught one", () => {
    const addonPath = join(import.meta.dirname, "../../native-bindings/build/Release/snapring.node");
    const code = `
      const addon = require(${JSON.stringify(addonPath)});
      const fd = addon.createEvent();
      const watch = addon.watchEvent(fd, () => { throw new Error("from the callback"); });
      process.on("uncaughtException", (error) => { console.log(error.message); watch.close(); });
      addon.signalEvent(fd);
    `;
    const run = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
    expect([run.status, run.stdout]).toEqual([0, "from the callback\n"]);
  });

  it("a descriptor that no event loop can watch is an error", () => {
    const fd = openSync(makeFile("plain", 0), "r");
    expect(() => watchEvent(fd, () => {})).toThrow(expect.objectContaining({ code: "EPERM" }));
    closeSync(fd);
  });
});
