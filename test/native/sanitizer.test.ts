/**
 * The addon under sanitizers. Its core: the cases of core_test.cc, and descriptors drawn from fixed seeds (core_fuzz.cc), whose
 * answers a model judges; on a failure the seed is in the output, and `npm run fuzz:native` goes on for longer; and refusals of every
 * resource that it takes (refusal_test.cc). And the whole, loaded by
 * node: what JavaScript can do with its handles (addon-lives.mjs).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addon } from "./ring-bench.ts";
import { buildSanitized, linkSanitizedAddon, sanitizerLibrary } from "./sanitized-core.ts";

const folder = mkdtempSync(join(tmpdir(), "snapring-asan-"));
const LIVES = join(import.meta.dirname, "../support/addon-lives.mjs");
const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=1" };
const TIMEOUT_MS = 100_000;
/** Half a minute of one core, several on a busy machine. */
const BUILD_MS = 5 * 60_000;

beforeAll(() => buildSanitized(folder, ["core_test", "core_fuzz", "refusal_test"]), BUILD_MS);

afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("no descriptor, good, bad or random, makes the core touch what it must not", () => {
  const run = spawnSync(join(folder, "core_test"), [], { encoding: "utf8", timeout: TIMEOUT_MS, env });
  expect(run.stderr).toMatch(/^seed \d+, \d+ rounds\n$/);
  expect(run.status).toBe(0);
  expect(run.stdout).toBe(addon().probe() === 0 ? "uring poll\n" : "poll\n");
});

it("whatever is refused a descriptor, memory or the right says so, and keeps nothing", () => {
  const run = spawnSync(join(folder, "refusal_test"), [], { encoding: "utf8", timeout: TIMEOUT_MS, env });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
});

/** Seconds are what a life takes on a busy machine; each seed is one life on each ring. */
it.each([1, 4, 7, 11])("seed %i: what is refused is never touched, what is accepted completes once", (seed) => {
  const memory = existsSync("/dev/shm") ? { TMPDIR: "/dev/shm" } : {};
  const args = [String(seed), "0"];
  const run = spawnSync(join(folder, "core_fuzz"), args, {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    env: { ...env, ...memory },
  });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
  expect(run.stdout).toContain("lives of 60 batches");
});

it("no life and no end of a handle makes the addon touch what is gone", async () => {
  const addonPath = await linkSanitizedAddon(folder);
  // Node itself ends without giving back all that it has: leaks of the core are found above, those of handles in ring-collected.test.ts.
  const options = { LD_PRELOAD: sanitizerLibrary(), ASAN_OPTIONS: "detect_leaks=0" };
  const run = spawnSync(process.execPath, ["--expose-gc", LIVES, addonPath], {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    env: { ...env, ...options },
  });
  expect(run.stderr).toBe("");
  expect([run.status, run.signal]).toEqual([0, null]);
  expect(JSON.parse(run.stdout)).toMatchObject({ arenas: expect.any(Number) });
});
