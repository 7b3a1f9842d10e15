/**
 * Makes a file of a given size, with its space reserved, so that it cannot run out later and is written faster.
 *
 * A sparse file grows extent by extent while chunks are copied: each first write of a block changes the file system's own metadata, which
 * the next flush has to write, and direct writes of that kind go to slower kernel threads. Reserved space (fallocate) spares most
 * of it. tmpfs keeps files in memory: there, and where the file system or a missing addon cannot reserve, the file is sparse.
 */
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { errno, SnapringError } from "../base/errno.ts";
import { deviceFacts } from "./device-facts.ts";
import { loadNative } from "./native.ts";
import { systemError } from "./system-error.ts";

/** Throws a SnapringError that names the path (EEXIST, ENOSPC, EACCES …); then there is no file. */
export function makeFile(path: string, bytes: number, sparse: boolean): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
  } catch (error) {
    throw systemError(error, `cannot make COW file ${path}`);
  }
  try {
    if (sparse || !reserve(fd, path, bytes)) ftruncateSync(fd, bytes);
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
  const code = status === errno.ENOSPC ? "ENOSPC" : status === errno.EFBIG ? "EFBIG" : "EIO";
  throw new SnapringError(code, `there is no room for a COW file ${path} of ${bytes} bytes`, {
    hint: "make it smaller, or sparse: then a full file system makes the snapshot invalid",
  });
}
