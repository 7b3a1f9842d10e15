/**
 * The judge of a kill loop: what may stand in the blocks of one client, of 512 bytes each.
 *
 *   flushed │ since: write (acknowledged), write (acknowledged), write (on its way)
 *           └── after a kill: the flushed content, or that of any write since
 *
 * One request of a client is under way at a time. A strict ledger takes an acknowledged write for a flushed one: where a kill, which
 * leaves the kernel's page cache, may not lose it.
 *
 * A snapshot that is made meanwhile may show what a block held when its creation was ordered, or anything that was written until it
 * had ended: a `Moment` notes that.
 */
import { dataPattern } from "../support/data-pattern.ts";

export const BLOCK = 512;

interface Write {
  readonly seed: number;
  acknowledged: boolean;
}

/** What a client has written in one request. */
export interface Run {
  readonly start: number;
  readonly writes: readonly Write[];
}

/** The seeds that a snapshot may show, by block; -1: the region as it was at first. */
export class Moment {
  readonly allowed: readonly Set<number>[];
  readonly baseline: Buffer;

  constructor(allowed: readonly Set<number>[], baseline: Buffer) {
    this.allowed = allowed;
    this.baseline = baseline;
  }

  /** Throws where a block of the region shows what it may not. */
  check(region: Buffer, name: string): void {
    for (const [block, seeds] of this.allowed.entries()) {
      const bytes = region.subarray(block * BLOCK, (block + 1) * BLOCK);
      const fits = [...seeds].some((seed) => bytes.equals(contentOf(seed, block, this.baseline)));
      if (!fits) throw new Error(`${name}: block ${block} shows none of ${[...seeds].join(" ")}`);
    }
  }
}

function contentOf(seed: number, block: number, baseline: Buffer): Buffer {
  return seed === -1 ? baseline.subarray(block * BLOCK, (block + 1) * BLOCK) : dataPattern(BLOCK, seed);
}

export class Ledger {
  readonly blocks: number;
  /** Where the region begins on the volume. */
  readonly offset: number;
  strict = true;
  #baseline: Buffer;
  readonly #flushed: Int32Array;
  readonly #since = new Map<number, Write[]>();
  #moment: Moment | undefined;

  constructor(offset: number, baseline: Buffer) {
    this.offset = offset;
    this.blocks = baseline.length / BLOCK;
    this.#baseline = baseline;
    this.#flushed = new Int32Array(this.blocks).fill(-1);
  }

  get bytes(): number {
    return this.blocks * BLOCK;
  }

  begin(start: number, seeds: readonly number[]): Run {
    const writes = seeds.map((seed, i) => {
      const write = { seed, acknowledged: false };
      const since = this.#since.get(start + i);
      if (since === undefined) this.#since.set(start + i, [write]);
      else since.push(write);
      this.#moment?.allowed[start + i]?.add(seed);
      return write;
    });
    return { start, writes };
  }

  /** `durable`: it was an FUA write. */
  acknowledged({ start, writes }: Run, durable: boolean): void {
    for (const [i, write] of writes.entries()) {
      write.acknowledged = true;
      if (durable || this.strict) this.#durable(start + i, write);
    }
  }

  /** To be called when a flush is sent: returns what to do when it has been answered. */
  flushing(): () => void {
    const covered = [...this.#since].map(([block, writes]) => [block, writes.filter((w) => w.acknowledged)] as const);
    return () => {
      for (const [block, writes] of covered) for (const write of writes) this.#durable(block, write);
    };
  }

  /** From now on, until `endMoment`, everything that is written may be in a snapshot. */
  beginMoment(): Moment {
    const allowed = Array.from({ length: this.blocks }, (_, block) => {
      const since = this.#since.get(block) ?? [];
      const last = since.findLastIndex((write) => write.acknowledged);
      const seeds = since.slice(Math.max(0, last)).map(({ seed }) => seed);
      return new Set(last < 0 ? [this.#flushed[block]!, ...seeds] : seeds);
    });
    this.#moment = new Moment(allowed, this.#baseline);
    return this.#moment;
  }

  endMoment(): void {
    this.#moment = undefined;
  }

  /** After a kill: throws where a block holds what it may not, and goes on from what it holds. Returns how many held a late write. */
  check(volume: Buffer, name: string): number {
    const region = volume.subarray(this.offset, this.offset + this.bytes);
    let late = 0;
    for (let block = 0; block < this.blocks; block++) {
      const bytes = region.subarray(block * BLOCK, (block + 1) * BLOCK);
      const flushed = this.#flushed[block]!;
      if (bytes.equals(contentOf(flushed, block, this.#baseline))) continue;
      const found = (this.#since.get(block) ?? []).find(({ seed }) => bytes.equals(dataPattern(BLOCK, seed)));
      if (found === undefined) throw new Error(`${name}: block ${block} is neither ${flushed} nor any later write`);
      this.#flushed[block] = found.seed;
      late += 1;
    }
    this.#since.clear();
    this.#moment = undefined;
    return late;
  }

  /** Nothing is known any more but what is there now. */
  restart(volume: Buffer): void {
    this.#baseline = Buffer.from(volume.subarray(this.offset, this.offset + this.bytes));
    this.#flushed.fill(-1);
    this.#since.clear();
    this.#moment = undefined;
  }

  /** The write is there for good; what was written before it is over. */
  #durable(block: number, write: Write): void {
    const writes = this.#since.get(block) ?? [];
    const at = writes.indexOf(write);
    if (at < 0) return;
    this.#flushed[block] = write.seed;
    writes.splice(0, at + 1);
    if (writes.length === 0) this.#since.delete(block);
  }
}
