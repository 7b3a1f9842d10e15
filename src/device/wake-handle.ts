/**
 * How one thread wakes another: an eventfd where the addon is there, else a word of shared memory.
 *
 *   waker                       sleeper
 *   write eventfd ────────────▶ its ring's read of it completes / uv_poll calls back     (native)
 *   word = 1, notify ─────────▶ Atomics.wait in its ring / Atomics.waitAsync on main     (node)
 */
import type { WakeHandle } from "../ring/worker-data.ts";
import { closeEvent, createEvent, signalEvent } from "./events.ts";
import { loadNative } from "./native.ts";

export function newWakeHandle(): WakeHandle {
  // Memory first: it goes by itself if there is no descriptor.
  const word = new SharedArrayBuffer(4);
  return { fd: loadNative().native === undefined ? -1 : createEvent(), word };
}

/** After both threads have ended their use. */
export function closeWakeHandle(handle: WakeHandle): void {
  if (handle.fd >= 0) closeEvent(handle.fd);
}

/** The function that wakes who sleeps on the handle. */
export function waker(handle: WakeHandle): () => void {
  if (handle.fd >= 0) return () => signalEvent(handle.fd);
  const word = new Int32Array(handle.word);
  return () => {
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
  };
}
