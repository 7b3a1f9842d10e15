/**
 * Test files, loaded into this process, and their tests, which can be run as often as one likes.
 *
 *   load ──▶ @vitest/runner collects: describe, it, each, hooks ──▶ tests by id ──▶ run(id): beforeEach … test … afterEach, what was left to finish
 *
 * A file is loaded once. It can be given another *life*: then it is loaded anew with all that it imports, for mutants of what is done while
 * modules load. The ids of its tests are the same in every life. Hooks around a whole file would have to run around each of its mutants; no test that is
 * run here has any, and one that had would be refused.
 */
import { pathToFileURL } from "node:url";
import { relative } from "node:path";
import {
  collectTests,
  getFn,
  getHooks,
  type Suite,
  type Task,
  type Test,
  type TestContext,
  type VitestRunner,
} from "@vitest/runner";

export interface LoadedTest {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  /** Undefined: it was right, or has skipped itself. `bound` calls what it is given, and may end that. */
  run(bound?: (call: () => unknown) => unknown): Promise<Failure | undefined>;
  /** It is never run. */
  readonly skipped: boolean;
}

export interface Failure {
  readonly words: string;
}

/** All tests of some files. Throws where one cannot be loaded: `files` are absolute paths, `life` is 0 for the first. */
export async function load(root: string, files: readonly string[], life: number): Promise<LoadedTest[]> {
  const collected = await collectTests([...files], new Collecting(root, life) as VitestRunner);
  return collected.flatMap((file) => {
    const [error] = file.result?.errors ?? [];
    if (error !== undefined) throw new Error(`${relative(root, file.filepath)}: ${error.message}`);
    return testsOf(file).map((test) => new Loaded(test, relative(root, file.filepath)));
  });
}

/** What @vitest/runner asks for while it collects; it runs nothing. */
class Collecting implements VitestRunner {
  readonly config: VitestRunner["config"];
  readonly #query: string;

  constructor(root: string, life: number) {
    this.#query = life === 0 ? "" : `?life=${life}`;
    this.config = {
      root,
      name: undefined,
      setupFiles: [],
      passWithNoTests: true,
      testNamePattern: undefined,
      allowOnly: false,
      sequence: { seed: 1, hooks: "stack", setupFiles: "list" },
      chaiConfig: undefined,
      maxConcurrency: 1,
      // No limit: what does not end is ended from outside, with its process.
      testTimeout: 0,
      hookTimeout: 0,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    };
  }

  importFile(path: string): Promise<unknown> {
    return import(`${pathToFileURL(path).href}${this.#query}`);
  }
}

/** What `onTestFinished` leaves with its test, which the types do not say. */
type Running = Test & { onFinished?: ((context: TestContext) => unknown)[] };

class Loaded implements LoadedTest {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  readonly skipped: boolean;
  readonly #test: Test;
  /** From the file down to the test. */
  readonly #suites: readonly Suite[];

  constructor(test: Test, file: string) {
    this.#test = test;
    this.#suites = suitesAround(test);
    // Each run listens for the end of its test by force, which does not come here, and never stops to listen.
    Object.defineProperty(test.context.signal, "addEventListener", { value: () => undefined });
    this.id = test.id;
    this.file = file;
    this.name = [file, ...this.#suites.slice(1).map(({ name }) => name), test.name].join(" > ");
    this.skipped = test.mode !== "run" && test.mode !== "queued";
    const around = this.#suites.map(getHooks);
    if (around.some(({ beforeAll, afterAll }) => beforeAll.length + afterAll.length > 0)) {
      throw new Error(`${file} has beforeAll or afterAll, which are not run for mutants`);
    }
  }

  async run(bound = (call: () => unknown): unknown => call()): Promise<Failure | undefined> {
    const test: Running = this.#test;
    const { context } = test;
    const cleanups: unknown[] = [];
    const failures: unknown[] = [];
    delete test.result;
    try {
      for (const suite of this.#suites) {
        for (const hook of getHooks(suite).beforeEach) cleanups.push(await hook(context, suite));
      }
      await bound(getFn(test));
    } catch (error) {
      // A test that skips itself throws, too.
      if (test.result === undefined) failures.push(error);
    }
    const attempt = async (after: () => unknown): Promise<void> => {
      try {
        await after();
      } catch (error) {
        failures.push(error);
      }
    };
    for (const suite of this.#suites.toReversed()) {
      for (const hook of getHooks(suite).afterEach.toReversed()) await attempt(() => hook(context, suite));
    }
    for (const cleanup of cleanups.reverse()) if (typeof cleanup === "function") await attempt(() => cleanup());
    for (const finished of test.onFinished?.toReversed() ?? []) await attempt(() => finished(context));
    delete test.onFinished;
    return failures.length === 0 ? undefined : { words: wordsOf(failures[0]) };
  }
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function testsOf(suite: Suite): Test[] {
  return suite.tasks.flatMap((task: Task) => (task.type === "test" ? [task] : testsOf(task)));
}

function suitesAround(test: Test): Suite[] {
  const around: Suite[] = [];
  for (let suite: Suite | undefined = test.suite ?? test.file; suite !== undefined; suite = suite.suite)
    around.push(suite);
  if (around.at(-1) !== test.file) around.push(test.file);
  return around.reverse();
}
