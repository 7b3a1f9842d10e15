/**
 * In which order a mutant's tests are run, so that the first failure comes soon: quick ones first, and those that have found mutants of the same file
 * before those that have only been run for them.
 */
import type { LoadedTest } from "./test-files.ts";

/** What one test has done for the mutants of one file. */
interface Record {
  runs: number;
  found: number;
}

export class Order {
  readonly #records = new Map<string, Record>();

  sort(tests: readonly LoadedTest[], file: string, limits: { durationOf(test: string): number }): LoadedTest[] {
    const cost = (test: LoadedTest): number => {
      const { runs, found } = this.#of(test, file);
      return ((0.1 + limits.durationOf(test.id)) * (1 + runs)) / (0.05 + found);
    };
    const keyed = tests.map((test) => [cost(test), test] as const);
    return keyed.sort(([a], [b]) => a - b).map(([, test]) => test);
  }

  /** The tests were run in this order, up to the one that failed. */
  learn(tests: readonly LoadedTest[], failed: LoadedTest | undefined, file: string): void {
    for (const test of tests) {
      const record = this.#of(test, file);
      record.runs += 1;
      if (test !== failed) continue;
      record.found += 1;
      return;
    }
  }

  #of({ id }: LoadedTest, file: string): Record {
    const key = `${file} ${id}`;
    let record = this.#records.get(key);
    if (record === undefined) {
      record = { runs: 0, found: 0 };
      this.#records.set(key, record);
    }
    return record;
  }
}
