/**
 * A line of the log that clients can cause as often as they like: the first at once, then one per RARE_LINE_MS with the number of
 * times since the last. Runs on main; its timer keeps no process alive.
 */
import { RARE_LINE_MS } from "../base/constants.ts";

export class RareLine {
  readonly #log: (line: string) => void;
  readonly #text: (count: number) => string;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(log: (line: string) => void, text: (count: number) => string) {
    this.#log = log;
    this.#text = text;
  }

  happened(): void {
    this.#count += 1;
    if (this.#timer === undefined) this.#say();
  }

  /** The last ones are told now. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#count > 0) this.#log(this.#text(this.#count));
    this.#count = 0;
  }

  #say(): void {
    this.#timer = undefined;
    if (this.#count === 0) return;
    this.#log(this.#text(this.#count));
    this.#count = 0;
    this.#timer = setTimeout(() => this.#say(), RARE_LINE_MS);
    this.#timer.unref();
  }
}
