/**
 * A volume that is opened until a signal comes: the first one takes back what was begun, and the command ends as after any stop.
 *
 * A device that does not answer keeps an opening thread (engine/opening-pool.ts), or one of node's, and with it the process, for which the end does
 * not wait.
 */
import type { AbortError } from "../base/abort-error.ts";
import type { AbortOptions, Volume } from "../engine/volume.ts";
import type { Interrupt } from "./interrupt.ts";
import { endStuck } from "./stuck-end.ts";

const ENDS_BY_ITSELF_MS = 500;

/** Undefined: a signal came first. */
export async function openUntil(
  interrupt: Interrupt,
  open: (how: AbortOptions) => Promise<Volume>,
): Promise<Volume | undefined> {
  const controller = new AbortController();
  void interrupt.signal.then((name) => controller.abort(name));
  try {
    return await open({ signal: controller.signal });
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
    if ((error as AbortError).isStuck) await endStuck(0);
    setTimeout(() => void endStuck(0), ENDS_BY_ITSELF_MS).unref();
    return undefined;
  }
}
