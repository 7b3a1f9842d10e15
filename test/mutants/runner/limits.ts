/**
 * When a test does not end any more: what each test did without a mutant, and how much more of it is allowed.
 *
 *   comes by the mutant   HITS times as often as it did         the code that Stryker put in throws
 *   computes              TIMES times as long, and half a second     what is called at once is ended by the virtual machine; what goes on later by a
 *                                                               thread, with the process (watch.mjs): in the next one the mutant is known
 *   waits                                                       Stryker's own limit
 *
 * What counts is the time that the process has computed, not the clock: on a machine that does other things a test is late, but not endless.
 * What the first run has seen is kept in a file, for the processes that come after.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";
import { Worker } from "node:worker_threads";
import type { Failure, LoadedTest } from "./test-files.ts";

const FOLDER = process.env["SNAPRING_MUTANTS_FOLDER"] ?? ".";
const SEEN = join(FOLDER, "seen.json");

/** Stryker's own factor, for each test by itself instead of for all of them. */
const HITS = 100;
const HITS_MIN = 1000;
const TIMES = 5;
const EXTRA_MS = 500;
/** The thread comes later than the virtual machine. */
const SECOND_GUARD = 4;

/** How a function is called with a limit of time: as a script. */
const CALL = new Script("__snapringCalls.current()");
const calls: { current: () => unknown } = { current: () => undefined };
(globalThis as unknown as { __snapringCalls: typeof calls }).__snapringCalls = calls;

/** By test. */
export interface Seen {
  readonly durations: Record<string, number>;
  /** How often each mutant was come by. */
  readonly hits: Record<string, Record<string, number>>;
}

export class Limits {
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  #seen: Seen | undefined;
  #isEnded = false;

  constructor() {
    if (existsSync(SEEN)) this.#seen = JSON.parse(readFileSync(SEEN, "utf8")) as Seen;
    const workerData = { shared: this.#shared.buffer, folder: FOLDER };
    new Worker(new URL("./watch.mjs", import.meta.url), { workerData, execArgv: [] }).unref();
  }

  /** There has been a first run, here or in another process. */
  get isKnown(): boolean {
    return this.#seen !== undefined;
  }

  keep(seen: Seen): void {
    this.#seen = seen;
    writeFileSync(SEEN, JSON.stringify(seen));
  }

  durationOf(test: string): number {
    return this.#seen?.durations[test] ?? 0;
  }

  hitsOf(test: string, mutant: string): number {
    return HITS_MIN + HITS * (this.#seen?.hits[test]?.[mutant] ?? 0);
  }

  isEndless(mutant: string): boolean {
    return existsSync(join(FOLDER, "endless", mutant));
  }

  /** Runs a test; `isEnded`: it had computed for too long. */
  async run(
    test: LoadedTest,
    mutant: string,
  ): Promise<{ readonly failure: Failure | undefined; readonly isEnded: boolean }> {
    const allowed = EXTRA_MS + TIMES * this.durationOf(test.id);
    Atomics.store(this.#shared, 1, Number(mutant));
    // Where the machine was busy with something else meanwhile, once more, with more patience.
    for (let patience = 1; ; patience *= 3) {
      const begun = computed();
      Atomics.store(this.#shared, 0, begun + SECOND_GUARD * allowed);
      this.#isEnded = false;
      const failure = await test.run((call) => this.#bound(call, patience * allowed));
      Atomics.store(this.#shared, 0, 0);
      if (!this.#isEnded || computed() - begun >= allowed) return { failure, isEnded: this.#isEnded };
    }
  }

  /** Call, and throw when that takes too long. */
  #bound(call: () => unknown, milliseconds: number): unknown {
    calls.current = call;
    try {
      return CALL.runInThisContext({ timeout: Math.ceil(milliseconds) });
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") this.#isEnded = true;
      throw error;
    }
  }
}

/** Milliseconds that this process has computed. */
export function computed(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
