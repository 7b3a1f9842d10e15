/**
 * Keeps a merge to a share of the time (E-26), so that clients' I/O stays usable while it runs, and holds it where it is paused.
 *
 *   core: step done ("merge-progress") ─▶ rest = busy × (100 − percent) / percent ─▶ mergeContinue
 *                                    └─▶ paused: it waits for resume
 *
 * The core has no clock: it waits after each step. At 100 per cent it is told to go on in the same turn. Share and pause may change while it merges: a rest that is
 * under way begins anew with them.
 */
import { throttleRest } from "../core/core-options.ts";

export class MergePacer {
  #percent: number;
  readonly #goOn: () => void;
  #stepBegan = 0;
  /** Milliseconds that the last step took; undefined: one is under way, or nothing merges. */
  #busy: number | undefined;
  #paused = false;
  #timer: NodeJS.Timeout | undefined;

  /** `percent`: 1–100. */
  constructor(percent: number, goOn: () => void) {
    this.#percent = percent;
    this.#goOn = goOn;
  }

  get percent(): number {
    return this.#percent;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** A merge starts, or goes on from the last opening. */
  began(): void {
    this.#stepBegins();
  }

  stepDone(): void {
    this.#busy = performance.now() - this.#stepBegan;
    this.#rest();
  }

  /** After the step in progress. */
  pause(): void {
    this.#paused = true;
    clearTimeout(this.#timer);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#rest();
  }

  /** From the rest that is under way, or the next one, on. */
  setPercent(percent: number): void {
    this.#percent = percent;
    clearTimeout(this.#timer);
    this.#rest();
  }

  close(): void {
    this.#busy = undefined;
    clearTimeout(this.#timer);
  }

  #rest(): void {
    if (this.#busy === undefined || this.#paused) return;
    const rest = throttleRest(this.#busy, this.#percent);
    // The core is in the middle of its turn, and hears of it at the end.
    if (rest === 0) queueMicrotask(() => this.#next());
    else this.#timer = setTimeout(() => this.#next(), rest);
  }

  #next(): void {
    if (this.#busy === undefined || this.#paused) return;
    this.#stepBegins();
    this.#goOn();
  }

  #stepBegins(): void {
    this.#busy = undefined;
    this.#stepBegan = performance.now();
  }
}
