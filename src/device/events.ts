/**
 * Wake-ups between threads: an eventfd that is signalled here and read there, by a ring or by an event loop.
 *
 *   any thread            sleeper in its ring            sleeper in its event loop (main)
 *   signalEvent(fd) ────▶ IoOp.EventRead completes
 *   signalEvent(fd) ───────────────────────────────────▶ watchEvent's callback runs
 *
 * Any number of signals before the sleeper looks is one wake. The memory that the signal is about must be written before.
 */
import { SnapringError } from "../base/errno.ts";
import { loadNative } from "./native.ts";
import type { EventWatch, Native } from "./native.ts";
import { errnoError } from "./system-error.ts";

function need(): Native {
  const { native, reason } = loadNative();
  if (native === undefined) throw new SnapringError("ENOSYS", reason);
  return native;
}

function done<T>(result: T | number, what: string): T {
  if (typeof result === "number" && result < 0) throw errnoError(result, what);
  return result as T;
}

/** A new eventfd; close it with closeEvent when nobody signals or reads it any more. It goes with the thread that made it, too. */
export function createEvent(): number {
  const native = need();
  const fd = done<number>(native.createEvent(), "eventfd cannot be made");
  native.ownEvent(fd);
  return fd;
}

/** node's own closeSync warns, in a Worker, of a descriptor that node has not opened. */
export function closeEvent(fd: number): void {
  need().closeEvent(fd);
}

let signal: ((fd: number) => number) | undefined;

export function signalEvent(fd: number): void {
  signal ??= need().signalEvent;
  done(signal(fd), "eventfd cannot be signalled");
}

/** Calls back on this thread's event loop, and keeps it alive until `unref` or `close`. */
export function watchEvent(fd: number, callback: () => void): EventWatch {
  return done<EventWatch>(need().watchEvent(fd, callback), "eventfd cannot be watched");
}
