/**
 * When a test does not end any more: what each test did without a mutant, and how much more of it is allowed.
 *
 *   comes by the mutant   HITS times as often as it did                  the code that Stryker put in throws
 *   computes              TIMES times as long, and half a second  a thread ends the process (watch.mjs); in the next one the mutant is known to be endless
 *   waits                                         Stryker's own limit
 *
 * What the first run has seen is kept in a file, for the processes that come after.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

const FOLDER = process.env["SNAPRING_MUTANTS_FOLDER"] ?? ".";
const SEEN = join(FOLDER, "seen.json");

/** Stryker's own factor, for each test by itself instead of for all of them. */
const HITS = 100;
const HITS_MIN = 1000;
const TIMES = 20;
const EXTRA_MS = 500;

/** By test. */
export interface Seen {
  readonly durations: Record<string, number>;
  /** How often each mutant was come by. */
  readonly hits: Record<string, Record<string, number>>;
}

export class Limits {
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  #seen: Seen | undefined;

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
    const { user, system } = process.cpuUsage();
    Atomics.store(this.#shared, 1, Number(mutant));
    Atomics.store(this.#shared, 0, (user + system) / 1000 + EXTRA_MS + TIMES * this.durationOf(test));
  }

  end(): void {
    Atomics.store(this.#shared, 0, 0);
  }
}
