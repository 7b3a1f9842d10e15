/**
 * Turns an error of a node:fs call into one for people: what was tried, why it failed, what to do about it.
 */
import { errno, type ErrnoName, SnapringError } from "../base/errno.ts";

interface Words {
  readonly why: string;
  readonly hint?: string;
}

const WORDS: Readonly<Partial<Record<ErrnoName, Words>>> = {
  ENOENT: { why: "no such file", hint: "check the path" },
  EACCES: { why: "permission denied", hint: "check the owner and mode of the file" },
  EPERM: { why: "not permitted" },
  EISDIR: { why: "it is a directory", hint: "name a file or block device" },
  ENOTDIR: { why: "a part of the path is not a directory" },
  EROFS: { why: "its file system is read-only" },
  ENOSPC: { why: "no space left on the file system", hint: "free some space, then try again" },
  EFBIG: { why: "the file system does not take files of this size" },
  EBUSY: { why: "it is in use" },
  EIO: { why: "input/output error", hint: "the device may be failing" },
  ENAMETOOLONG: { why: "the name is too long" },
  EMFILE: { why: "too many open files" },
};

/** `tried`: `cannot open origin disk.img`. Errors that no system call made are returned as they are. */
export function systemError(error: unknown, tried: string): unknown {
  const { code, message } = error as { code?: unknown; message?: string };
  if (typeof code !== "string" || !(error instanceof Error) || error instanceof SnapringError) return error;
  const known = code in errno ? (code as ErrnoName) : undefined;
  const words = known === undefined ? undefined : WORDS[known];
  return new SnapringError(known ?? "EIO", `${tried}: ${words?.why ?? message ?? code}`, {
    hint: words?.hint,
    cause: error,
  });
}
