/** One stop however often it is said within a second; the end at once for who has been told of it. SIGHUP stands for all of them. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type PlacedFile, placedFile } from "../../../src/device/placed-file.ts";
import { type Interrupt, onInterrupt } from "../../../src/cli/interrupt.ts";

let said: string[];
let ended: number;
let interrupt: Interrupt;
let folder: string;
let socket: string;
let replaced: string;

const signal = (): boolean => process.emit("SIGHUP", "SIGHUP");

beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), "interrupt-"));
  socket = join(folder, "s.sock");
  writeFileSync(socket, "");
  replaced = join(folder, "replaced.sock");
  writeFileSync(replaced, "ours");
  said = [];
  ended = 0;
  interrupt = onInterrupt({
    say: (line) => said.push(line),
    leftovers: [socket, placedFile(replaced) as PlacedFile],
    also: ["SIGHUP"],
    end: () => {
      ended += 1;
    },
  });
});

afterEach(() => {
  interrupt[Symbol.dispose]();
  rmSync(folder, { recursive: true });
  vi.useRealTimers();
});

test("the first signal asks for the end, in good order", async () => {
  expect(interrupt.requested).toBe(false);
  signal();
  expect(interrupt.requested).toBe(true);
  expect(await interrupt.signal).toBe("SIGHUP");
  expect({ ended, said }).toEqual({ ended: 0, said: [] });
});

test("more of them within a second are the same stop", () => {
  for (let i = 0; i < 10; i++) {
    signal();
    vi.advanceTimersByTime(99);
  }
  expect({ ended, said }).toEqual({ ended: 0, said: [] });
});

test("after a second it is said what the next one does; who has had time to read that, and sends it, means it", () => {
  signal();
  vi.advanceTimersByTime(1000);
  expect(said).toEqual([expect.stringContaining("another signal ends it at once")]);
  // Two that were under way while the process was busy.
  signal();
  signal();
  expect(ended).toBe(0);
  vi.advanceTimersByTime(500);
  expect(existsSync(socket)).toBe(true);
  // By then another server has its own file there.
  writeFileSync(join(folder, "next"), "the next one's");
  renameSync(join(folder, "next"), replaced);
  signal();
  expect(ended).toBe(1);
  expect([existsSync(socket), existsSync(replaced)]).toEqual([false, true]);
  expect(said).toHaveLength(1);
});

test("once it is disposed, nothing is said and nothing ends", () => {
  signal();
  interrupt[Symbol.dispose]();
  vi.advanceTimersByTime(5000);
  expect(process.listenerCount("SIGHUP")).toBe(0);
  expect({ ended, said }).toEqual({ ended: 0, said: [] });
});
