/**
 * What error numbers mean to a person: why something failed, and what to do about it. Who says what was tried, and of which file, is
 * device/system-error.ts, or whoever has a number and no file (the core, the log).
 */
import { errnoName, type ErrnoName } from "./errno.ts";

export interface ErrnoWords {
  readonly why: string;
  readonly hint?: string;
}

export const ERRNO_WORDS: Readonly<Partial<Record<ErrnoName, ErrnoWords>>> = {
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
  EREMOTEIO: { why: "the device has failed", hint: "the device may be failing" },
  ENODATA: { why: "the device cannot read what is there", hint: "the device may be failing" },
  EILSEQ: { why: "what was read does not match its checksum", hint: "the device may be failing" },
  ENOLINK: { why: "the way to the device is gone" },
  ETIMEDOUT: { why: "no answer in time" },
  ENOMEDIUM: { why: "there is no medium in it" },
  ENODEV: { why: "there is no such device any more" },
  ENXIO: { why: "there is no such device any more" },
};

/** `no space left on the file system`; of a number of either sign. Its name where there are no words for it. */
export function errnoWhy(error: number): string {
  const name = errnoName(error);
  return ERRNO_WORDS[name as ErrnoName]?.why ?? name;
}
