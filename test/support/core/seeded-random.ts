/** A small seeded generator (xorshift), so that every random schedule can be run again. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0;
  }

  /** Another one, that follows from where this one is, and takes nothing from it. */
  beside(): SeededRandom {
    return new SeededRandom(this.#state ^ 0x5bd1e995);
  }

  /** 0 … limit - 1. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}
