/**
 * Things that are being made, by their names: who asks for one meanwhile waits for its end, and looks again.
 *
 *   PUT a ─▶ is it there? no ─▶ making … ─▶ there        PUT a ─▶ waits …… ─▶ is it there? yes: the same answer. Or the first has failed: it makes it
 */

export class Making {
  readonly #names = new Map<string, Promise<unknown>>();

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Resolves when nobody is making it. What is asked in the same turn has the answer to itself. */
  async free(name: string): Promise<void> {
    while (this.#names.has(name)) await this.#names.get(name)?.catch(() => {});
  }

  /** Resolves and rejects as `make` does, which is called at once. */
  async make<T>(name: string, make: () => Promise<T>): Promise<T> {
    const making = make();
    this.#names.set(name, making);
    try {
      return await making;
    } finally {
      this.#names.delete(name);
    }
  }
}
