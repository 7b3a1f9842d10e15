/**
 * What a store held when it was last seen, in a few bytes: how many exceptions, and a checksum over them in the order of their list.
 *
 * The list of an active store only grows (S-53), so a later state of the same store begins with the earlier one: its checksum after
 * as many exceptions is the same. A merge takes exceptions away from the end, and whoever merges records what it leaves: while it is under
 * way the list is a beginning of the one that was seen, which is known by the checksums after 1, 2, 4, 8 … exceptions. The
 * checksum is its own state: it goes on from where it stopped.
 *
 *   add(old, new), add(old, new), …     a, b = mix(a, b, low and high words)
 */
import { highWord, lowWord } from "../base/u64.ts";
import type { Chunk } from "../base/units.ts";

export interface SeenStore {
  readonly exceptions: number;
  /** 16 hexadecimal digits. */
  readonly checksum: string;
  /** After 1, 2, 4, 8 … exceptions. */
  readonly steps: readonly string[];
}

/** What a digest of a whole list has to say, as plain values. */
export interface DigestWord {
  readonly seen: SeenStore;
  /** The list has begun with what was wanted. */
  readonly matches: boolean;
  /** It is a beginning of what was wanted, or the other way round, as far as steps tell. */
  readonly agrees: boolean;
}

export function isSteps(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((step) => typeof step === "string" && /^[0-9a-f]{16}$/.test(step));
}

const START_A = 0x9e3779b9 | 0;
const START_B = 0x7f4a7c15 | 0;
const MULTIPLY_A = 0x85ebca6b | 0;
const MULTIPLY_B = 0xc2b2ae35 | 0;

export class StoreDigest implements DigestWord {
  /** What was known before, and the checksum after as many exceptions as it had. */
  readonly #wanted: SeenStore | undefined;
  #matches: boolean;
  #count = 0;
  /** The count after which there is a step. */
  #nextStep = 1;
  #steps: string[] = [];
  #a = START_A;
  #b = START_B;

  /** `wanted`: what the list should begin with. */
  constructor(wanted?: SeenStore) {
    this.#wanted = wanted;
    this.#matches = wanted === undefined;
    this.#look();
  }

  /** Goes on from a state that was seen. */
  static after(seen: SeenStore): StoreDigest {
    const digest = new StoreDigest();
    digest.#count = seen.exceptions;
    digest.#steps = [...seen.steps];
    digest.#nextStep = 2 ** seen.steps.length;
    digest.#a = Number.parseInt(seen.checksum.slice(0, 8), 16) | 0;
    digest.#b = Number.parseInt(seen.checksum.slice(8), 16) | 0;
    return digest;
  }

  add(oldChunk: Chunk, newChunk: Chunk): void {
    let a = this.#a;
    let b = this.#b;
    a = Math.imul(a ^ lowWord(oldChunk), MULTIPLY_A);
    b = Math.imul(b ^ lowWord(newChunk), MULTIPLY_B);
    a ^= highWord(oldChunk) ^ (b >>> 15);
    b ^= highWord(newChunk) ^ (a >>> 13);
    this.#a = a;
    this.#b = b;
    this.#count += 1;
    if (this.#count === this.#nextStep) this.#step();
    if (this.#count === this.#wanted?.exceptions) this.#look();
  }

  /** The list has begun with what was wanted. */
  get matches(): boolean {
    return this.#matches;
  }

  /** It is a beginning of what was wanted, or the other way round, as far as steps tell. */
  get agrees(): boolean {
    const wanted = this.#wanted?.steps ?? [];
    return this.#steps.every((step, i) => i >= wanted.length || step === wanted[i]);
  }

  get seen(): SeenStore {
    return { exceptions: this.#count, checksum: this.#checksum, steps: [...this.#steps] };
  }

  get #checksum(): string {
    return hex(this.#a) + hex(this.#b);
  }

  #step(): void {
    this.#steps.push(this.#checksum);
    this.#nextStep *= 2;
  }

  #look(): void {
    if (this.#count === this.#wanted?.exceptions) this.#matches = this.#checksum === this.#wanted.checksum;
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
