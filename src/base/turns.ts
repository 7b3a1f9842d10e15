/**
 * One thing after the other: each begins when the one before has ended, however that went.
 *
 *   take(a) ─▶ a …… ended │ failed ─▶ b …       the caller of each gets its own end; nobody gets another's failure
 */

export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves and rejects as `body` does, which is called when all before it have ended. */
  take<T>(body: () => T | Promise<T>): Promise<T> {
    const turn = this.#last.then(body);
    // What it has brought is its caller's alone.
    this.#last = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  /** Resolves when all that have been taken so far have ended. */
  async over(): Promise<void> {
    await this.#last;
  }
}
