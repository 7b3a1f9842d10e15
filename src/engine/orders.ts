/**
 * What the user has ordered (create, drop, merge, stop) and is not over yet: a close waits for it.
 *
 * An order needs the export workers, which take control messages and leave gates; once they have ended it would wait for ever.
 * New orders are refused before a close begins, so the wait ends. Runs on main.
 */
export class Orders {
  readonly #underWay = new Set<Promise<unknown>>();
  #abandon: ((why: Error) => void) | undefined;
  readonly #abandoned: Promise<never>;

  constructor() {
    this.#abandoned = new Promise((_, reject) => {
      this.#abandon = reject;
    });
    // Nothing may be under way then.
    this.#abandoned.catch(() => {});
  }

  /** Resolves or rejects as the order does; rejects when a worker dies meanwhile. */
  async run(order: () => Promise<void>): Promise<void> {
    const running = order();
    const over = running.catch(() => {});
    this.#underWay.add(over);
    try {
      await Promise.race([running, this.#abandoned]);
    } finally {
      this.#underWay.delete(over);
    }
  }

  /** Of what no close waits for: as it ends; rejects when a worker dies meanwhile. */
  async outlive(order: Promise<void>): Promise<void> {
    await Promise.race([order, this.#abandoned]);
  }

  /** Resolves when nothing is under way, or when that cannot be waited for any longer. */
  async over(): Promise<void> {
    await Promise.race([Promise.all(this.#underWay), this.#abandoned]).catch(() => {});
  }

  /** A worker has died: what is under way may never end. */
  abandon(why: Error): void {
    this.#abandon?.(why);
  }
}
