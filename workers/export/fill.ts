/**
 * The new chunk that a first write has to do with, as a record: from the write that finds no exception to main's last word on it.
 *
 *   begin (how, and a slot if it is put together) ──▶ place (where it is to be) ──▶ … ──▶ end (the slot has gone back)
 *
 *   chunk  ├─────────────── bytes ────────────────┤
 *          at      within                    may be cut short by the end of the origin
 *          ▓▓▓▓▓▓▓▓├── the write's own ──┤▓▓▓▓▓▓▓▓       ▓: from … to is read from the origin, and covers these
 */
import type { ChunkNeed } from "../../src/base/chunk-need.ts";
import { assert } from "../../src/base/assert.ts";
import type { ServedSnapshot } from "./served-snapshot.ts";

export const ChunkHolds = {
  /** What the origin has, and over it the bytes of a snapshot's write (E-5). */
  Write: 0,
  /** What the origin has, for an origin write that will change it (E-13). */
  OldData: 1,
} as const;
export type ChunkHolds = (typeof ChunkHolds)[keyof typeof ChunkHolds];

export class Fill {
  #snapshot: ServedSnapshot | null = null;
  how: ChunkNeed = 0;
  holds: ChunkHolds = ChunkHolds.Write;
  /** Slot in which it is put together, -1 for none. */
  slot = -1;
  /** Where it begins on the volume, and how many bytes of it exist. */
  at = 0;
  bytes = 0;
  /** The piece's place in it. */
  within = 0;
  /** Part of it that is read from the origin. */
  from = 0;
  to = 0;

  get isUnderWay(): boolean {
    return this.#snapshot !== null;
  }

  get snapshot(): ServedSnapshot {
    assert(this.#snapshot !== null, "a piece without a chunk");
    return this.#snapshot;
  }

  begin(snapshot: ServedSnapshot, holds: ChunkHolds): void {
    assert(this.#snapshot === null, "a piece has a chunk already");
    assert(this.slot === -1, "a slot of the last chunk was kept");
    this.#snapshot = snapshot;
    this.holds = holds;
  }

  /** The part of the origin that is to be read, which may be nothing. */
  place(at: number, bytes: number, within: number, from: number, to: number): void {
    assert(bytes > 0 && within >= 0 && within < bytes, "a write outside of its chunk");
    assert(from >= 0 && from <= bytes && to >= 0, "a chunk has no bytes there");
    this.at = at;
    this.bytes = bytes;
    this.within = within;
    this.from = from;
    this.to = to;
  }

  end(): void {
    assert(this.#snapshot !== null, "a chunk was done with twice");
    assert(this.slot === -1, "a slot outlived its chunk");
    this.#snapshot = null;
  }
}
