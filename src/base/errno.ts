/**
 * Error numbers: the values that travel in completions (negative), and the one class that turns them into words.
 *
 * Numbers are Linux's. A message is safe to print (printable.ts), lower-case, names the subject, then the fact; `code` is stable.
 */
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
  EBUSY: 16,
  EEXIST: 17,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ELOOP: 40,
  ENODATA: 61,
  ETIME: 62,
  EPROTO: 71,
  EOVERFLOW: 75,
  ENOTSOCK: 88,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EDQUOT: 122,
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

export interface SnapringErrorOptions {
  /** What the user can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** An error that a user may see: one line, no stack needed. */
export class SnapringError extends Error {
  override readonly name = "SnapringError";
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: ErrnoName | "EUSAGE", message: string, options: SnapringErrorOptions = {}) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint === undefined ? undefined : printable(options.hint);
  }
}
