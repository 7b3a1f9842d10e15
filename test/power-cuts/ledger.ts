/**
 * What the clients of one volume wrote, were told, and may therefore expect after a power cut, sector by sector.
 *
 *   write   begin ───────── acknowledged            may be there from its beginning on, for ever
 *   flush            begin ─────────── answered     what was acknowledged before its beginning is durable at its answer
 *   cut                                  T          of each sector: any write but those that a durable one has replaced for certain
 *
 * After a kill a new ledger succeeds: it begins with what was read then, which is durable (C-49).
 *
 * The events carry the numbers of the devices' clock, so one ledger answers for every moment of the past. A sector of write W holds
 * W and its own number, 128 times; one of a write of zeroes is zero.
 */
import type { EventClock } from "../support/lying-device/device-log.ts";

export const SECTOR_BYTES = 512;
const SECTOR_WORDS = 128;
/** A word is the write's number and the sector's. */
const SECTOR_BITS = 12;
export const SECTORS_MAX: number = 2 ** SECTOR_BITS;

export const ZEROES = 0;
/** The number of what is there at first. */
export const FIRST = 1;

/** Numbers of writes: one counter for all volumes of a recording. */
export class WriteNumbers {
  #last = FIRST;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

interface Write {
  readonly number: number;
  readonly begin: number;
  /** Infinity: not acknowledged, or failed. */
  end: number;
  /** Infinity: never promised. */
  durable: number;
}

export class Ledger {
  readonly sectors: number;
  readonly #clock: EventClock;
  /** The number of the write that each sector held at first. */
  readonly #base: Uint32Array;
  readonly #writes: Write[][];
  /** Acknowledged, and not durable. */
  #loose = new Set<Write>();
  /** From this moment on another ledger stands for this one. */
  #successor: { readonly since: number; readonly ledger: Ledger } | undefined;

  constructor(clock: EventClock, base: Uint32Array) {
    this.#clock = clock;
    this.#base = base;
    this.sectors = base.length;
    this.#writes = Array.from({ length: base.length }, () => []);
  }

  /** What clients go by now. */
  get latest(): Ledger {
    return this.#successor?.ledger.latest ?? this;
  }

  /** The volume has been opened again after a kill, and this is what was read of it. */
  succeed(base: Uint32Array): void {
    this.#successor = { since: this.#clock.tick(), ledger: new Ledger(this.#clock, base) };
  }

  /** A write is sent; call the result when it has been acknowledged. One that fails may have happened. */
  begin(first: number, count: number, number: number, fua: boolean): () => void {
    const write: Write = { number, begin: this.#clock.tick(), end: Infinity, durable: Infinity };
    for (let sector = first; sector < first + count; sector++) this.#writes[sector].push(write);
    return () => {
      write.end = this.#clock.tick();
      if (fua) write.durable = write.end;
      else this.#loose.add(write);
    };
  }

  /** A flush is sent; call the result when it has been answered. */
  flushing(): () => void {
    const covered = [...this.#loose];
    return () => {
      const now = this.#clock.tick();
      for (const write of covered) {
        write.durable = Math.min(write.durable, now);
        this.#loose.delete(write);
      }
    };
  }

  /**
   * What is wrong with a content at time `at`: undefined if nothing. What counts is what was durable; where nothing has crashed,
   * what was `acknowledged`. The content may be a part, from sector `first` on. It may be of any moment from `since` on: then only what had been acknowledged by then is certain.
   */
  wrong(
    content: Uint8Array,
    at: number,
    promised: "durable" | "acknowledged" = "durable",
    first = 0,
    since = at,
  ): string | undefined {
    if (this.#successor !== undefined && at >= this.#successor.since) {
      return this.#successor.ledger.wrong(content, at, promised, first, since);
    }
    const words = new Uint32Array(content.buffer, content.byteOffset, content.length / 4);
    for (let i = 0; i < content.length / SECTOR_BYTES; i++) {
      const sector = first + i;
      const number = numberIn(words, i, sector);
      if (this.#writes[sector].length === 0 && number === this.#base[sector]) continue;
      const allowed = this.#allowed(sector, at, promised, since);
      if (allowed.includes(number)) continue;
      return `sector ${sector} holds ${named(number)}, and may hold ${allowed.map(named).join(", ")}`;
    }
    return undefined;
  }

  #allowed(sector: number, at: number, promised: "durable" | "acknowledged", since: number): number[] {
    const writes = this.#writes[sector];
    let last = -1;
    for (const write of writes) {
      const from = promised === "durable" ? write.durable : write.end;
      if (from <= at && write.end <= since && write.begin > last) last = write.begin;
    }
    const numbers = last === -1 ? [this.#base[sector]] : [];
    for (const write of writes) if (write.begin <= at && write.end >= last) numbers.push(write.number);
    return numbers;
  }
}

const TORN = -1;

function named(number: number): string {
  return number === TORN ? "no write's bytes" : number === FIRST ? "what was there at first" : `write ${number}`;
}

/** The number of the write whose bytes a sector holds; they stand at `index`. */
function numberIn(words: Uint32Array, index: number, sector: number): number {
  const start = index * SECTOR_WORDS;
  const word = words[start];
  for (let i = start + 1; i < start + SECTOR_WORDS; i++) if (words[i] !== word) return TORN;
  if (word === 0) return ZEROES;
  return word % SECTORS_MAX === sector ? word >>> SECTOR_BITS : TORN;
}

export function numbersIn(content: Uint8Array): Uint32Array {
  const words = new Uint32Array(content.buffer, content.byteOffset, content.length / 4);
  return Uint32Array.from({ length: content.length / SECTOR_BYTES }, (_, sector) => {
    const number = numberIn(words, sector, sector);
    if (number === TORN) throw new Error(`sector ${sector} holds no write's bytes`);
    return number;
  });
}

/** The bytes of a write. */
export function stamped(first: number, count: number, number: number): Uint8Array {
  const words = new Uint32Array(count * SECTOR_WORDS);
  for (let i = 0; i < count; i++) {
    const word = ((number << SECTOR_BITS) | (first + i)) >>> 0;
    words.fill(word, i * SECTOR_WORDS, (i + 1) * SECTOR_WORDS);
  }
  return new Uint8Array(words.buffer);
}
