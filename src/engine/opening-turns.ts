/**
 * Turns of the tasks of opening threads: a few at a time, so that they do not take the processors from each other. But what has had its turn for a while
 * waits for its device, or reads a large store: nobody waits for that.
 *
 *   take ─▶ fewer than OPENING_TURNS? ─▶ the task ─▶ it ends, or OPENING_TURN_MS are over ─▶ the next one's turn
 *    └─▶ OPENING_THREADS_MAX under way: refused in words, for then they hang
 *
 * Runs on main.
 */
import { OPENING_THREADS_MAX, OPENING_TURN_MS, OPENING_TURNS } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";

export class OpeningTurns {
  /** That have begun, and have not ended. */
  #underWay = 0;
  /** … and have their turn. */
  #turns = 0;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the task may begin, with what is to be called when it has ended. Throws a SnapringError (EBUSY). */
  async take(): Promise<() => void> {
    if (this.#turns >= OPENING_TURNS) await new Promise<void>((next) => this.#waiting.push(next));
    else this.#turns += 1;
    if (this.#underWay >= OPENING_THREADS_MAX) {
      this.#pass();
      throw tooMany();
    }
    this.#underWay += 1;
    let hasTurn = true;
    const pass = (): void => {
      if (!hasTurn) return;
      hasTurn = false;
      this.#pass();
    };
    const timer = setTimeout(pass, OPENING_TURN_MS);
    return () => {
      clearTimeout(timer);
      this.#underWay -= 1;
      pass();
    };
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#turns -= 1;
    else next();
  }
}

function tooMany(): SnapringError {
  return new SnapringError("EBUSY", `${OPENING_THREADS_MAX} devices do not answer while they are opened or looked at`, {
    hint: "their file systems hang, and so would this one wait: see what they stand on, or end the process",
  });
}
