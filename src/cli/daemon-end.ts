/**
 * Waits for the end of a daemon that serves: a signal (good), or an engine that has failed (bad).
 *
 * The daemon begins meanwhile, for a signal may come while a volume is being opened. A volume that fails is the daemon's to tell, and ends nothing.
 */
import type { Daemon } from "../daemon/daemon.ts";
import type { Interrupt } from "./interrupt.ts";

/** How often it is looked whether the engine lives: its death is told by its volumes, and there may be none. */
const LOOK_MS = 500;

/** Resolves with a signal; rejects where the engine, the beginning, or `begun` has failed. `begun`: clients are served, and no signal has come. */
export async function endOfDaemon(
  daemon: Daemon,
  interrupt: Interrupt,
  begun: () => void | Promise<void>,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const { failure } = daemon.engine;
      if (failure !== undefined) reject(failure);
    }, LOOK_MS);
  });
  const beginning = daemon.begin().then(async () => {
    if (!interrupt.requested) await begun();
  });
  try {
    await Promise.race([interrupt.signal, failed, beginning.then(() => new Promise<never>(() => {}))]);
  } finally {
    clearInterval(timer);
  }
}
