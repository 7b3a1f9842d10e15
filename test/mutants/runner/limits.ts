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

const FOLDER = process.env["SNAPRING_MUTANTS_FOLDER"] ?? ".";
const SEEN = join(FOLDER, "seen.json");

/** Stryker's own factor, for each test by itself instead of for all of them. */
const HITS = 100;
const HITS_MIN = 1000;
const TIMES = 20;
const EXTRA_MS = 500;
/** By the clock, before it is asked what was computed. */
const PATIENCE = 5;

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
  /** Of the test that is running: what it may compute, and the process by then. */
  #allowed = 0;
  #until = 0;
  #ended = false;

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

  begin(test: string, mutant: string): void {
    this.#ended = false;
    this.#allowed = EXTRA_MS + TIMES * this.durationOf(test);
    this.#until = used() + this.#allowed;
    Atomics.store(this.#shared, 1, Number(mutant));
    // The thread is the second guard.
    Atomics.store(this.#shared, 0, this.#until + EXTRA_MS);
  }

  /** Call, and throw when that computes for too long. */
  bound(call: () => unknown): unknown {
    calls.current = call;
    try {
      return CALL.runInThisContext({ timeout: Math.ceil(this.#allowed * PATIENCE) });
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") this.#ended = true;
      throw error;
    }
  }

  /** Whether the test had to be ended. Throws where the machine was busy with something else meanwhile. */
  end(): boolean {
    Atomics.store(this.#shared, 0, 0);
    if (this.#ended && used() < this.#until) throw new Error("the machine is busy: the mutant is tried again");
    return this.#ended;
  }
}

/** Milliseconds that this process has computed. */
function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
