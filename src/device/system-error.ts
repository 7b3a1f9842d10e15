/**
 * Turns an error of a node:fs call, or an error number of the addon, into one for people: what was tried, why it failed, what to do
 * about it.
 */
import { errno, errnoName, type ErrnoName, SnapringError } from "../base/errno.ts";

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
  EDQUOT: { why: "the disk quota is used up", hint: "free some space that counts for it, or raise it" },
  EFBIG: {
    why: "files may not be of this size here",
    hint: "raise the limit (ulimit -f, LimitFSIZE= of systemd), or use a file system that takes larger files",
  },
  EBUSY: { why: "it is in use" },
  EIO: { why: "input/output error", hint: "the device may be failing" },
  ENAMETOOLONG: { why: "the name is too long" },
  EMFILE: { why: "too many open files", hint: "raise the limit on descriptors (ulimit -n, LimitNOFILE= of systemd)" },
  ENFILE: { why: "this machine has too many open files", hint: "raise fs.file-max, or end a program that has many" },
  ENOMEM: { why: "no memory", hint: "raise the limit on memory (ulimit -v, a cgroup's)" },
  ENOBUFS: { why: "no memory for sockets", hint: "raise the limit on memory (a cgroup's)" },
  ENOTCONN: { why: "the program behind its file system has ended", hint: "mount it again" },
  ESTALE: { why: "its file system is another one now, or has lost the file", hint: "mount it again" },
  EUCLEAN: { why: "its file system is damaged", hint: "check it (fsck)" },
  ENODEV: { why: "there is no such device any more" },
  ENXIO: { why: "there is no such device any more" },
};

/** The same for an error number of either sign. */
export function errnoError(error: number, tried: string, cause?: unknown): SnapringError {
  const name = errnoName(error) as ErrnoName;
  const words = WORDS[name];
  return new SnapringError(name, `${tried}: ${words?.why ?? name}`, { hint: words?.hint, cause });
}

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
