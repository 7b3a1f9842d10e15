/**
 * One snapshot, as main knows it: the phase it is in, its store, how far its exceptions have come, and who waits for it.
 *
 *   Opening ──▶ Open ⇄ Starting ──▶ Merging ──▶ Open
 *                 └──▶ Dropping, Saving ──▶ Invalidating ──▶ Invalid ──▶ Gone       (snapshot-phase.ts has the whole picture)
 *
 * A record that the parts of the core share: the origin keeper and the snapshot writer allocate, the committer makes durable, the
 * settler settles, an invalidation ends it. Only `core/` touches it, and only on the main thread.
 */
import { assert } from "../base/assert.ts";
import type { SnapshotState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import { CowGeometry } from "../format/cow-geometry.ts";
import { encodeHeader } from "../format/disk-header.ts";
import { SnapshotCounters } from "./counters.ts";
import type { LoadedStore } from "./loaded-store.ts";
import { type JobOwner, MetadataChannel } from "./metadata-channel.ts";
import type { PendingException as PendingOf } from "./pending-exception.ts";
import type { Effects, MetadataJob, Registration } from "./ports.ts";
import { Progress } from "./progress.ts";
import { policyOfStore } from "./room-policy.ts";
import type { SnapshotConfig } from "./snapshot-config.ts";
import { assertTransition, isEnding, isListed, Phase, preserves, stateOf } from "./snapshot-phase.ts";
import { SnapshotRoom } from "./snapshot-room.ts";
import { SnapshotStore } from "./snapshot-store.ts";
import { Waiters } from "./waiters.ts";

export type PendingException = PendingOf<Snapshot>;
export type MetadataOwner = JobOwner<Snapshot>;

/** Is told when the register has recorded something. */
export interface RegisterOwner {
  registered(snapshot: Snapshot, error: number): void;
}

export class Snapshot {
  readonly config: SnapshotConfig;
  readonly index: number;
  readonly device: number;
  readonly geometry: CowGeometry;
  readonly persistent: boolean;
  readonly counters: SnapshotCounters = new SnapshotCounters();
  readonly channel: MetadataChannel<Snapshot>;
  readonly store: SnapshotStore;
  readonly room: SnapshotRoom;
  readonly progress: Progress<Snapshot>;
  readonly waiters: Waiters = new Waiters();
  /** A merge could not go on (S-66). Not a phase: it is presented as before, and serves as before. */
  mergeFailed = false;
  /** The record says that it merges (E-36). Not a phase: the record comes first, at both ends of a merge. */
  mergeRegistered: boolean;
  /** In the list of snapshots whose commit queue has to be looked at. */
  dirty = false;
  #phase: Phase = Phase.Opening;
  #isFull = false;
  #registering: RegisterOwner | undefined;

  constructor(config: SnapshotConfig, loaded: LoadedStore, effects: Effects) {
    this.config = config;
    this.mergeRegistered = config.merging === true;
    this.index = config.index;
    this.device = 1 + config.index;
    this.geometry = new CowGeometry(loaded.chunkSectors);
    this.persistent = loaded.persistent;
    this.channel = new MetadataChannel<Snapshot>(this, this.counters, effects);
    this.store = new SnapshotStore(this.geometry, config.metadataBlockBytes, loaded);
    const { index } = config;
    const { chunkSectors } = loaded;
    const policy = config.room ?? policyOfStore(config.store);
    this.room = new SnapshotRoom({ index, chunkSectors, policy }, this.store.allocator, this.counters, effects);
    this.progress = new Progress<Snapshot>(config.ports.tracking.bucketCount);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** What workers see of it. */
  get state(): SnapshotState {
    return stateOf(this.#phase, this.#isFull);
  }

  /** It has overflowed: snapshot writes to new chunks are refused. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** See snapshot-phase.ts. */
  get isEnding(): boolean {
    return isEnding(this.#phase);
  }

  get isListed(): boolean {
    return isListed(this.#phase);
  }

  get preserves(): boolean {
    return preserves(this.#phase);
  }

  enter(phase: Phase): void {
    assertTransition(this.#phase, phase);
    if (phase === Phase.Merging) assert(this.progress.isSettled, "a merge starts with what is on disk (E-32)");
    if (phase === Phase.Gone) assert(this.progress.outstanding === 0, "nothing uses the cow device of what is gone");
    this.#phase = phase;
    // Nothing is allocated while it merges, and afterwards there is room again.
    if (phase === Phase.Merging) this.#isFull = false;
    this.#tellState();
  }

  setFull(isFull: boolean): void {
    assert(!isFull || this.room.policy.overflows, "only a store PO overflows");
    this.#isFull = isFull;
    this.#tellState();
  }

  #tellState(): void {
    this.config.ports.words.setState(this.state);
  }

  /** Ask for a record; false: another one is under way. */
  register(effects: Effects, owner: RegisterOwner, what: Registration): boolean {
    if (this.#registering !== undefined) return false;
    this.#registering = owner;
    effects.register(this.index, what);
    return true;
  }

  /** The record that was asked for is durable, or has failed. */
  registered(error: number): void {
    const owner = this.#registering;
    assert(owner !== undefined, "something is being registered");
    this.#registering = undefined;
    owner.registered(this, error);
  }

  /** A chunk for one more exception, or -1 where the device or the table has no room: nothing has changed then. */
  allocate(): Chunk | -1 {
    return this.room.gives && this.#hasTableRoom() ? this.store.allocator.allocate() : -1;
  }

  /** The slot of a chunk in reserve; false: there is none, or no room in the table. */
  claim(chunk: Chunk): boolean {
    return this.#hasTableRoom() && this.store.allocator.claim(chunk);
  }

  /** What is allocated will be published, and that must not fail (S-48). */
  #hasTableRoom(): boolean {
    const { outstanding, queue } = this.progress;
    return this.config.ports.table.makeRoomFor(1 + Math.max(outstanding, queue.length));
  }

  /** C-38: what workers hold in reserve may be handed out again. */
  voidReserves(): void {
    this.config.ports.words.setReserveEpoch(this.store.voidReserves());
  }

  begin(oldChunk: Chunk, newChunk: Chunk): PendingException {
    assert(this.#phase === Phase.Open, "exceptions come into being while a snapshot is open");
    const pending = this.progress.begin(this, oldChunk, newChunk, this.persistent);
    pending.tries = this.room.takeTrial();
    this.room.look();
    return pending;
  }

  /** The job that makes its store (S-31). */
  formatting(): MetadataJob {
    const { chunkBytes } = this.geometry;
    return { kind: "format", snapshot: this.index, header: this.header(true), chunkBytes };
  }

  header(valid: boolean): Uint8Array {
    const length = Math.min(this.config.metadataBlockBytes, this.geometry.chunkBytes);
    return encodeHeader(valid, this.geometry.chunkSectors, length);
  }
}
