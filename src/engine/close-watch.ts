/**
 * Watches a close: each of its steps waits for threads and devices, and a device that hangs (a network that is gone, a FUSE server that
 * stands still) never answers.
 *
 *   step ── every CLOSE_SLOW_MS ──▶ said in the log ── CLOSE_STEP_MS in which nothing ends ──▶ the close fails, with the step's name
 *
 * A device that is slow is no device that hangs: as long as anything comes to an end the step has its time again. A flush is one call,
 * in which nothing can be seen to end, and tens of gigabytes in the page cache of a slow disk take minutes: where the volume itself flushes
 * it has CLOSE_FLUSH_MS, and the log goes on saying what is waited for. Whoever will not wait so long ends the process (a second signal).
 *
 * It ends no thread and frees nothing: the kernel may still write into the memory of what is under way. The program is told, and only
 * its end releases the devices. That is a crash to the volume, for which the order on disk is made; what can still be made durable, is
 * (volume.ts). A close that was given up goes no further when the device answers after all: a step that comes then throws.
 */
import { CLOSE_GRACE_MS, CLOSE_SLOW_MS, CLOSE_STEP_MS } from "../base/constants.ts";
import { StuckError } from "../base/stuck-error.ts";

export class CloseWatch {
  readonly #log: (line: string) => void;
  readonly #progress: () => number;
  readonly #overdue: Promise<never>;
  #fail: ((error: Error) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #givenUp: StuckError | undefined;

  /** `progress`: a number that changes whenever something that a close may wait for has come to an end. */
  constructor(log: (line: string) => void, progress: () => number) {
    this.#log = log;
    this.#progress = progress;
    this.#overdue = new Promise((_, reject) => {
      this.#fail = reject;
    });
  }

  /** What the close waits for from here on. Throws a StuckError where it has been given up: nothing more may be done then, or released. */
  step(what: string, limitMs: number = CLOSE_STEP_MS): void {
    this.#clear();
    if (this.#givenUp !== undefined) throw this.#givenUp;
    this.#wait(what, limitMs, 0, this.#progress());
  }

  /** `idleMs`: since anything has been seen to come to an end. */
  #wait(what: string, limitMs: number, idleMs: number, progress: number): void {
    this.#timer = setTimeout(() => {
      const now = this.#progress();
      const idle = now === progress ? idleMs + CLOSE_SLOW_MS : 0;
      if (idle >= limitMs) return this.#giveUp(`closing: waited ${limitMs / 1000} s for ${what} in vain`);
      this.#log(`closing: still waiting for ${what}`);
      this.#wait(what, limitMs, idle, now);
    }, CLOSE_SLOW_MS);
  }

  #giveUp(message: string): void {
    this.#givenUp = new StuckError(message);
    this.#fail?.(this.#givenUp);
  }

  /** The close, or its failure with a StuckError; `last` is done before that is told. */
  async watch(close: Promise<void>, last: () => Promise<void>): Promise<void> {
    try {
      await Promise.race([close, this.#overdue]);
    } catch (error) {
      if (error instanceof StuckError) await last();
      throw error;
    } finally {
      this.#clear();
    }
  }

  /** Export workers have stopped, and what was not answered or not read by then was cut. `asked`: before its time. */
  sayCut({ requests, clients }: { readonly requests: number; readonly clients: number }, asked: boolean): void {
    if (clients === 0) return;
    const what = `${requests} request${requests === 1 ? "" : "s"} of ${clients} client${clients === 1 ? "" : "s"}`;
    this.#log(`closing: gave up ${what} ${asked ? "as its signal has asked for" : `after ${CLOSE_GRACE_MS / 1000} s`}`);
  }

  #clear(): void {
    clearTimeout(this.#timer);
  }
}
