/**
 * What surrounds the daemon's process: its pid file, and the hang-up that takes over new sizes.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DaemonSurroundings } from "../../../src/cli/daemon-surroundings.ts";
import type { Terminal } from "../../../src/cli/terminal.ts";
import type { Daemon } from "../../../src/daemon/daemon.ts";

let folder: string;
let pidFile: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snapring-surroundings-"));
  pidFile = join(folder, "pid");
});
afterEach(() => rmSync(folder, { recursive: true }));

function surroundings(): DaemonSurroundings {
  const terminal = { err: () => {} } as unknown as Terminal;
  return new DaemonSurroundings(terminal, { logFormat: "text", logLevel: "error", pidFile });
}

// A second daemon of the same unit, refused for its state has an owner, left the first one without its file.
test("the pid file of another daemon is neither written over by one that is refused nor removed at its end", () => {
  writeFileSync(pidFile, "1\n");
  const refused = surroundings();
  refused.close();
  expect(readFileSync(pidFile, "utf8")).toBe("1\n");
  const ours = surroundings();
  ours.writePid();
  expect(readFileSync(pidFile, "utf8")).toBe(`${process.pid}\n`);
  ours.close();
  expect(existsSync(pidFile)).toBe(false);
});

// One that hung kept all behind it from being looked at, and the manager in the belief that the daemon reloads.
test("at a hang-up every snapshot's size is taken over, also beside a device that hangs or refuses", async () => {
  const asked: string[] = [];
  const volume = (name: string, growSnapshot: () => Promise<void>): object => ({
    name,
    state: "open",
    opened: {
      exports: [{ name }, { name: "s" }],
      growSnapshot: (snapshot: string) => {
        asked.push(`${name}@${snapshot}`);
        return growSnapshot();
      },
    },
  });
  const all = [
    volume("hangs", () => new Promise(() => {})),
    volume("refuses", () => Promise.reject(new Error("closed"))),
    volume("grows", () => Promise.resolve()),
  ];
  const status = { volumes: { open: 3 }, operations: 0 };
  const engine = { failure: undefined, stats: () => ({ clients: { connections: 0 } }) };
  const daemon = { engine, status: () => status, volumes: { all } } as unknown as Daemon;
  const around = surroundings();
  around.ready(daemon);
  process.emit("SIGHUP", "SIGHUP");
  await expect.poll(() => asked).toEqual(["hangs@s", "refuses@s", "grows@s"]);
  around.close();
});
