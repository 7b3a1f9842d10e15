/**
 * Main's way to be woken by workers: its turn is called on the event loop, once for any number of wake-ups.
 */
import type { EventWatch } from "../device/native.ts";
import { watchEvent } from "../device/events.ts";
import { closeWakeHandle, newWakeHandle } from "../device/wake-handle.ts";
import type { WakeHandle } from "../ring/worker-data.ts";

export class MainWake {
  readonly handle: WakeHandle = newWakeHandle();
  readonly #close: () => void;

  constructor(turn: () => void) {
    if (this.handle.fd < 0) {
      this.#close = watchWord(new Int32Array(this.handle.word), turn);
      return;
    }
    let watch: EventWatch;
    try {
      watch = watchEvent(this.handle.fd, turn);
    } catch (error) {
      closeWakeHandle(this.handle);
      throw error;
    }
    this.#close = () => {
      watch.close();
      closeWakeHandle(this.handle);
    };
  }

  close(): void {
    this.#close();
  }
}

/** Without the addon: a word of shared memory, watched by Atomics.waitAsync. */
function watchWord(word: Int32Array, turn: () => void): () => void {
  let open = true;
  // An asynchronous wait does not keep the process alive; this does.
  const alive = setInterval(() => {}, 1 << 30);
  const loop = async (): Promise<void> => {
    while (open) {
      const wait = Atomics.waitAsync(word, 0, 0);
      if (wait.async) await wait.value;
      if (Atomics.exchange(word, 0, 0) === 1 && open) turn();
    }
  };
  void loop();
  return () => {
    open = false;
    clearInterval(alive);
    Atomics.notify(word, 0);
  };
}
