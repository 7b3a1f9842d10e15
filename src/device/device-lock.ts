/**
 * One process per device (E-42): an flock on the descriptor by which the device is used, taken by the addon, or without it by the
 * program flock (lock-program.ts).
 *
 * It lives as long as the open file description: rings that hold a duplicate keep it too, and it ends with the process,
 * however that ends. flock, because it is the one kind of lock for which the kernel names the holder, and the one that needs no addon.
 *
 * The kernel takes the io_uring of a killed process down in the background, and the files in it stay in use meanwhile. So a
 * lock whose holder cannot be seen is tried again for a while before it is an error.
 */
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { SnapringError, errno, errnoName } from "../base/errno.ts";
import { lockHolder } from "./lock-holder.ts";
import { lockByProgram } from "./lock-program.ts";
import { loadNative } from "./native.ts";

export type LockMode = "exclusive" | "shared";

/**
 * Undefined: locked. Else the reason why nothing can be locked here: there is no way to do it, or the file system has no locks.
 * Throws a SnapringError EBUSY that names the holder where the kernel tells. "shared": several readers, no writer. It blocks the thread while it tries
 * again: for commands, and for opening threads.
 */
export function lockDevice(fd: number, path: string, mode: LockMode): string | undefined {
  const attempts = new LockAttempts(fd, path, mode);
  while (!attempts.next()) Atomics.wait(clock, 0, 0, pauseMs());
  return attempts.reason;
}

/** The same for main, which goes on meanwhile. */
export async function lockMeanwhile(fd: number, path: string, mode: LockMode): Promise<string | undefined> {
  const attempts = new LockAttempts(fd, path, mode);
  while (!attempts.next()) await setTimeout(pauseMs());
  return attempts.reason;
}

/** So that the next one need not wait until the kernel has taken rings down that have the descriptor, too: only the addon's rings do. */
export function unlockDevice(fd: number): void {
  loadNative().native?.unlockFile(fd);
}

/** The kernel needs some milliseconds, but its disk may be busy. */
const PATIENCE_MS = 2000;
const PAUSE_MS = { native: 10, program: 100 } as const;
/** Nobody notifies it. Made once: a lock must not fail for want of memory. */
const clock = new Int32Array(new SharedArrayBuffer(4));

function pauseMs(): number {
  return loadNative().native === undefined ? PAUSE_MS.program : PAUSE_MS.native;
}

class LockAttempts {
  /** Why nothing can be locked, once `next` has said true. */
  reason: string | undefined;
  readonly #fd: number;
  readonly #path: string;
  readonly #mode: LockMode;
  readonly #until = performance.now() + PATIENCE_MS;
  #isFirst = true;

  constructor(fd: number, path: string, mode: LockMode) {
    this.#fd = fd;
    this.#path = path;
    this.#mode = mode;
  }

  /** False: try again in a while. */
  next(): boolean {
    const result = tryLock(this.#fd, this.#mode === "exclusive");
    if (result !== "held") {
      this.reason = result === "locked" ? undefined : result.reason;
      return true;
    }
    const isLast = performance.now() >= this.#until;
    const holder = this.#isFirst || isLast ? lockHolder(this.#fd) : undefined;
    if (holder !== undefined || isLast) throw inUse(this.#path, holder);
    this.#isFirst = false;
    return false;
  }
}

function tryLock(fd: number, exclusive: boolean): ReturnType<typeof lockByProgram> {
  const { native } = loadNative();
  if (native === undefined) return lockByProgram(fd, exclusive);
  const [status] = native.lockFile(fd, exclusive);
  if (status === 0) return "locked";
  if (status === -errno.EAGAIN) return "held";
  const isDenied = status === -errno.EPERM || status === -errno.EACCES || status === -errno.ENOSYS;
  const why = isDenied
    ? "flock is not permitted here, by a container's seccomp profile as a rule"
    : "its file system has no locks";
  return { reason: `${why} (${errnoName(status)})` };
}

function inUse(path: string, holder: number | undefined): SnapringError {
  // To end it would end the program that reads this.
  if (holder === process.pid)
    return new SnapringError("EBUSY", `${path} is in use by this process itself`, {
      hint: "close() the volume that has it open first, or use another device; one whose close() was given up (ETIMEDOUT) has it until the process ends",
    });
  const by = holder === undefined ? "" : ` by process ${holder}${commandOf(holder)}`;
  return new SnapringError("EBUSY", `${path} is in use${by}`, { hint: "end that process, or use another device" });
}

function commandOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return "";
  }
}
