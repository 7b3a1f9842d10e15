/**
 * How full a store is, as something that is told once: levels that are passed, each once on the way up and once on the way down, and the
 * share from which on room is wanted.
 *
 *   used   ──────70────80────90──95──▶        up: told when it is reached
 *        ◀────68────78────88──93──────        down: told two points below, so that it does not flutter
 *
 * Full is what the status line counts: chunks in reserve do not count. It is looked at for every exception that comes into being, so that
 * this has to cost nothing: between two bounds nothing can have happened.
 */
import type { Allocator } from "./allocator.ts";

/** Percent. */
export const FILL_LEVELS = [70, 80, 90, 95] as const;
export type FillPercent = (typeof FILL_LEVELS)[number];

/** Points that a store has to be emptier by than the level that it has passed. */
const HYSTERESIS = 2;

export class FillLevel {
  readonly #chunkSectors: number;
  /** Levels that are passed. */
  #passed = 0;
  /** With fewer chunks, or with so many, there is something to tell. */
  #below = -1;
  #from = 0;
  /** Chunks of the device when the bounds were made out. */
  #chunks = -1;

  constructor(chunkSectors: number) {
    this.#chunkSectors = chunkSectors;
  }

  /** Something may have been passed: `told` gets each level, in its order. Without it, nobody is told. */
  look(allocator: Allocator, told?: (percent: FillPercent, rising: boolean) => void): void {
    const { used } = allocator;
    const chunks = Math.floor(allocator.cowSectors / this.#chunkSectors);
    if (used < this.#from && used >= this.#below && chunks === this.#chunks) return;
    while (this.#passed < FILL_LEVELS.length && isAt(used, FILL_LEVELS[this.#passed]!, chunks)) {
      told?.(FILL_LEVELS[this.#passed]!, true);
      this.#passed += 1;
    }
    while (this.#passed > 0 && !isAt(used, FILL_LEVELS[this.#passed - 1]! - HYSTERESIS, chunks)) {
      this.#passed -= 1;
      told?.(FILL_LEVELS[this.#passed]!, false);
    }
    const next = FILL_LEVELS[this.#passed];
    const last = FILL_LEVELS[this.#passed - 1];
    this.#chunks = chunks;
    this.#from = next === undefined ? Number.POSITIVE_INFINITY : chunksAt(next, chunks);
    this.#below = last === undefined ? -1 : chunksAt(last - HYSTERESIS, chunks);
  }
}

/** So many percent of the chunks are used, or more. */
export function isAt(used: number, percent: number, chunks: number): boolean {
  return used >= chunksAt(percent, chunks);
}

function chunksAt(percent: number, chunks: number): number {
  return Math.ceil((percent * chunks) / 100);
}
