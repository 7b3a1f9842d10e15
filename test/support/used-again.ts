/**
 * Memory of benches that is used again: what tests have let go serves later ones. To take 130 MB of new memory for each of a thousand short
 * tests costs more than they do: each time the garbage collector looks at everything there is.
 *
 *   take(bytes) ──▶ a new one, `kept` times ──▶ … ──▶ the one that was taken so many takes ago, as its last user has left it
 *
 * Nothing says when a test is done with it: one that had more than `kept` of a size at a time would see two of them in one memory.
 */
export class UsedAgain<Memory extends object> {
  readonly #kept: number;
  readonly #make: (bytes: number) => Memory;
  /** By size; those that were taken longest ago first. */
  readonly #bySize = new Map<number, Memory[]>();

  constructor(kept: number, make: (bytes: number) => Memory) {
    this.#kept = kept;
    this.#make = make;
  }

  take(bytes: number): Memory {
    const had = this.#bySize.get(bytes) ?? [];
    const memory = (had.length < this.#kept ? undefined : had.shift()) ?? this.#make(bytes);
    had.push(memory);
    this.#bySize.set(bytes, had);
    return memory;
  }
}
