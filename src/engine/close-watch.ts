/**
 * Watches a close: each of its steps waits for threads and devices, and a device that hangs (a network that is gone, a FUSE server that
 * stands still) never answers.
 *
 *   step ──── CLOSE_SLOW_MS ──▶ said in the log ──── CLOSE_STEP_MS ──▶ the close fails, with the step's name
 *
 * It ends no thread and frees nothing: the kernel may still write into the memory of what is under way. The program is told, and only
 * its end releases the devices. That is a crash to the volume, for which the order on disk is made; what can still be made durable, is
 * (volume.ts).
 */
import { CLOSE_GRACE_MS, CLOSE_SLOW_MS, CLOSE_STEP_MS } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";

export class CloseWatch {
  readonly #log: (line: string) => void;
  readonly #overdue: Promise<never>;
  #fail: ((error: Error) => void) | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(log: (line: string) => void) {
    this.#log = log;
    this.#overdue = new Promise((_, reject) => {
      this.#fail = reject;
    });
  }

  /** What the close waits for from here on. */
  step(what: string): void {
    this.#clear();
    const seconds = CLOSE_STEP_MS / 1000;
    this.#timers = [
      setTimeout(() => this.#log(`closing: still waiting for ${what}`), CLOSE_SLOW_MS),
      setTimeout(() => this.#fail?.(stuck(`closing: waited ${seconds} s for ${what} in vain`)), CLOSE_STEP_MS),
    ];
  }

  /** The close, or its failure with ETIMEDOUT; `last` is done before that is told. */
  async watch(close: Promise<void>, last: () => Promise<void>): Promise<void> {
    try {
      await Promise.race([close, this.#overdue]);
    } catch (error) {
      if (error instanceof SnapringError && error.code === "ETIMEDOUT") await last();
      throw error;
    } finally {
      this.#clear();
    }
  }

  /** Export workers have stopped, and what was not answered or not read by then was cut. */
  sayCut(workers: readonly { readonly cut: { readonly requests: number; readonly clients: number } }[]): void {
    const requests = workers.reduce((sum, { cut }) => sum + cut.requests, 0);
    const clients = workers.reduce((sum, { cut }) => sum + cut.clients, 0);
    if (clients === 0) return;
    const what = `${requests} request${requests === 1 ? "" : "s"} of ${clients} client${clients === 1 ? "" : "s"}`;
    this.#log(`closing: gave up ${what} after ${CLOSE_GRACE_MS / 1000} s`);
  }

  #clear(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }
}

function stuck(message: string): SnapringError {
  return new SnapringError("ETIMEDOUT", message, {
    hint: "a device does not answer; only the end of the process gives it up",
  });
}
