/**
 * The drivers that npm runs: each says what it takes, refuses what it does not understand before anything is run, and does not pass for one
 * that found nothing when it has done nothing.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { count, driver, minutes, namesOf, refuseNothing } from "../../support/driver.ts";
import { runCommand } from "../../support/run-command.ts";

const ROOT = join(import.meta.dirname, "../../..");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };

/** How a driver with these options ends: its exit code, and what it says; undefined: it would run. */
function end(...argv: readonly string[]): { code: number; said: string } | undefined {
  let said = "";
  const exit = vi.spyOn(process, "exit").mockImplementation((code) => {
    throw new Error(`exit ${code}`);
  });
  const write = (text: string): void => void (said += text);
  try {
    driver("life", "Lives")
      .configureOutput({ writeOut: write, writeErr: write })
      .option("--minutes <M>", "how long", minutes, 1)
      .option("--count <N>", "how many", count(1))
      .option("--having <NAMES>", "what", namesOf(["a", "b"]))
      .parse(argv, { from: "user" });
    return undefined;
  } catch (error) {
    const code = Number(/^exit (\d)$/.exec((error as Error).message)?.[1]);
    return { code, said };
  } finally {
    exit.mockRestore();
  }
}

describe("a driver", () => {
  it("says what it takes", () => {
    expect(end("--help")).toEqual({
      code: 0,
      said: expect.stringMatching(/^Usage: npm run life --[\s\S]*--minutes <M>/),
    });
  });

  it.each([
    [["--minutes", "abc"], /^life: .*'abc' is invalid.*not a number of minutes/],
    [["--minutes", "-1"], /^life: .*'-1' is invalid/],
    [["--minutes", ""], /^life: /],
    [["--count", "0"], /not a whole number from 1/],
    [["--count", "1.5"], /not a whole number/],
    [["--having", "a,c"], /Nothing is called c; there is a, b/],
    [["--minuts", "1"], /unknown option '--minuts'/],
    [["more"], /too many arguments/],
  ])("refuses %j before anything is run", (argv, message) => {
    const ended = end(...argv);
    expect(ended?.said).toMatch(message);
    expect(ended?.said).toContain("npm run life -- --help shows what it takes");
    expect(ended?.code).toBe(2);
  });

  it("takes numbers, fractions of a minute and names", () => {
    expect(end("--minutes", "0.5", "--count", "3", "--having", "a,b")).toBeUndefined();
  });

  it("that has done nothing has failed", () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const before = process.exitCode;
    try {
      process.exitCode = 0;
      refuseNothing("life", 1);
      expect(process.exitCode).toBe(0);
      refuseNothing("life", 0);
      expect(process.exitCode).toBe(1);
      expect(error).toHaveBeenCalledWith("life: nothing was run");
    } finally {
      process.exitCode = before;
      error.mockRestore();
    }
  });
});

describe("the scripts of the check-out", () => {
  // The names of the drivers' files, as built or as they are.
  const drivers = Object.entries(scripts).flatMap(([name, script]) => {
    const path = /(?:test|dist\/bench)\/[\w/-]+\.[tj]s\b/.exec(script.replaceAll("test/sim/typescript.mjs", ""))?.[0];
    return path === undefined ? [] : [[name, path.replace(/^dist\//, "").replace(/\.js$/, ".ts")] as const];
  });

  it("are all known here", () => {
    expect(drivers.map(([name]) => name).sort()).toEqual(
      expect.arrayContaining([
        "sim",
        "kill",
        "soak",
        "fuzz",
        "fuzz:native",
        "faults",
        "powercut",
        "mutants",
        "bench",
        "bench:smoke",
      ]),
    );
  });

  it.each(drivers)("%s has the manners of a driver, by its own name", (name, path) => {
    const files = [path, path.replace(/\w+\.ts$/, "options.ts")].map((file) => join(ROOT, file));
    const text = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
    const shown = name.replace(/^profile:.*/, "profile:PROFILER");
    expect(text.join("\n")).toMatch(new RegExp(`driver\\(\\s*"${shown}"`));
  });

  it.each(Object.entries(scripts).filter(([, script]) => /\b(node|biome|tsc) /.test(script)))(
    "%s sets up what it needs",
    (name, script) => {
      if (name === "nightly" || name === "build:native") return;
      expect(script).toMatch(/\.ci\/(setup|start|test|package)\.mjs/);
    },
  );

  it("refuse a number that is none, and nothing is run", async () => {
    const args = ["--import", "./test/sim/typescript.mjs", "test/sim/main.ts", "--minutes", "abc"];
    const { code, stdout, stderr } = await runCommand("env", "-C", ROOT, process.execPath, ...args);
    expect(stderr).toMatch(/^sim: option '--minutes <M>' argument 'abc' is invalid/);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});
