/**
 * Turns an error of a node:fs call, or an error number of the addon, into one for people: what was tried, why it failed, what to do
 * about it.
 */
import { errno, errnoName, type ErrnoName, SnapringError } from "../base/errno.ts";
import { ERRNO_WORDS, errnoWhy } from "../base/errno-words.ts";

/** The same for an error number of either sign. */
export function errnoError(error: number, tried: string, cause?: unknown): SnapringError {
  const name = errnoName(error) as ErrnoName;
  return new SnapringError(name, `${tried}: ${errnoWhy(error)}`, { hint: ERRNO_WORDS[name]?.hint, cause });
}

/** `tried`: `cannot open origin disk.img`. Errors that no system call made are returned as they are. */
export function systemError(error: unknown, tried: string): unknown {
  const { code, message } = error as { code?: unknown; message?: string };
  if (typeof code !== "string" || !(error instanceof Error) || error instanceof SnapringError) return error;
  const known = code in errno ? (code as ErrnoName) : undefined;
  const words = known === undefined ? undefined : ERRNO_WORDS[known];
  return new SnapringError(known ?? "EIO", `${tried}: ${words?.why ?? message ?? code}`, {
    hint: words?.hint,
    cause: error,
  });
}
