/**
 * What went wrong, as plain values for a log line: code, message, what can be done, and the cause, however deep it goes.
 *
 * An error of ours says all that there is to say in words; of anybody else's, which is a defect, the stack belongs to it as well. Anything may be thrown,
 * and looked at here: what throws when it is looked at is told as that.
 */
import { commandHint, SnapringError } from "../base/errno.ts";

export interface ErrorFields {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
  readonly stack?: string;
  readonly cause?: ErrorFields;
}

const DEPTH_MAX = 4;

/** Never throws. */
export function errorFields(error: unknown, depth = 1): ErrorFields {
  try {
    if (!(error instanceof Error)) return { message: String(error) };
    const { code } = error as { code?: unknown };
    const hint = error instanceof SnapringError ? commandHint(error) : undefined;
    return {
      ...(typeof code === "string" ? { code } : {}),
      message: error.message,
      ...(hint === undefined ? {} : { hint }),
      ...(error instanceof SnapringError || error.stack === undefined ? {} : { stack: error.stack }),
      ...(error.cause === undefined || depth === DEPTH_MAX ? {} : { cause: errorFields(error.cause, depth + 1) }),
    };
  } catch {
    return { message: "an error that cannot be shown" };
  }
}
