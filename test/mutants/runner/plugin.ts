/**
 * A test runner for Stryker that runs the tests in its own process: a mutant costs what the tests cost that reach it, and nothing else.
 *
 *   Stryker (instruments, plans, watches the time, reports)
 *      │ init       load all test files once
 *      │ dryRun     run every test twice: which mutants it reaches, how long it takes
 *      │ mutantRun  put one mutant on ─▶ its tests, in an order ─▶  one fails? ─▶ the same test again, without the mutant ─▶ right: killed
 *      │                                        └▶ none fails: survived                                        └▶ wrong: see below
 *      ▼
 *   killed │ survived │ timeout
 *
 * Mutants share a process, so what one leaves behind (a cache, a spy, a listener) might decide about the next. Hence the second look: a test that
 * fails without any mutant shows that the process is spoilt. Then the mutant is tried again in a new one, as the first there; one that spoils
 * even that has failed by itself, and the process is given up after it. Errors that nobody catches count for the mutant that is on, if
 * they come again when it is tried again.
 *
 * What is done while modules load is mutated by loading the test files anew that import the mutated one (a new life). Modules are never
 * given back, so a process has only some lives. When a test does not end any more: limits.ts.
 */
import { join } from "node:path";
import "../setup.ts";
import { Imports } from "./imports.ts";
import { computed, Limits } from "./limits.ts";
import { Order } from "./order.ts";
import type {
  DryRunResult,
  MutantRunOptions,
  MutantRunResult,
  Switchboard,
  TestResult,
  TestRunner,
  TestRunnerPlugin,
} from "./stryker-api.ts";
import { TestStatus } from "./stryker-api.ts";
import { type Failure, type LoadedTest, load, wordsOf } from "./test-files.ts";

/** A process with more of them than that grows too large. */
const LIVES_MAX = 40;

/** Of a mutant's run: how it was found. */
interface Found extends Failure {
  /** None: the tests could not even be loaded, or all of them were right. */
  readonly test?: LoadedTest;
  readonly isEndless?: boolean;
  /** It came when all tests were done: an error that nobody has caught. */
  readonly isLate?: boolean;
}

export const strykerPlugins: readonly TestRunnerPlugin[] = [
  { kind: "TestRunner", name: "in-process", factory: () => new InProcessRunner() },
];

class InProcessRunner implements TestRunner {
  /** The sandbox: Stryker has made it this process's folder. */
  readonly #root = process.cwd();
  readonly #files = (process.env["SNAPRING_MUTANTS_TESTS"] ?? "").split(";").map((path) => join(this.#root, path));
  readonly #limits = new Limits();
  readonly #imports = new Imports();
  readonly #uncaught: unknown[] = [];
  readonly #board: Switchboard = { counting: false, number: -1 };
  #tests: ReadonlyMap<string, LoadedTest> = new Map();
  readonly #order = new Order();
  #lives = 0;
  #killed = 0;
  #spoilt = false;

  capabilities(): { readonly reloadEnvironment: boolean } {
    return { reloadEnvironment: true };
  }

