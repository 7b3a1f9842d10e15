/**
 * Parsers of option values for commander: they turn our errors into the ones that commander completes with the option's name.
 */
import { InvalidArgumentError } from "commander";
import { SnapringError } from "../base/errno.ts";

/** `parse` as commander wants it. */
export function optionValue<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof SnapringError)) throw error;
      throw new InvalidArgumentError(error.hint === undefined ? error.message : `${error.message}: ${error.hint}`);
    }
  };
}

/** For an option that may be given several times. */
export function collect<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => T[] {
  const value = optionValue(parse);
  return (text, before = []) => [...before, value(text)];
}

/** For paths: an empty one comes from a variable that is not set. */
export function notEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new SnapringError("EUSAGE", `'${text}' is not a whole number from ${min} to ${max}`);
  };
}
