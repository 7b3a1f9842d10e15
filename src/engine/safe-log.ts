/**
 * The user's `log`, made harmless: a line that it cannot take is dropped and counted, and nothing else happens.
 *
 * The volume logs from the midst of its work, also between a notice of the core and the answers to clients. Whatever a log throws
 * there (a full disk, a closed pipe, a mistake of its own) must not reach it; nor may a promise that it returns and that rejects
 * end the process as an unhandled rejection. It is wrapped once, where the options are completed. A line is one line, and safe to show.
 */
import { printableLine } from "../base/printable.ts";

export class SafeLog {
  readonly #log: (line: string) => unknown;
  #dropped = 0;

  constructor(log: (line: string) => unknown) {
    this.#log = log;
  }

  /** Lines that the log refused. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Never throws. */
  readonly write = (line: string): void => {
    try {
      const answer = this.#log(printableLine(line));
      // An async function may be given where one that returns nothing is asked for.
      if (isThenable(answer)) Promise.resolve(answer).catch(() => this.#drop());
    } catch {
      this.#drop();
    }
  };

  #drop(): void {
    this.#dropped += 1;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
