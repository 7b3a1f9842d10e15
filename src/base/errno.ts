/**
 * Error numbers: the values that travel in completions (negative), and the one class that turns them into words.
 *
 * Numbers are Linux's. A message is safe to print (printable.ts), lower-case, names the subject, then the fact; `code` is stable.
 */
import type { Advice } from "./advice.ts";
import { printable } from "./printable.ts";

export const errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EBADE: 52,
  ENODATA: 61,
  ETIME: 62,
  ENOLINK: 67,
  EPROTO: 71,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EILSEQ: 84,
  ENOTSOCK: 88,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  ESTALE: 116,
  EUCLEAN: 117,
  EREMOTEIO: 121,
  EDQUOT: 122,
  ENOMEDIUM: 123,
  ECANCELED: 125,
} as const;

export type ErrnoName = keyof typeof errno;

const names = new Map<number, ErrnoName>(Object.entries(errno).map(([name, value]) => [value, name as ErrnoName]));

/** The name of an error number, positive or negative; "E<number>" where it is not one of ours. */
export function errnoName(value: number): string {
  return names.get(Math.abs(value)) ?? `E${Math.abs(value)}`;
}

/** The number (positive) of an error that node threw; EIO where it carries none. */
export function errnoOf(error: unknown): number {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === "string" && code in errno) return errno[code as ErrnoName];
  return errno.EIO;
}

/**
 * The file system, the quota or the limit on the size of files has no room for what was to be written (of either sign). It is one kind
 * of error, whatever its number: more room ends it, and the device is as good as before.
 */
export function isNoRoom(error: number): boolean {
  switch (Math.abs(error)) {
    case errno.ENOSPC:
    case errno.EDQUOT:
    case errno.EFBIG:
      return true;
    default:
      return false;
  }
}

/** The machine has refused something that it may have again in a moment: a descriptor, memory, a thread (of either sign). */
export function isShortage(error: number): boolean {
  switch (Math.abs(error)) {
    case errno.EAGAIN:
    case errno.ENOMEM:
    case errno.ENFILE:
    case errno.EMFILE:
    case errno.ENOBUFS:
      return true;
    default:
      return false;
  }
}

export interface SnapringErrorOptions {
  /** What the user can do about it. */
  readonly hint?: string | Advice | undefined;
  readonly cause?: unknown;
}

/** What the machine, a device, a store or the register refuses, in words that a user may see. (Wrong options are a TypeError or RangeError.) */
export class SnapringError extends Error {
  override readonly name = "SnapringError";
  /** Stable: the name of an error number (`ENOENT`, `EBUSY`, `ENOSPC` …). */
  readonly code: string;
  /** What can be done about it; undefined: nothing that is known. */
  readonly hint: string | undefined;

  constructor(code: ErrnoName | "EUSAGE", message: string, options: SnapringErrorOptions = {}) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    const { hint } = options;
    const text = typeof hint === "object" ? hint.library : hint;
    this.hint = text === undefined ? undefined : printable(text);
    if (typeof hint === "object") advised.set(this, { library: text ?? "", command: printable(hint.command) });
  }
}

const advised = new WeakMap<SnapringError, Advice>();

/** The hint of an error as it was given: to hand it on. */
export function hintOf(error: SnapringError): string | Advice | undefined {
  return advised.get(error) ?? error.hint;
}

/** The hint in the command line's words. */
export function commandHint(error: SnapringError): string | undefined {
  return advised.get(error)?.command ?? error.hint;
}
