/**
 * A field of a message: a name in its declaration (to-main.ts, to-workers.ts), and the words that it stands in. Who sends and who takes
 * the message both go through it, so that no place is written down twice, and a name that is misspelt does not compile.
 *
 *   word 0           word 1   word 2   word 3   word 4   word 5   word 6   word 7      32 bits each
 *   kind │ volume    token    ◀──────────────── fields ────────────────────────▶
 *
 *   const at = outbox.begin(Message.Granted, volume, token);    kindOf(words, at) === Message.Granted
 *   Granted.newChunk.set(outbox.words, at, newChunk);           Granted.newChunk.get(words, at)
 *
 * Fields are made once, when their file is loaded. To set or get one is an addition and a word, and allocates nothing.
 */
import { assert } from "../base/assert.ts";
import { fromWords, highWord, lowWord } from "../base/u64.ts";

export const MESSAGE_WORDS = 8;
export const KIND_WORD = 0;
export const TOKEN_WORD = 1;

const HALF_MASK = 0xffff;

/** Where a message begins in its ring's words is `at` everywhere. */
export function kindOf(words: Int32Array, at: number): number {
  return words[at + KIND_WORD] & HALF_MASK;
}

/** The number of the volume that it is about; 0 where it is about none. */
export function volumeOf(words: Int32Array, at: number): number {
  return words[at + KIND_WORD] >>> 16;
}

export function tokenOf(words: Int32Array, at: number): number {
  return words[at + TOKEN_WORD];
}

export interface MessageField {
  /** What it takes: bits 2n and 2n + 1 are the low and the high half of word n. */
  readonly halves: number;
}

/** A signed number, or one of several. */
export class WordField<T extends number = number> implements MessageField {
  readonly halves: number;
  readonly #word: number;

  constructor(word: number) {
    this.#word = word;
    this.halves = 0b11 << (2 * word);
  }

  get(words: Int32Array, at: number): T {
    return words[at + this.#word] as T;
  }

  set(words: Int32Array, at: number, value: T): void {
    words[at + this.#word] = value;
  }
}

/** Up to 2^32 - 1. */
export class UnsignedField implements MessageField {
  readonly halves: number;
  readonly #word: number;

  constructor(word: number) {
    this.#word = word;
    this.halves = 0b11 << (2 * word);
  }

  get(words: Int32Array, at: number): number {
    return words[at + this.#word] >>> 0;
  }

  set(words: Int32Array, at: number, value: number): void {
    words[at + this.#word] = value;
  }
}

/** Yes or no. */
export class FlagField implements MessageField {
  readonly halves: number;
  readonly #word: number;

  constructor(word: number) {
    this.#word = word;
    this.halves = 0b11 << (2 * word);
  }

  get(words: Int32Array, at: number): boolean {
    return words[at + this.#word] === 1;
  }

  set(words: Int32Array, at: number, value: boolean): void {
    words[at + this.#word] = value ? 1 : 0;
  }
}

/** Up to 65 535: two share a word. */
export class HalfField implements MessageField {
  readonly halves: number;
  readonly #word: number;
  readonly #shift: number;

  constructor(word: number, half: 0 | 1) {
    this.#word = word;
    this.#shift = 16 * half;
    this.halves = 1 << (2 * word + half);
  }

  get(words: Int32Array, at: number): number {
    return (words[at + this.#word] >>> this.#shift) & HALF_MASK;
  }

  /** The other half stays as it is. */
  set(words: Int32Array, at: number, value: number): void {
    const others = words[at + this.#word] & ~(HALF_MASK << this.#shift);
    words[at + this.#word] = others | ((value & HALF_MASK) << this.#shift);
  }
}

/** A u64, low word first. */
export class PairField implements MessageField {
  readonly halves: number;
  readonly #word: number;

  constructor(word: number) {
    this.#word = word;
    this.halves = 0b1111 << (2 * word);
  }

  get(words: Int32Array, at: number): number {
    const low = at + this.#word;
    return fromWords(words[low], words[low + 1]);
  }

  set(words: Int32Array, at: number, value: number): void {
    const low = at + this.#word;
    words[low] = lowWord(value);
    words[low + 1] = highWord(value);
  }
}

export function word<T extends number = number>(at: number): WordField<T> {
  return new WordField<T>(at);
}

export function unsigned(at: number): UnsignedField {
  return new UnsignedField(at);
}

export function flag(at: number): FlagField {
  return new FlagField(at);
}

export function lowHalf(at: number): HalfField {
  return new HalfField(at, 0);
}

export function highHalf(at: number): HalfField {
  return new HalfField(at, 1);
}

/** Words `at` and `at + 1`. */
export function pair(at: number): PairField {
  return new PairField(at);
}

/** The fields of one message; no two of them share a bit, and none lies outside of the message or over its kind, volume and token. */
export function message<const F extends Readonly<Record<string, MessageField>>>(fields: F): F {
  let taken = 0b1111;
  for (const [name, { halves }] of Object.entries(fields)) {
    assert(halves > 0 && halves < 1 << (2 * MESSAGE_WORDS), `${name} lies outside of its message`);
    assert((taken & halves) === 0, `${name} lies over another field`);
    taken |= halves;
  }
  return fields;
}
