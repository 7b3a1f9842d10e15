/**
 * What an order of a program's rejects with when its AbortSignal ends it: as node's own, with the name and the code that programs look for.
 */
import { OPENING_GRACE_MS } from "./constants.ts";

export class AbortError extends Error {
  override readonly name = "AbortError";
  readonly code = "ABORT_ERR";
  /** A thread is left in a call to a device that does not answer: an ordinary exit would wait for it. */
  readonly isStuck: boolean;

  /** `cause` is the signal's reason. */
  constructor(signal: AbortSignal, isStuck = false) {
    super("The operation was aborted", { cause: signal.reason });
    this.isStuck = isStuck;
  }
}

/** Before anything is begun, and wherever it may still be left. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortError(signal);
}

/** `body` is called if it is aborted already, or is before `done` has ended. */
export function whenAborted(signal: AbortSignal, body: () => void, done: Promise<unknown>): void {
  if (signal.aborted) return body();
  signal.addEventListener("abort", body, { once: true });
  const forget = (): void => signal.removeEventListener("abort", body);
  done.then(forget, forget);
}

/** `body` is called where `done` has not ended so long after the signal. */
export function whenOverdue(
  signal: AbortSignal,
  body: () => void,
  done: Promise<unknown>,
  graceMs: number = OPENING_GRACE_MS,
): void {
  let timer: NodeJS.Timeout | undefined;
  const forget = (): void => clearTimeout(timer);
  whenAborted(signal, () => (timer = setTimeout(body, graceMs)), done);
  done.then(forget, forget);
}
