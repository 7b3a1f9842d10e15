/**
 * One process per device (E-42): an flock on the descriptor by which the device is used.
 *
 * It lives as long as the open file description: rings that hold a duplicate keep it too, and it ends with the process,
 * however that ends. flock, because it is the one kind of lock for which the kernel names the holder.
 *
 * The kernel takes the io_uring of a killed process down in the background, and the files in it stay in use meanwhile. So a
 * lock whose holder is no longer there is tried again for a while before it is an error.
 */
import { existsSync, readFileSync } from "node:fs";
import { SnapringError, errno, errnoName } from "../base/errno.ts";
import type { ErrnoName } from "../base/errno.ts";
import { loadNative } from "./native.ts";
import type { Native } from "./native.ts";

/**
 * True: locked. False: there is no addon, so nothing can be locked. Throws a SnapringError EBUSY that names the holder
 * where the kernel tells. "shared": several readers, no writer.
 */
export function lockDevice(fd: number, path: string, mode: "exclusive" | "shared"): boolean {
  const { native } = loadNative();
  if (native === undefined) return false;
  const [status, holder] = tryLock(native, fd, mode === "exclusive");
  if (status === 0) return true;
  if (status !== -errno.EAGAIN) throw new SnapringError(errnoName(status) as ErrnoName, `${path} cannot be locked`);
  const by = holder > 0 ? ` by process ${holder}${commandOf(holder)}` : "";
  throw new SnapringError("EBUSY", `${path} is in use${by}`, { hint: "end that process, or use another device" });
}

/** What people must know where `lockDevice` returns false. */
export const NOTHING_LOCKED = "nothing can be locked: make sure that nobody else uses these files";

export function unlockDevice(fd: number): void {
  loadNative().native?.unlockFile(fd);
}

// Two seconds: the kernel needs some milliseconds, but its disk may be busy.
const TRIES = 200;
const PAUSE_MS = 10;
/** Nobody notifies it. Made once: a lock must not fail for want of memory. */
const clock = new Int32Array(new SharedArrayBuffer(4));

function tryLock(native: Native, fd: number, exclusive: boolean): [number, number] {
  for (let tries = 1; ; tries++) {
    const [status, holder] = native.lockFile(fd, exclusive);
    const isHeld = status === -errno.EAGAIN;
    if (!isHeld || isAlive(holder) || tries === TRIES) return [status, holder];
    Atomics.wait(clock, 0, 0, PAUSE_MS);
  }
}

function isAlive(pid: number): boolean {
  return pid > 0 && existsSync(`/proc/${pid}`);
}

function commandOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return "";
  }
}
