/**
 * Rings that nobody closes: collected, or left to the end of a thread or of the process. Their descriptors and memory are given back, and
 * nothing that knew them is called afterwards.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFileRing } from "../../src/device/open-ring.ts";
import { newSharedPages } from "../../src/device/shared-pages.ts";
import { modes } from "./ring-bench.ts";

const ADDON = join(import.meta.dirname, "../../native-bindings/build/Release/snapring.node");
const LIVES = join(import.meta.dirname, "../support/addon-lives.mjs");

function live(args: readonly string[]): {
  facts: Record<string, number>;
  status: number | null;
  signal: string | null;
} {
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, ["--expose-gc", LIVES, ADDON, ...args], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return { facts: JSON.parse(stdout) as Record<string, number>, status, signal };
}

it("a ring that was dropped gives back descriptors and memory, and the process ends in good order", () => {
  const { facts, status, signal } = live(["dropped"]);
  expect([status, signal]).toEqual([0, null]);
  expect(facts["made"]).toBeGreaterThan(facts["before"]);
  expect(facts["after"]).toBe(facts["before"]);
  expect(facts["arenas"]).toBe(facts["expected"]);
});

it("handles that are closed, used afterwards, or left to the end of a thread or of the process hinder no end", () => {
  const { status, signal } = live([]);
  expect([status, signal]).toEqual([0, null]);
});

it.each(modes())("a ring that cannot hold its file is closed at once (%s)", (mode) => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  const arena = newSharedPages(65536);
  const before = open();
  for (let i = 0; i < 10; i++)
    expect(() => openFileRing(1_000_000, arena, 4, mode === "uring" ? "uring" : "auto")).toThrow();
  expect(open()).toBe(before);
});
