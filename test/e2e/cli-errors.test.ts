/**
 * Bad input to the built command, as a process: what test/unit/cli/wrong-input.test.ts shows of each case inside of one process comes out
 * of it the same, on the right streams and with the right exit code; and what only another user meets.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { cow, eachTestHasDevices, origin, scratch } from "../support/device-files.ts";
import { runCommand } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";
import { storeImage } from "../support/store-image.ts";
import { snapring } from "../support/fake-terminal.ts";

const MIB = 2 ** 20;

eachTestHasDevices(() => {
  writeFileSync(origin, dataPattern(MIB, 1));
  writeFileSync(cow, storeImage(MIB, 8));
});

/** As a user that no mode bits favour: root reads everything. */
function asNobody(...argv: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  return spawnSync(process.execPath, [MAIN, ...argv], { encoding: "utf8", ...user });
}

it.each([
  ["a store that is none", (): string[] => ["status", origin]],
  ["a store that is none, in JSON", (): string[] => ["merge", origin, scratch.file("none"), "--json"]],
  ["a wrong command line", (): string[] => ["create", scratch.file("new.cow"), "--size", "1.5M"]],
  [
    "a volume that does not open",
    (): string[] => ["serve", scratch.file("none"), "--listen", `unix:${scratch.file("s")}`],
  ],
])("%s: the process ends as the command does", async (_, argv) => {
  const inside = await snapring(...argv());
  const { code, stdout, stderr } = await runCommand(process.execPath, MAIN, ...argv());
  expect({ code, stdout, stderr }).toEqual(inside);
  expect(code).not.toBe(0);
});

it("no permission", async ({ skip }) => {
  skip(asNobody("--version").status !== 0, "another user cannot run the command from this folder");
  chmodSync(scratch.path, 0o755);
  chmodSync(cow, 0o444);
  chmodSync(origin, 0o000);
  for (const argv of [
    ["merge", origin, cow],
    ["read", origin, cow],
    ["serve", origin],
  ]) {
    const { status, stdout, stderr } = asNobody(...argv);
    expect(stderr).toMatch(/origin.*permission denied/);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(status).toBe(1);
  }
  expect(asNobody("create", scratch.file("new.cow"), "--size", "1M").stderr).toContain("permission denied");
  expect(existsSync(scratch.file("new.cow"))).toBe(false);
});
