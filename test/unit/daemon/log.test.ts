/** The daemon's log: what a line says, to people, journald and programs; that nothing floods it, and that it throws nowhere. */
import { closeSync, fstatSync, openSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { DaemonLog, isJournal, type LogOptions } from "../../../src/daemon/log.ts";
import { Repeats } from "../../../src/daemon/repeats.ts";

const WHEN = "2026-01-02T03:04:05.678Z";

let written: string;

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(WHEN) });
  written = "";
});

afterEach(() => vi.useRealTimers());

function makeLog(options: Partial<LogOptions> = {}): DaemonLog {
  const write = (text: string): void => {
    written += text;
  };
  return new DaemonLog({ format: "text", level: "info", journal: false, write, ...options });
}

const lines = (): string[] => written.split("\n").slice(0, -1);
const objects = (): Record<string, unknown>[] => lines().map((line) => JSON.parse(line) as Record<string, unknown>);

describe("a line", () => {
  test("for people has its time, its level, and what it is about", () => {
    const log = makeLog();
    log.info("listening", { address: "unix:/run/s.sock", count: 2, words: "a b" });
    log.warn("is 80 % full", { volume: "data", snapshot: "nightly" });
    log.error("cannot be opened", { volume: "data", error: new SnapringError("ENOENT", "no such file: disk.img") });
    expect(lines()).toEqual([
      `${WHEN} info listening address=unix:/run/s.sock count=2 words="a b"`,
      `${WHEN} warn data@nightly: is 80 % full`,
      `${WHEN} error data: cannot be opened: no such file: disk.img`,
    ]);
  });

  test("for journald has the level as syslog's number, and no time", () => {
    const log = makeLog({ journal: true, level: "debug" });
    for (const level of ["error", "warn", "info", "debug"] as const) log[level]("fact", { volume: "v" });
    expect(lines()).toEqual(["<3>v: fact", "<4>v: fact", "<6>v: fact", "<7>v: fact"]);
  });

  test("for programs is an object, with everything that is known of an error", () => {
    const cause = Object.assign(new Error("inner"), { code: "EIO" });
    makeLog({ format: "json", journal: true }).error("cannot be opened", {
      volume: "data",
      error: new SnapringError("ENOENT", "no such file", { hint: "check the path", cause }),
    });
    expect(objects()).toEqual([
      {
        ...{ level: "error", time: WHEN, volume: "data", msg: "cannot be opened" },
        error: {
          ...{ code: "ENOENT", message: "no such file", hint: "check the path" },
          cause: { code: "EIO", message: "inner", stack: expect.stringContaining("log.test.ts") },
        },
      },
    ]);
  });

  test("of a lower level is left out", () => {
    const log = makeLog({ level: "warn" });
    log.info("a");
    log.debug("b");
    log.warn("c");
    expect(lines()).toEqual([`${WHEN} warn c`]);
  });

  test.each(["text", "json"] as const)("is one line, and harmless in a terminal (%s)", (format) => {
    makeLog({ format }).info("one\ntwo\u001b[31m\u009b\u202e\u007f", { volume: "v\n\u0085", error: new Error("x\ny") });
    expect(lines()).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
    expect(lines()[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    if (format === "json")
      expect(objects()[0]).toMatchObject({ msg: "one\ntwo\u001b[31m\u009b\u202e\u007f", volume: "v\n\u0085" });
  });

  test("of the library has the level and the volume that were given for all of them", () => {
    const log = makeLog().lines("warn", { volume: "data" });
    log("one");
    log("two");
    expect(lines()).toEqual([`${WHEN} warn data: one`, `${WHEN} warn data: two`]);
  });
});

describe("what cannot be written", () => {
  test("throws nowhere, and is counted", () => {
    const log = makeLog({
      write: (text) => {
        if (text.includes("full")) throw new Error("no space left on device");
        written += text;
      },
    });
    const circle: { self?: unknown } = {};
    circle.self = circle;
    log.info("full");
    log.info("odd", { circle });
    log.info("odd", {
      get thing(): string {
        throw new Error("a getter");
      },
    });
    log.info("fine");
    expect(lines().at(-1)).toBe(`${WHEN} info fine`);
    expect(log.dropped).toBe(3);
  });

  test("an error that throws when it is looked at is told as that", () => {
    const odd = new Error("x");
    Object.defineProperty(odd, "message", {
      get: () => {
        throw odd;
      },
    });
    const log = makeLog();
    for (const error of [odd, null, Symbol("s"), { toString: null }]) log.error("failed", { error });
    expect(lines().map((line) => line.slice(WHEN.length + " error ".length))).toEqual([
      "failed: an error that cannot be shown",
      "failed: null",
      "failed: Symbol(s)",
      "failed: an error that cannot be shown",
    ]);
  });
});

describe("a line that repeats itself", () => {
  test("is written ten times in ten seconds, then counted; others are written meanwhile", () => {
    const log = makeLog();
    for (let i = 0; i < 1000; i++) log.warn("read failed", { volume: "a", error: new Error("EIO") });
    log.warn("read failed", { volume: "b", error: new Error("EIO") });
    expect(lines()).toHaveLength(11);
    vi.advanceTimersByTime(10_000);
    expect(lines().at(-1)).toBe("2026-01-02T03:04:15.678Z warn a: read failed (990 more times): EIO");
    log.warn("read failed", { volume: "a", error: new Error("EIO") });
    expect(lines()).toHaveLength(13);
  });

  test("ten times is not too often", () => {
    const log = makeLog();
    for (let i = 0; i < 10; i++) log.warn("read failed");
    vi.advanceTimersByTime(60_000);
    expect(lines()).toHaveLength(10);
  });

  test("is told at the end of the daemon, too", () => {
    const log = makeLog();
    for (let i = 0; i < 12; i++) log.info("a client comes");
    log.close();
    expect(lines().at(-1)).toBe(`${WHEN} info a client comes (2 more times)`);
  });

  test("costs little memory, however many different ones there are", () => {
    const repeats = new Repeats();
    const told: string[] = [];
    const take = (key: string): boolean => repeats.take(key, (count) => told.push(`${key} ${count}`));
    for (let i = 0; i < 11; i++) take("first");
    for (let i = 0; i < 10_000; i++) expect(take(`line ${i}`)).toBe(true);
    expect(told).toEqual(["first 1"]);
    expect(vi.getTimerCount()).toBe(256);
    repeats.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("journald reads the descriptor whose stream it has named, and no other", () => {
  const fd = openSync("/dev/null", "w");
  const { dev, ino } = fstatSync(fd);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, fd)).toBe(true);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, fd)).toBe(false);
  expect(isJournal({}, fd)).toBe(false);
  closeSync(fd);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, fd)).toBe(false);
});