  async init(): Promise<void> {
    process.on("unhandledRejection", (error) => void this.#uncaught.push(error));
    process.on("uncaughtException", (error) => void this.#uncaught.push(error));
    (globalThis as unknown as { __stryker__: Switchboard }).__stryker__ = this.#board;
    this.#board.counting = !this.#limits.isKnown;
    const tests = await load(this.#root, this.#files, 0);
    this.#tests = new Map(tests.map((test) => [test.id, test]));
  }

  /** Each test twice: what it reaches, and how long it takes when nobody counts that. */
  async dryRun(): Promise<DryRunResult> {
    const tests: TestResult[] = [];
    const durations: Record<string, number> = {};
    for (const test of this.#tests.values()) {
      const { id, name, file: fileName, skipped } = test;
      this.#board.currentTestId = id;
      this.#board.counting = true;
      const first = skipped ? undefined : await test.run();
      this.#board.counting = false;
      this.#board.currentTestId = undefined;
      const [begun, before] = [performance.now(), computed()];
      const failure = first ?? (skipped ? undefined : await test.run());
      const timeSpentMs = performance.now() - begun;
      durations[id] = computed() - before;
      const status = skipped ? TestStatus.Skipped : failure === undefined ? TestStatus.Success : TestStatus.Failed;
      tests.push({ id, name, fileName, timeSpentMs, status, ...(failure && { failureMessage: failure.words }) });
    }
    const { mutantCoverage } = this.#board;
    this.#limits.keep({ durations, hits: mutantCoverage?.perTest ?? {} });
    return { status: "complete", tests, mutantCoverage };
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { mutantActivation, testFilter, sandboxFileName } = options;
    const { id: mutant } = options.activeMutant;
    if (this.#limits.isEndless(mutant)) return { status: "timeout", reason: "a test does not end any more" };
    if (this.#spoilt) throw new Error("a mutant has left this process spoilt: the next one is tried in another");
    this.#turnOn(mutant);
    const isStatic = mutantActivation === "static";
    const loaded = isStatic ? await this.#newLife(sandboxFileName) : testFilter!.map((id) => this.#tests.get(id)!);
    const tests = "words" in loaded ? [] : this.#order.sort(loaded, sandboxFileName, this.#limits);
    let found = "words" in loaded ? loaded : await this.#run(tests, mutant);
    if (found?.isLate) found = await this.#run(tests, mutant);
    this.#turnOn(undefined);
    if (found === undefined) return { status: "survived", nrOfTests: tests.length };
    this.#order.learn(tests, found.test, sandboxFileName);
    await this.#lookAgain(found);
    if (found.isEndless) return { status: "timeout", reason: found.words };
    const id = found.test?.id ?? "load";
    return { status: "killed", killedBy: [id], failureMessage: found.words, nrOfTests: tests.length };
  }

  #turnOn(mutant: string | undefined): void {
    this.#board.activeMutant = mutant;
    this.#board.number = mutant === undefined ? -1 : Number(mutant);
  }

  /** The tests that come to see the mutated file, loaded while the mutant is on; or what was wrong with that. */
  async #newLife(mutated: string): Promise<readonly LoadedTest[] | Found> {
    this.#lives += 1;
    if (this.#lives > LIVES_MAX)
      throw new Error("this process has had enough lives: the next mutant is tried in another");
    const files = this.#files.filter((file) => this.#imports.reaches(file, mutated));
    try {
      return await load(this.#root, files, this.#lives);
    } catch (error) {
      return { words: wordsOf(error) };
    }
  }

  /** Until one fails. */
  async #run(tests: readonly LoadedTest[], mutant: string): Promise<Found | undefined> {
    for (const test of tests) {
      if (test.skipped) continue;
      this.#board.hitCount = 0;
      this.#board.hitLimit = this.#limits.hitsOf(test.id, mutant);
      const { failure, isEnded } = await this.#limits.run(test, mutant);
      const isEndless = isEnded || this.#board.hitCount > this.#board.hitLimit;
      this.#board.hitCount = undefined;
      if (isEndless) return { words: `${test.name} does not end`, test, isEndless };
      if (failure !== undefined) return { words: failure.words, test };
    }
    await quiet();
    const [error] = this.#uncaught.splice(0);
    return error === undefined ? undefined : { words: `nobody has caught ${wordsOf(error)}`, isLate: true };
  }

  /** Whether the process is as it was before the mutant; where it is not, and may have been spoilt before, another one is to try the mutant. */
  async #lookAgain({ test: failed }: Found): Promise<void> {
    await quiet();
    this.#uncaught.length = 0;
    this.#killed += 1;
    const test = failed && this.#tests.get(failed.id);
    if (test === undefined || (await test.run()) === undefined) return;
    if (this.#killed > 1) throw new Error(`spoilt by an earlier mutant: ${test.name} fails without any`);
    this.#spoilt = true;
  }
}

/** What the tests have left to be done at once is done. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
}
