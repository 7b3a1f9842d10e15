/**
 * How one thread wakes another: an eventfd where the addon is there, else a word of shared memory.
 *
 *   waker                       sleeper
 *   write eventfd ────────────▶ its ring's read of it completes / uv_poll calls back     (native)
 *   word = 1, notify ─────────▶ Atomics.wait in its ring / Atomics.waitAsync on main     (node)
 */
import type { WakeHandle } from "../ring/worker-data.ts";
import { loadNative } from "./native.ts";

export function newWakeHandle(): WakeHandle {
  const { native } = loadNative();
  return { fd: native === undefined ? -1 : native.createEvent(), word: new SharedArrayBuffer(4) };
}

/** The function that wakes who sleeps on the handle. */
export function waker(handle: WakeHandle): () => void {
  const { native } = loadNative();
  if (native !== undefined && handle.fd >= 0) {
    return () => {
      native.signalEvent(handle.fd);
    };
  }
  const word = new Int32Array(handle.word);
  return () => {
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
  };
}
