/**
 * What a read of a volume may return, sector by sector, while writes overlap, and what a crash may leave.
 *
 * Every write fills its sectors with its own number, but for zeroes, which are 0 every time. A value is right unless a later write had certainly replaced it:
 *
 *   now           W may be read unless some W' began after W had ended and ended before the read began
 *   after a crash the same, where W' counts only if it was acknowledged and then flushed (or FUA)
 *
 * A write that failed may have happened or not, for ever. `base` is what was there before any write: one value, or several
 * where origin writes were in flight while the snapshot was made; the first read that shows one of them fixes it.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";

interface Write {
  readonly value: number;
  readonly start: number;
  end: number;
  durable: boolean;
}

export class RegisterModel {
  readonly #base: Set<number>[];
  readonly #writes: Write[][];

  constructor(base: readonly (readonly number[])[]) {
    this.#base = base.map((values) => new Set(values));
    this.#writes = base.map(() => []);
  }

  get sectors(): number {
    return this.#base.length;
  }

  /** A write begins; call the result when it has ended, with its error. */
  begin(
    first: number,
    count: number,
    value: number,
    now: number,
  ): (error: number, now: number, durable?: boolean) => void {
    const writes: Write[] = [];
    for (let sector = first; sector < first + count; sector++) {
      const write = { value, start: now, end: Number.POSITIVE_INFINITY, durable: false };
      this.#writes[sector]!.push(write);
      writes.push(write);
    }
    return (error, end, durable = false) => {
      if (error !== 0) return;
      for (const write of writes) {
        write.end = end;
        write.durable = durable;
      }
    };
  }

  /** A flush that began then has succeeded. */
  flushed(start: number): void {
    for (const writes of this.#writes) {
      for (const write of writes) if (write.end < start) write.durable = true;
    }
  }

  /** All that a read from `start` to `end` may return in a sector. */
  candidates(sector: number, start: number, end: number): readonly number[] {
    return this.#candidates(sector, end, (write) => write.end < start);
  }

  /** All that a crash may leave in a sector of a volume that was as it was at some moment since then: what was not flushed by then may be lost. */
  candidatesOfCrash(sector: number, start: number, end: number): readonly number[] {
    return this.#candidates(sector, end, (write) => write.durable && write.end < start);
  }

  afterCrash(sector: number): readonly number[] {
    return this.#candidates(sector, Number.POSITIVE_INFINITY, (write) => write.durable);
  }

  /** Undefined if what was read is right, else what is wrong. */
  check(first: number, values: readonly number[], start: number, end: number): string | undefined {
    for (const [i, value] of values.entries()) {
      const sector = first + i;
      const allowed = this.candidates(sector, start, end);
      if (!allowed.includes(value)) return `sector ${sector} reads ${value}, allowed ${allowed.join(" ")}`;
      const base = this.#base[sector]!;
      const written = this.#writes[sector]!.some((write) => write.value === value);
      if (base.size > 1 && base.has(value) && !written) this.#base[sector] = new Set([value]);
    }
    return undefined;
  }

  checkCrash(values: readonly number[]): string | undefined {
    for (const [sector, value] of values.entries()) {
      const allowed = this.afterCrash(sector);
      if (!allowed.includes(value)) return `after the crash sector ${sector} is ${value}, allowed ${allowed.join(" ")}`;
    }
    return undefined;
  }

  #candidates(sector: number, end: number, isOver: (write: Write) => boolean): readonly number[] {
    const writes = this.#writes[sector]!;
    const over = writes.filter(isOver);
    const lastStart = Math.max(Number.NEGATIVE_INFINITY, ...over.map((write) => write.start));
    const values = over.length === 0 ? [...this.#base[sector]!] : [];
    for (const write of writes) if (write.start <= end && write.end >= lastStart) values.push(write.value);
    return values;
  }
}

/** A sector of a write is its number, again and again. */
export function stamped(sectors: number, value: number): Uint8Array {
  return new Uint8Array(new Uint32Array((sectors * SECTOR_BYTES) / 4).fill(value).buffer);
}

/** The numbers in what was read; -1 for a sector that is torn. */
export function stampsOf(bytes: Uint8Array): readonly number[] {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const values: number[] = [];
  for (let at = 0; at < words.length; at += SECTOR_BYTES / 4) {
    const sector = words.subarray(at, at + SECTOR_BYTES / 4);
    values.push(sector.every((word) => word === sector[0]) ? sector[0]! : -1);
  }
  return values;
}
