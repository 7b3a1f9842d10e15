/**
 * One run of Stryker: some places mutated, some tests run for each mutant; the verdicts.
 *
 * It is a program of its own, set up on demand (.ci/mutants), and works on a copy of the check-out below var/. Words of messages are not mutated:
 * asserts and errors are full of them, and a test that repeats them shows nothing.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { filesBelow } from "../tidy/repository.ts";
import { type Mutant, readReport } from "./report.ts";

const ROOT = join(import.meta.dirname, "../..");
/** What compiles TypeScript as it is loaded, for Stryker and the processes that it starts. */
const HOOKS = join(ROOT, "test/mutants/runner/register.mjs");
/**
 * What a test leaves is a web of thousands of records that hang on closures, and closures are born old: a collection of the young would copy it all, again and
 * again. Each collection is of everything, then, and there are few of them.
 */
const COLLECTED_WHOLE = ["--gc-global", "--min-semi-space-size=64", "--max-semi-space-size=64"];
/** Of this run alone: there may be others. */
const FOLDER = `var/mutants/${process.pid}`;

/** What the tests need of the check-out. */
const COPIED = ["src", "workers", "test", "bench", "native-bindings", "package.json", "tsconfig.json"];

export interface StrykerRun {
  /** Globs of files, or `file:line:column-line:column`. */
  readonly mutate: readonly string[];
  readonly tests: readonly string[];
  readonly depths: readonly string[];
  readonly concurrency: number;
}

/** Undefined: Stryker has failed, and has said why. */
export function runStryker({ mutate, tests, depths, concurrency }: StrykerRun): Mutant[] | undefined {
  const report = join(FOLDER, "report.json");
  const config = join(FOLDER, "stryker.json");
  mkdirSync(join(ROOT, FOLDER), { recursive: true });
  rmSync(join(ROOT, report), { force: true });
  const modules = join(ROOT, ".ci/mutants/node_modules");
  const options = {
    mutate,
    testRunner: "in-process",
    plugins: [join(ROOT, "test/mutants/runner/plugin.ts")],
    testRunnerNodeArgs: [...COLLECTED_WHOLE, "--import", HOOKS],
    checkerNodeArgs: ["--import", HOOKS],
    mutator: { excludedMutations: ["StringLiteral"] },
    reporters: ["json", "progress-append-only"],
    jsonReporter: { fileName: report },
    tempDirName: join(FOLDER, "sandbox"),
    ignorePatterns: ["*", ...COPIED.flatMap((path) => [`!${path}`, `!${path}/**`])],
    concurrency,
    checkers: [],
    allowConsoleColors: false,
    // Below that it tells of each process that had to be replaced.
    logLevel: "error",
    // A mutant that loops for ever; a machine that is busy with something else takes longer.
    timeoutMS: 10_000,
    timeoutFactor: 3,
    disableTypeChecks: false,
    warnings: false,
  };
  writeFileSync(join(ROOT, config), JSON.stringify(options, undefined, 2));
  const bin = join(modules, "@stryker-mutator/core/bin/stryker.js");
  const env = {
    ...process.env,
    SNAPRING_VERIFY: "1",
    // Memory that tests take and drop comes in large pages: where a fault is dear, it is most of what they cost.
    GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
    SNAPRING_MUTANTS_FOLDER: join(ROOT, FOLDER),
    SNAPRING_MUTANTS_TESTS: filesBelow("test")
      .filter((path) => tests.some((glob) => matchesGlob(path, glob)))
      .join(";"),
    SNAPRING_MUTANTS_DEPTHS: depths.join(";"),
  };
  const { status } = spawnSync(process.execPath, ["--import", HOOKS, bin, "run", config], {
    cwd: ROOT,
    env,
    stdio: ["ignore", 2, 2],
  });
  const mutants = status === 0 ? readReport(join(ROOT, report)) : undefined;
  rmSync(join(ROOT, FOLDER), { recursive: true, force: true });
  return mutants;
}
