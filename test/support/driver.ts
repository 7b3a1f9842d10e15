/**
 * The options of the drivers of the tests (`npm run sim`, `kill`, `soak` …): numbers that are numbers, and that nothing run is a failure.
 */
import { InvalidArgumentError } from "commander";
import { optionValue, wholeNumber } from "../../src/cli/option-value.ts";

export { driver } from "../../bench/driver.ts";

const COUNT_MAX = 1_000_000_000;

/** A whole number from `min` on. */
export const count = (min: number): ((text: string) => number) => optionValue(wholeNumber(min, COUNT_MAX));

/** A length of time, also a fraction of a minute. */
export function minutes(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= COUNT_MAX) return value;
  throw new InvalidArgumentError("It is not a number of minutes.");
}

/** Names separated by commas, each of them known. */
export function namesOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const names = text.split(",").filter((name) => name !== "");
    const unknown = names.filter((name) => !known.includes(name as T));
    if (unknown.length === 0) return names as T[];
    throw new InvalidArgumentError(`Nothing is called ${unknown.join(", ")}; there is ${known.join(", ")}.`);
  };
}

/** A seed that is another one each time. */
export const freshSeed = (): number => Date.now() % COUNT_MAX;

/** A driver that did nothing must not pass for one that found nothing. */
export function refuseNothing(name: string, done: number): void {
  if (done > 0) return;
  console.error(`${name}: nothing was run`);
  process.exitCode = 1;
}
