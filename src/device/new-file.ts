/**
 * Makes a file of a given size, with its space reserved, so that it cannot run out later and is written faster.
 *
 * A sparse file grows extent by extent while chunks are copied: each first write of a block changes the file system's own metadata, which
 * the next flush has to write, and direct writes of that kind go to slower kernel threads. Reserved space (fallocate) spares most
 * of it. A file that was written before spares all: no flush meets anything of the file system's own. tmpfs keeps files in memory:
 * there, and where the file system or a missing addon cannot reserve, the file is sparse.
 *
 *   sparse      made in no time    space may run out later    slowest first writes
 *   reserved    made in no time    space cannot run out       the default
 *   written     as long as writing it takes                   fastest first writes
 */
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { errno, type ErrnoName, isNoRoom, SnapringError } from "../base/errno.ts";
import { formatSize } from "../base/size-text.ts";
import { deviceFacts } from "./device-facts.ts";
import { loadNative } from "./native.ts";
import { errnoError, systemError } from "./system-error.ts";

export type FileSpace = "sparse" | "reserved" | "written";

/** What is written at once. */
const PIECE_BYTES: number = 4 * 1024 * 1024;

/**
 * Throws a SnapringError that names the path (EEXIST, ENOSPC, EACCES …); then there is no file. `progress` is told how much of a
 * file that is to be written is.
 */
export function makeFile(path: string, bytes: number, space: FileSpace, progress?: (bytes: number) => void): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
  } catch (error) {
    throw systemError(error, `cannot make COW file ${path}`);
  }
  try {
    if (space === "sparse" || !reserve(fd, path, bytes)) ftruncateSync(fd, bytes);
    if (space === "written") writeZeroes(fd, bytes, progress);
    fsyncSync(fd);
  } catch (error) {
    rmSync(path, { force: true });
    throw error instanceof SnapringError ? error : systemError(error, `cannot give COW file ${path} its size`);
  } finally {
    closeSync(fd);
  }
}

/** False: space cannot be reserved here. */
function reserve(fd: number, path: string, bytes: number): boolean {
  const { native } = loadNative();
  if (native === undefined || bytes === 0 || deviceFacts(fd).isMemory) return false;
  const status = -native.reserveFile(fd, bytes);
  if (status === 0) return true;
  if (status === errno.EOPNOTSUPP || status === errno.ENOSYS || status === errno.EINVAL) return false;
  const refusal = errnoError(status, `space for a COW file ${path} of ${formatSize(bytes)} cannot be reserved`);
  const sparse = "make it smaller, or sparse: then a full file system makes the snapshot invalid";
  throw new SnapringError(refusal.code as ErrnoName, refusal.message, {
    hint: isNoRoom(status) && status !== errno.EFBIG ? sparse : (refusal.hint ?? "make it sparse"),
  });
}

function writeZeroes(fd: number, bytes: number, progress?: (bytes: number) => void): void {
  const zeroes = Buffer.alloc(Math.min(bytes, PIECE_BYTES));
  for (let at = 0; at < bytes; ) {
    at += writeSync(fd, zeroes, 0, Math.min(zeroes.length, bytes - at), at);
    progress?.(at);
  }
}
