/**
 * A disk that lies, in memory. Its fault model:
 *
 *   - A write is visible at once. Until a flush that begins after it, or if it was made with FUA, it may be lost in a crash,
 *     kept, or torn into 512-byte blocks, each block on its own; of several writes to a block any one may be what is kept.
 *   - A block that was made durable never goes back to an older state.
 *   - It knows what has been written, so that a test can let a file system be full under a sparse file.
 *   - A read, write or flush may fail, by a function of the test's. With a generator a failed write has changed any of its blocks
 *     (so that a short one is among them); without one it has changed nothing. A failed flush has made nothing durable.
 *   - Writes after `freeze` are dropped silently (the power is gone, nobody has noticed).
 */
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import type { SeededRandom } from "./seeded-random.ts";

export type Fault = (kind: "read" | "write" | "flush", position: number, length: number) => number;

export class FakeDisk {
  bytes: Uint8Array;
  fault: Fault = () => 0;
  /** Writes of at most 4 KiB each that still reach the disk. */
  writesLeft = Number.POSITIVE_INFINITY;
  reads = 0;
  writes = 0;
  flushes = 0;
  /** Calls that have failed. */
  failures = 0;
  /** Positions and lengths are multiples of it. */
  blockBytes = SECTOR_BYTES;
  /** Decides which blocks of a failed write have changed. */
  random: SeededRandom | undefined;
  #durable: Uint8Array | undefined;
  /** Blocks that have been written: under a sparse file, those that have their place. */
  readonly #placed = new Set<number>();
  /** Block → what was written there since it was last made durable, in order. */
  readonly #volatile = new Map<number, Uint8Array[]>();

  /** `mayCrash`: keep what is needed to say what a crash leaves. */
  constructor(bytes: Uint8Array, mayCrash = false) {
    this.bytes = bytes;
    this.#durable = mayCrash ? bytes.slice() : undefined;
  }

  get mayCrash(): boolean {
    return this.#durable !== undefined;
  }

  read(position: number, length: number): { readonly error: number; readonly bytes: Uint8Array } {
    this.reads += 1;
    this.#check(position, length);
    const error = this.#fault("read", position, length);
    return { error, bytes: this.bytes.slice(position, position + length) };
  }

  /** The error number. */
  write(position: number, data: Uint8Array, durable = false): number {
    this.writes += 1;
    this.#check(position, data.length);
    const error = this.#fault("write", position, data.length);
    if (error !== 0) {
      this.#writeSome(position, data);
      return error;
    }
    for (let at = 0; at < data.length; at += 4096)
      this.#writePage(position + at, data.subarray(at, at + 4096), durable);
    return 0;
  }

  zero(position: number, length: number): number {
    return this.write(position, new Uint8Array(length));
  }

  flush(): number {
    this.flushes += 1;
    const error = this.#fault("flush", 0, 0);
    if (error !== 0) return error;
    for (const [block, versions] of this.#volatile) this.#durable!.set(versions.at(-1)!, block * SECTOR_BYTES);
    this.#volatile.clear();
    return 0;
  }

  /** Every block of the range has been written before: a full file system has room for it. */
  hasPlace(position: number, length: number): boolean {
    for (let at = position; at < position + length; at += SECTOR_BYTES) {
      if (!this.#placed.has(at / SECTOR_BYTES)) return false;
    }
    return true;
  }

  /** The device becomes larger: `behind` comes behind what was there, or zeroes (E-45). */
  grow(length: number, behind: Uint8Array = new Uint8Array(0)): void {
    const larger = (bytes: Uint8Array): Uint8Array => {
      const grown = new Uint8Array(length);
      grown.set(bytes);
      grown.set(behind.subarray(0, length - bytes.length), bytes.length);
      return grown;
    };
    this.bytes = larger(this.bytes);
    if (this.#durable !== undefined) this.#durable = larger(this.#durable);
  }

  /** What is on the disk after a power cut, if it comes now. */
  crash(random: SeededRandom): Uint8Array {
    if (this.#durable === undefined) throw new Error("this disk was not told that it may crash");
    const after = this.#durable.slice();
    for (const [block, versions] of this.#volatile) {
      const kept = random.below(versions.length + 1);
      if (kept > 0) after.set(versions[kept - 1]!, block * SECTOR_BYTES);
    }
    return after;
  }

  /** A cut would take nothing. */
  get isClean(): boolean {
    return this.#volatile.size === 0;
  }

  /** What has been made durable, whatever comes. */
  get durableBytes(): Uint8Array {
    return this.#durable ?? this.bytes;
  }

  #fault(kind: "read" | "write" | "flush", position: number, length: number): number {
    const error = this.fault(kind, position, length);
    if (error !== 0) this.failures += 1;
    return error;
  }

  #writeSome(position: number, data: Uint8Array): void {
    if (this.random === undefined) return;
    const percent = this.random.pick([0, 50, 100]);
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      if (this.random.chance(percent)) this.#writePage(position + at, data.subarray(at, at + SECTOR_BYTES), false);
    }
  }

  #writePage(position: number, data: Uint8Array, durable: boolean): void {
    if (this.writesLeft <= 0) return;
    this.writesLeft -= 1;
    this.bytes.set(data, position);
    for (let at = 0; at < data.length; at += SECTOR_BYTES) this.#placed.add((position + at) / SECTOR_BYTES);
    if (this.#durable === undefined) return;
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      const block = (position + at) / SECTOR_BYTES;
      const content = data.slice(at, at + SECTOR_BYTES);
      if (durable) {
        this.#durable.set(content, position + at);
        this.#volatile.delete(block);
      } else {
        const versions = this.#volatile.get(block);
        if (versions === undefined) this.#volatile.set(block, [content]);
        else versions.push(content);
      }
    }
  }

  #check(position: number, length: number): void {
    if (
      position % this.blockBytes !== 0 ||
      length % this.blockBytes !== 0 ||
      position < 0 ||
      position + length > this.bytes.length
    ) {
      throw new Error(`I/O outside the device or its blocks: ${position}+${length} of ${this.bytes.length}`);
    }
  }
}
