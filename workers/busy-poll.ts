/**
 * How long an idle worker goes on polling before it sleeps.
 *
 *   work ── poll … poll ── sleep          at most `microseconds` from the last work to the sleep
 *   work ── poll ── work ── poll … poll ── sleep
 *
 * A worker that polls needs no wake-up, neither from the kernel nor from main: with few requests in flight that is the larger part of
 * their latency. It costs the processor that another thread might have used, so it is off unless asked for. Belongs to one worker.
 */
export class BusyPoll {
  readonly #milliseconds: number;
  readonly #clock: () => number;
  #until = Number.NEGATIVE_INFINITY;

  /** `clock`: milliseconds, with fractions. */
  constructor(microseconds: number, clock: () => number) {
    this.#milliseconds = microseconds / 1000;
    this.#clock = clock;
  }

  /** True: do not sleep yet. `worked`: the turn before had completions, or this one has something to submit. */
  goesOn(worked: boolean): boolean {
    const now = this.#clock();
    if (worked) this.#until = now + this.#milliseconds;
    return now < this.#until;
  }
}
