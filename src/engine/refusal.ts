/**
 * Why a volume cannot be opened where the machine refuses a resource, in words: which one, and what can be done about it.
 *
 * node, V8 and piscina each have errors of their own for it; everything else is in words already where it happens, and passes. And the words for what
 * the core could not do, and for what must not happen.
 */
import { errno, errnoName, type ErrnoName, SnapringError } from "../base/errno.ts";
import { errnoWhy } from "../base/errno-words.ts";
import { errnoError } from "../device/system-error.ts";

export const MORE_THREADS =
  "raise it (ulimit -u, TasksMax= of systemd, --pids-limit of a container), or serve with fewer workers";

export function refusal(error: unknown): unknown {
  const { code } = error as { code?: unknown };
  if (code === "ERR_WORKER_INIT_FAILED") {
    if ((error as Error).message.includes("EMFILE"))
      return errnoError(errno.EMFILE, "a thread cannot be started", error);
    return new SnapringError("EAGAIN", "a thread cannot be started: the limit on threads has been reached", {
      hint: MORE_THREADS,
      cause: error,
    });
  }
  if (error instanceof RangeError && /memory|allocat/i.test(error.message)) {
    return new SnapringError("ENOMEM", `there is no memory for the volume: ${error.message}`, {
      hint: "raise the limit on memory (ulimit -v, a cgroup's), or serve with fewer workers",
      cause: error,
    });
  }
  if (code === "EMFILE") {
    const { message } = error as Error;
    const text = message.includes("too many open files") ? message : `${message}: too many open files`;
    return new SnapringError("EMFILE", text, {
      hint: "raise the limit on descriptors (ulimit -n, LimitNOFILE= of systemd)",
      cause: error,
    });
  }
  return error;
}

/** Of the core, which knows what it could not do, and of which number; what it refuses says itself why. `name`: the snapshot's. */
export function coreError(name: string, error: number, message: string): SnapringError {
  const why = message.startsWith("cannot ") ? `: ${errnoWhy(error)}` : "";
  return new SnapringError(errnoName(error) as ErrnoName, `${name}: ${message}${why}`);
}

/** For a promise that rejects: throws what it was refused with, in words. */
export function inWords(error: unknown): never {
  throw refusal(error);
}

/** Something has thrown that must not: in words, with its cause. */
export function defect(cause: unknown): Error {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new SnapringError("EIO", `the volume has failed: internal error: ${text}`, { cause });
}
