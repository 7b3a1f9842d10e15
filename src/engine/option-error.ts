/**
 * Errors for options of the wrong type or value: node's own codes and classes, and the option's name.
 *
 *   ERR_INVALID_ARG_TYPE    TypeError    a string where a number belongs, an option that is missing
 *   ERR_INVALID_ARG_VALUE   TypeError    a string that is none of those that may be given, a name that no option has
 *   ERR_OUT_OF_RANGE        RangeError   a number that is too small, too large, or not whole
 *
 * They are mistakes of the program that calls, and nothing has been opened when they are thrown. What the machine refuses is a
 * SnapringError.
 */

/** The wrong type (or missing), a value that may not be, a number beyond its bounds. */
export type OptionErrorCode = "ERR_INVALID_ARG_TYPE" | "ERR_INVALID_ARG_VALUE" | "ERR_OUT_OF_RANGE";

/** What `openVolume` and a volume's methods throw for an option that is wrong: a TypeError or RangeError. */
export interface OptionError extends Error {
  /** As node has them. */
  readonly code: OptionErrorCode;
  /** Where it stands: `snapshots[0].size`. */
  readonly option: string;
}

/** `path`: `options.snapshots[0].size`; `fact` goes on from there. */
export function optionError(code: OptionErrorCode, path: string, fact: string): OptionError {
  const ErrorClass = code === "ERR_OUT_OF_RANGE" ? RangeError : TypeError;
  return Object.assign(new ErrorClass(`${path} ${fact}`), { code, option: path.replace(/^options\./, "") });
}

export function isOptionError(error: unknown): error is OptionError {
  return error instanceof Error && "option" in error && "code" in error && String(error.code).startsWith("ERR_");
}

/** A value as an error shows it: short, on one line. */
export function received(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}
