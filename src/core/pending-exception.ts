/**
 * Pending exceptions: allocated, and not yet settled (S-57).
 *
 *   allocated ──copied──▶ ready (and visible, with S-57) ──group written──▶ durable ──drained (C-24)──▶ settled, forgotten
 *
 * Records are pooled. A pending exception is in its snapshot's map by old chunk from allocation until it settles, in the
 * commit queue (allocation order, S-41) until it is durable, and in the settler's lists after that. One whose snapshot has
 * turned Invalid is `dead`: it is kept only where a copy or a granted write is still on its way.
 */
import { assert } from "../base/assert.ts";
import type { Chunk } from "../base/units.ts";
import { NeedList, type Need } from "./need.ts";

export class PendingException<Owner> {
  readonly snapshot: Owner;
  oldChunk: Chunk = 0;
  newChunk: Chunk = 0;
  sequence = 0;
  /** Parts of its copy that are under way; a granted chunk counts as one. */
  partsLeft = 0;
  /** Of its copy or granted write, 0 for none. */
  error = 0;
  /** A failed granted write has come back: its worker uses the COW device no more. */
  returned = false;
  /** Its data is on the COW device. */
  ready = false;
  visible = false;
  durable = false;
  dead = false;
  /** By it is found out whether a file system that was full has room (snapshot-room.ts). */
  tries = false;
  /** The write that fills the chunk itself (E-6), until it is acknowledged. */
  grant: Need | null = null;
  /** Snapshot writes: they need it visible, or committed with S-57 off (E-5, E-7). */
  readonly writers: NeedList = new NeedList();
  /** Origin writes and merges: they need it settled (E-13, C-33). */
  readonly keepers: NeedList = new NeedList();
  nextInQueue: PendingException<Owner> | null = null;
  nextInBucket: PendingException<Owner> | null = null;

  constructor(snapshot: Owner) {
    this.snapshot = snapshot;
  }
}

/** The pending exceptions of one snapshot. */
export class PendingTable<Owner> {
  readonly #byChunk = new Map<Chunk, PendingException<Owner>>();
  readonly #free: PendingException<Owner>[] = [];

  get count(): number {
    return this.#byChunk.size;
  }

  get(chunk: Chunk): PendingException<Owner> | undefined {
    return this.#byChunk.get(chunk);
  }

  values(): Iterable<PendingException<Owner>> {
    return this.#byChunk.values();
  }

  take(snapshot: Owner, oldChunk: Chunk, newChunk: Chunk, sequence: number): PendingException<Owner> {
    assert(!this.#byChunk.has(oldChunk), "a chunk has one pending exception");
    const pending = this.#free.pop() ?? new PendingException(snapshot);
    assert(pending.snapshot === snapshot && !pending.dead, "a record is used again by its own snapshot");
    assert(pending.writers.isEmpty && pending.keepers.isEmpty, "nobody waits for a record that is free");
    pending.oldChunk = oldChunk;
    pending.newChunk = newChunk;
    pending.sequence = sequence;
    pending.partsLeft = 0;
    pending.error = 0;
    pending.returned = false;
    pending.ready = false;
    pending.visible = false;
    pending.durable = false;
    pending.tries = false;
    pending.grant = null;
    this.#byChunk.set(oldChunk, pending);
    return pending;
  }

  /** It has settled, or was left out. */
  give(pending: PendingException<Owner>): void {
    assert(pending.grant === null && pending.partsLeft === 0, "nothing under way names a record that is given back");
    assert(this.#byChunk.delete(pending.oldChunk), "the exception is pending");
    this.#free.push(pending);
  }

  /** The snapshot is Invalid: a record that something under way still names is never used again. */
  abandon(pending: PendingException<Owner>): void {
    this.#byChunk.delete(pending.oldChunk);
  }
}
