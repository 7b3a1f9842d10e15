/**
 * The set-up and the test runner themselves: what is in step is left alone, and no failure is lost in the last line.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { badEnd } from "../../.ci/run-end.mjs";
import { type Ended, runCommand } from "../support/run-command.ts";

const ROOT = join(import.meta.dirname, "../..");

describe("the set-up", () => {
  it("has nothing to do a second time", async () => {
    const { code, stdout, stderr } = await runCommand(process.execPath, join(ROOT, ".ci/setup.mjs"));
    expect(stdout + stderr).toBe("");
    expect(code).toBe(0);
  });
});

describe("the last line of a test run", () => {
  let scratch: Scratch;

  beforeEach(async () => {
    scratch = await makeScratch();
    mkdirSync(scratch.file("kernel"));
    writeFileSync(scratch.file("vitest.config.mjs"), "export default {};\n");
  });

  afterEach(() => scratch.remove());

  /** Runs vitest with our reporter on a folder of its own. */
  const run = (strict: boolean): Promise<Ended> => {
    const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
    const argv = ["run", "--root", scratch.path, "--globals", `--reporter=${join(ROOT, ".ci/reporter.mjs")}`];
    const env = ["-u", "SNAPRING_TEST_COUNTS", `SNAPRING_CI=${strict ? "1" : ""}`];
    return runCommand("env", ...env, process.execPath, vitest, ...argv);
  };

  const lastLine = (ended: Ended): string | undefined => ended.stdout.trimEnd().split("\n").at(-1);

  it("counts what passed, failed and was skipped", async () => {
    writeFileSync(
      scratch.file("a.test.js"),
      `it("a", () => {}); it.skip("b", () => {}); it("c", () => { throw new Error("c"); });`,
    );
    const ended = await run(false);
    expect(lastLine(ended)).toBe("1 passed, 1 failed, 1 skipped");
    expect(ended.stdout).toContain("FAILED: a.test.js > c: c\n");
    expect(ended.code).toBe(1);
  });

  it("is good where nothing failed", async () => {
    writeFileSync(scratch.file("a.test.js"), `it("a", () => {}); it.skip("b", () => {});`);
    const ended = await run(true);
    expect(lastLine(ended)).toBe("1 passed, 0 failed, 1 skipped");
    expect(ended.code).toBe(0);
  });

  it("counts a file that breaks outside of its tests", async () => {
    writeFileSync(scratch.file("a.test.js"), `it("a", () => {}); throw new Error("broken");`);
    const ended = await run(false);
    expect(lastLine(ended)).toBe("0 passed, 1 failed, 0 skipped");
    expect(ended.code).toBe(1);
  });

  it("counts a skipped kernel test as failed where nothing may be skipped, and as skipped elsewhere", async () => {
    writeFileSync(scratch.file("kernel/b.test.js"), `it("a", () => {}); it.skip("b", () => {});`);
    const strict = await run(true);
    expect(strict.stdout).toContain("FAILED (skipped): kernel/b.test.js > b");
    expect(lastLine(strict)).toBe("1 passed, 1 failed, 0 skipped");
    expect(strict.code).toBe(1);
    const relaxed = await run(false);
    expect(relaxed.stdout).toContain("skipped: kernel/b.test.js > b");
    expect(lastLine(relaxed)).toBe("1 passed, 0 failed, 1 skipped");
    expect(relaxed.code).toBe(0);
  });

  it("counts what had ended where the run is killed, and names what was under way", async () => {
    writeFileSync(scratch.file("a.test.js"), `it("a", () => {}); it("c", () => { throw new Error("c"); });`);
    writeFileSync(
      scratch.file("b.test.js"),
      `it("b", () => new Promise((resolve) => setTimeout(resolve, 120_000)), 130_000);`,
    );
    const counts = scratch.file("counts.json");
    const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
    const argv = [
      "run",
      "--root",
      scratch.path,
      "--globals",
      "--maxWorkers=2",
      `--reporter=${join(ROOT, ".ci/reporter.mjs")}`,
    ];
    const env = { ...process.env, SNAPRING_TEST_COUNTS: counts };
    const child = spawn(process.execPath, [vitest, ...argv], { stdio: "ignore", env });
    const soFar = (): unknown => (existsSync(counts) ? JSON.parse(readFileSync(counts, "utf8")) : undefined);
    const failures = ["FAILED: a.test.js > c: c"];
    await expect.poll(soFar).toEqual({ passed: 1, skipped: 0, failures, running: ["b.test.js"] });
    child.kill("SIGKILL");
    await once(child, "close");
    expect(soFar()).toMatchObject({ passed: 1, failures });
  });
});

describe("the end of a test run", () => {
  const none = { passed: 5, skipped: 0, failures: [], running: ["test/slow.test.ts"] };
  const some = { passed: 5, skipped: 0, failures: ["FAILED: x"], running: [] };
  const timedOut = Object.assign(new Error("spawnSync node ETIMEDOUT"), { code: "ETIMEDOUT" });
  const missing = Object.assign(new Error("spawnSync node ENOENT"), { code: "ENOENT" });

  it.each([
    [{ status: 0, signal: null }, none, undefined],
    [{ status: 1, signal: null }, some, undefined],
    [
      { status: 1, signal: null },
      none,
      /^ended with exit code 1, and no test failed; under way: test\/slow\.test\.ts$/,
    ],
    [{ status: null, signal: "SIGKILL" }, some, /^ended with SIGKILL$/],
    [
      { status: null, signal: "SIGKILL", error: timedOut },
      none,
      /^was ended after 40 minutes \(.*SNAPRING_TEST_MINUTES.*is counted; under way: test\/slow/,
    ],
    [{ status: null, signal: null, error: missing }, none, /^could not be started: .*ENOENT/],
  ] as const)("%j is said in words where it says something", (run, counts, expected) => {
    const said = badEnd(run as Parameters<typeof badEnd>[0], counts as never, 40);
    if (expected === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(expected);
  });
});
