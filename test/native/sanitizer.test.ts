/**
 * The addon's core, built with AddressSanitizer and UndefinedBehaviorSanitizer into a program of its own, with random
 * descriptors. On a failure the seed is in the output.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addon } from "./ring-bench.ts";

const BINDINGS = join(import.meta.dirname, "../../native-bindings");
const folder = mkdtempSync(join(tmpdir(), "snapring-asan-"));
const program = join(folder, "core_test");

beforeAll(() => {
  // All but the files that speak N-API.
  const core = readdirSync(join(BINDINGS, "src")).filter((name) => name.endsWith(".cc") && !name.startsWith("binding"));
  const flags = ["-std=c++17", "-g", "-O1", "-fno-exceptions", "-fno-rtti", "-fno-omit-frame-pointer", "-D_GNU_SOURCE"];
  const checks = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  const sources = [join(BINDINGS, "test/core_test.cc"), ...core.map((name) => join(BINDINGS, "src", name))];
  const built = spawnSync("g++", [...flags, ...checks, ...sources, "-o", program, "-l:liburing.a"], {
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(built.stderr);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("no descriptor, good, bad or random, makes the core touch what it must not", () => {
  const run = spawnSync(program, [], {
    encoding: "utf8",
    timeout: 100_000,
    env: { ...process.env, ASAN_OPTIONS: "detect_leaks=1" },
  });
  expect(run.stderr).toMatch(/^seed \d+, \d+ rounds\n$/);
  expect(run.status).toBe(0);
  expect(run.stdout).toBe(addon().probe() === 0 ? "uring poll\n" : "poll\n");
});
