/** What the service manager is told: by a manager that is a list, and by one that reads real datagrams. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { ServiceManager } from "../../../src/daemon/service-manager.ts";
import { makeScratch } from "../../support/free-socket.ts";

/** A manager whose queue can be full, or that has gone. */
class FakeManager {
  readonly told: string[] = [];
  readonly lines: string[] = [];
  answer: number | string = 0;

  start(env: NodeJS.ProcessEnv = {}): ServiceManager {
    return new ServiceManager({
      env: { NOTIFY_SOCKET: "/run/notify", ...env },
      log: (line) => this.lines.push(line),
      send: (_path, text) => {
        if (this.answer === 0) this.told.push(text);
        return this.answer;
      },
    });
  }
}

let fake: FakeManager;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeManager();
});

afterEach(() => vi.useRealTimers());

describe("a life", () => {
  test("is told word by word, and a status is one line", () => {
    const manager = fake.start();
    manager.ready("2 volumes\nREADY=0");
    manager.status("a".repeat(5000));
    manager.reloading();
    manager.ready("again");
    manager.stopping();
    manager.extend(1.5e6);
    expect(fake.told.map((text) => text.slice(0, 60))).toEqual([
      "READY=1\nSTATUS=2 volumes\\u000aREADY=0",
      `STATUS=${"a".repeat(53)}`,
      expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+$/),
      "READY=1\nSTATUS=again",
      "STOPPING=1\nSTATUS=stopping",
      "EXTEND_TIMEOUT_USEC=1500000",
    ]);
    expect(fake.told.every((text) => text.length < 600)).toBe(true);
    expect(fake.lines).toEqual([]);
  });

  test("the time of a reload is that of the monotonic clock", () => {
    vi.useRealTimers();
    const before = process.hrtime();
    fake.start().reloading();
    const after = process.hrtime();
    const told = Number(/MONOTONIC_USEC=(\d+)/.exec(fake.told[0])?.[1]);
    const microseconds = ([seconds, nanoseconds]: [number, number]): number => seconds * 1e6 + nanoseconds / 1e3;
    expect(told).toBeGreaterThanOrEqual(Math.floor(microseconds(before)));
    expect(told).toBeLessThanOrEqual(microseconds(after));
  });

  test("without a manager nobody is told, nothing is said, and no sign of life is given", () => {
    const env = { WATCHDOG_USEC: "1000" };
    const manager = new ServiceManager({ env, log: (line) => fake.lines.push(line), send: () => expect.fail() });
    manager.ready("a");
    manager.stopping();
    manager.watch(() => expect.fail());
    vi.advanceTimersByTime(60_000);
    expect([manager.isThere, fake.lines, env]).toEqual([false, [], {}]);
  });

  test("no child finds the manager in its environment", () => {
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: "@name", WATCHDOG_USEC: "1", WATCHDOG_PID: "1", PATH: "/bin" };
    expect(new ServiceManager({ env, log: () => {} }).isThere).toBe(true);
    expect(env).toEqual({ PATH: "/bin" });
  });
});

describe("a sign of life", () => {
  test("is given twice in each interval, as long as the daemon is alive, and not after the end", () => {
    const manager = fake.start({ WATCHDOG_USEC: "20000000", WATCHDOG_PID: String(process.pid) });
    let alive = true;
    manager.watch(() => {
      if (!alive) throw new Error("no answer");
      return alive;
    });
    vi.advanceTimersByTime(9999);
    expect(fake.told).toEqual([]);
    vi.advanceTimersByTime(10_001);
    expect(fake.told).toEqual(["WATCHDOG=1", "WATCHDOG=1"]);
    alive = false;
    vi.advanceTimersByTime(60_000);
    expect(fake.told).toHaveLength(2);
    alive = true;
    vi.advanceTimersByTime(10_000);
    expect(fake.told).toHaveLength(3);
    manager.close();
    vi.advanceTimersByTime(60_000);
    expect(fake.told).toHaveLength(3);
  });

  test.each([
    ["for another process", { WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" }],
    ["of no length", { WATCHDOG_USEC: "0" }],
    ["that is no number", { WATCHDOG_USEC: "soon" }],
    ["nobody asked for", {}],
  ])("%s is not given", (_, env) => {
    fake.start(env).watch(() => true);
    vi.advanceTimersByTime(60_000);
    expect(fake.told).toEqual([]);
  });
});

describe("a manager that cannot be told", () => {
  test.each([-errno.EAGAIN, -errno.ENOBUFS])(
    "%i: its queue is full: what it must know comes later, in order, without a line in the log",
    (answer) => {
      const manager = fake.start({ WATCHDOG_USEC: "2000000" });
      manager.watch(() => true);
      fake.answer = answer;
      manager.ready("one");
      manager.status("left out");
      manager.stopping();
      vi.advanceTimersByTime(5000);
      fake.answer = 0;
      vi.advanceTimersByTime(100);
      expect(fake.told).toEqual(["READY=1\nSTATUS=one", "STOPPING=1\nSTATUS=stopping"]);
      expect(fake.lines).toEqual([]);
    },
  );

  test("has gone: that is said once, and again after it was there meanwhile", () => {
    const manager = fake.start();
    fake.answer = -errno.ECONNREFUSED;
    manager.ready("one");
    manager.status("two");
    fake.answer = 0;
    manager.status("three");
    fake.answer = -errno.ENOENT;
    manager.status("four");
    expect(fake.lines).toEqual(
      ["ECONNREFUSED", "ENOENT"].map((code) => `the service manager (systemd) cannot be told how it goes: ${code}`),
    );
    expect(fake.told).toEqual(["STATUS=three"]);
  });

  test("the addon is missing: that is said once, and everything goes on", () => {
    const manager = fake.start();
    fake.answer = "native addon not built";
    manager.ready("one");
    manager.status("two");
    manager.stopping();
    expect(fake.lines).toEqual(["the service manager (systemd) cannot be told how it goes: native addon not built"]);
  });

  test("has an address of another kind", () => {
    const manager = fake.start({ NOTIFY_SOCKET: "vsock:2:1234" });
    manager.ready("one");
    expect([manager.isThere, fake.told, fake.lines[0]]).toEqual([
      false,
      [],
      expect.stringContaining("'vsock:2:1234' is neither a path nor an abstract name"),
    ]);
  });
});

const RECEIVER = `
import socket, sys
path = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\\0" + path[1:] if path[0] == "@" else path)
print("bound", flush=True)
for _ in range(2): print(repr(receiver.recv(5000).decode()), flush=True)`;

test.each(["path", "abstract name"])("datagrams arrive at a %s", async (kind) => {
  vi.useRealTimers();
  const scratch = await makeScratch();
  const path = kind === "path" ? scratch.file("notify") : `@${scratch.file("notify")}`;
  const receiver = spawn("python3", ["-c", RECEIVER, path], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let heard = "";
    receiver.stdout.on("data", (text) => {
      heard += text;
    });
    await vi.waitFor(() => expect(heard).toBe("bound\n"), 10_000);
    const manager = new ServiceManager({ env: { NOTIFY_SOCKET: path }, log: (line) => expect.fail(line) });
    manager.ready("é volumes");
    manager.stopping();
    await once(receiver, "close");
    expect(heard).toBe("bound\n'READY=1\\nSTATUS=é volumes'\n'STOPPING=1\\nSTATUS=stopping'\n");
  } finally {
    receiver.kill("SIGKILL");
    await scratch.remove();
  }
});
