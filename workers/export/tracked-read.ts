/**
 * A snapshot read that is on its way to the origin, as main sees it (C-1 … C-5): counted once, taken back once, with the parities that
 * it was counted with.
 */
import { assert } from "../../src/base/assert.ts";
import type { ServedSnapshot } from "./served-snapshot.ts";

export class TrackedRead {
  #snapshot: ServedSnapshot | null = null;
  #chunk = 0;
  #count = 0;
  #parities = 0;

  get isTracked(): boolean {
    return this.#snapshot !== null;
  }

  /** The first chunk of the read. */
  get chunk(): number {
    return this.#chunk;
  }

  /** C-1: before anything else is looked at. */
  begin(snapshot: ServedSnapshot, chunk: number, count: number): void {
    assert(this.#snapshot === null, "a read was tracked twice");
    this.#parities = snapshot.words.tracking.beginRange(chunk, count);
    this.#snapshot = snapshot;
    this.#chunk = chunk;
    this.#count = count;
  }

  /** Bit i: the counter of the i-th bucket from the read's first fell to 0, and main waits for it (C-5). */
  end(): number {
    const snapshot = this.#snapshot;
    assert(snapshot !== null, "a read ended that was not tracked");
    this.#snapshot = null;
    return snapshot.words.tracking.endRange(this.#chunk, this.#count, this.#parities);
  }
}
