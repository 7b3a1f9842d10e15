/**
 * Ctrl-C and SIGTERM, asked twice: the first asks the command to end in good order, the second ends the process at once.
 *
 * "At once" is SIGKILL to ourselves: an ordinary exit waits for worker threads that may sit in the kernel. What is on disk is
 * good at any moment, as it is after a power cut. Files that would be left lying about (sockets) are removed first.
 */
import { rmSync } from "node:fs";

export interface Interrupt extends Disposable {
  /** Set by the first signal. */
  readonly requested: boolean;
  /** Resolves with the first signal. */
  readonly signal: Promise<NodeJS.Signals>;
}

/** Listens until it is disposed. `leftovers`: paths to remove if a second signal comes. */
export function onInterrupt(leftovers: readonly string[] = []): Interrupt {
  let requested = false;
  let resolve: (signal: NodeJS.Signals) => void;
  const signal = new Promise<NodeJS.Signals>((done) => {
    resolve = done;
  });
  const listener = (name: NodeJS.Signals): void => {
    if (requested) {
      for (const path of leftovers) rmSync(path, { force: true });
      process.kill(process.pid, "SIGKILL");
    }
    requested = true;
    resolve(name);
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return {
    get requested() {
      return requested;
    },
    signal,
    [Symbol.dispose]() {
      process.off("SIGINT", listener);
      process.off("SIGTERM", listener);
    },
  };
}
