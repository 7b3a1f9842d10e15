/**
 * Lines of a log that repeat themselves: the first few as they come, then no more of them until the window is over, and at its end how many there were.
 *
 *   line ─▶ seen LINES times in this WINDOW? ─ no ─▶ written
 *                                             └ yes ▶ counted ─▶ the window ends ─▶ "… and N more times", if there were any
 *
 * A device that fails each of a million requests, or a client that knocks without end, must not fill the disk that the log is on, nor hide the other lines. At
 * most SEEN_MAX different lines are looked after at a time: beyond it the oldest one's window ends early. Its timers keep no process alive.
 */

export const LINES = 10;
export const WINDOW_MS = 10_000;
const SEEN_MAX = 256;

interface Seen {
  count: number;
  /** Says how many more there were. */
  readonly more: (count: number) => void;
  readonly timer: NodeJS.Timeout;
}

export class Repeats {
  readonly #seen = new Map<string, Seen>();

  /** True: the line is to be written. `more`: called at the end of the window with the number of those that were not. */
  take(key: string, more: (count: number) => void): boolean {
    const seen = this.#seen.get(key);
    if (seen !== undefined) {
      seen.count += 1;
      return seen.count <= LINES;
    }
    if (this.#seen.size >= SEEN_MAX) this.#end(this.#seen.keys().next().value ?? "");
    const timer = setTimeout(() => this.#end(key), WINDOW_MS);
    timer.unref();
    this.#seen.set(key, { count: 1, more, timer });
    return true;
  }

  /** Every window ends now. */
  close(): void {
    for (const key of [...this.#seen.keys()]) this.#end(key);
  }

  #end(key: string): void {
    const seen = this.#seen.get(key);
    if (seen === undefined) return;
    clearTimeout(seen.timer);
    this.#seen.delete(key);
    if (seen.count > LINES) seen.more(seen.count - LINES);
  }
}
