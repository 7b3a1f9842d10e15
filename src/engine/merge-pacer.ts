/**
 * Keeps a merge to a share of the time (E-26), so that clients' I/O stays usable while it runs.
 *
 *   core: step done ("merge-progress") ─▶ rest = busy × (100 − percent) / percent ─▶ mergeContinue
 *
 * The core has no clock: with `mergePaced` it waits after each step. At 100 per cent it is told at once to go on.
 */
import { throttleRest } from "../core/core-options.ts";

export class MergePacer {
  readonly #percent: number;
  readonly #goOn: () => void;
  #stepBegan = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `percent`: 1–100. */
  constructor(percent: number, goOn: () => void) {
    this.#percent = percent;
    this.#goOn = goOn;
  }

  /** A merge starts, or goes on. */
  began(): void {
    this.#stepBegan = performance.now();
  }

  stepDone(): void {
    const rest = throttleRest(performance.now() - this.#stepBegan, this.#percent);
    this.#timer = setTimeout(() => {
      this.began();
      this.#goOn();
    }, rest);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
