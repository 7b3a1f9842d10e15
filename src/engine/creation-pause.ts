/**
 * How long a creation may hold writes of clients: from the first gate that closes to the last that opens, where its user has set a bound.
 *
 *   part: a gate closes ── began ──▶ timer ── maxPauseMs ──▶ the signal: the creation is given up, and its gates open
 *   part: it is open again ─ ended ─▶ none is closed: no timer
 *
 * The creation is given up as by a signal of the user's own, which is a part of the one that it looks at. Runs on main.
 */
import { SnapringError } from "../base/errno.ts";

export class CreationPause implements Disposable {
  /** The user's own, or the end of the time; undefined: there is neither. */
  readonly signal: AbortSignal | undefined;
  readonly #maxMs: number | undefined;
  readonly #over = new AbortController();
  #held = 0;
  #timer: NodeJS.Timeout | undefined;
  #tooLong: SnapringError | undefined;

  constructor(maxMs: number | undefined, signal: AbortSignal | undefined) {
    this.#maxMs = maxMs;
    if (maxMs === undefined) this.signal = signal;
    else this.signal = AbortSignal.any([this.#over.signal, ...(signal === undefined ? [] : [signal])]);
  }

  /** What there is to say where the time was over (ETIMEDOUT). */
  get tooLong(): SnapringError | undefined {
    return this.#tooLong;
  }

  /** A gate closes. */
  began(): void {
    this.#held += 1;
    if (this.#maxMs !== undefined) this.#timer ??= setTimeout(() => this.#end(), this.#maxMs);
  }

  /** It is open again. */
  ended(): void {
    this.#held -= 1;
    if (this.#held === 0) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #end(): void {
    // Its user has given it up already.
    if (this.signal?.aborted === true) return;
    this.#tooLong = new SnapringError(
      "ETIMEDOUT",
      `given up: writes of clients had been held for ${this.#maxMs} milliseconds, for a write before them does not end`,
    );
    this.#over.abort(this.#tooLong);
  }
}
