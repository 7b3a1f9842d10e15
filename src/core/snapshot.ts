/**
 * One snapshot, as main knows it: its store, what is pending, and how far everything has come.
 *
 * A record that the parts of the core share: the origin and snapshot writers allocate, the committer makes durable, the
 * settler settles, an invalidation ends it. Only `core/` touches it, and only on the main thread.
 *
 *   opening ──▶ Active ⇄ Overflow ──▶ (dropping) ──▶ Invalid ──▶ Absent
 *                  ⇅
 *               Merging
 */
import { SnapshotState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import { CowGeometry } from "../format/cow-geometry.ts";
import { encodeHeader } from "../format/disk-header.ts";
import { Allocator } from "./allocator.ts";
import { AreaImage } from "./area-image.ts";
import { CommitQueue } from "./commit-queue.ts";
import { SnapshotCounters } from "./counters.ts";
import type { LoadedStore } from "./loaded-store.ts";
import { MetadataChannel } from "./metadata-channel.ts";
import { NeedList, type Need } from "./need.ts";
import { type PendingException, PendingTable } from "./pending-exception.ts";
import type { Effects, Registration } from "./ports.ts";
import { isAfter, nextSequence } from "./sequence.ts";
import { SettleBuckets } from "./settle-buckets.ts";
import type { SnapshotConfig } from "./snapshot-config.ts";

/** An epoch shares a message word with a snapshot's index. */
const RESERVE_EPOCH_MASK = 0x3fff;

/** Is told when the registry has recorded something. */
export interface RegistryOwner {
  registered(snapshot: Snapshot, error: number): void;
}

export class Snapshot {
  readonly config: SnapshotConfig;
  readonly index: number;
  readonly device: number;
  readonly geometry: CowGeometry;
  readonly persistent: boolean;
  readonly counters: SnapshotCounters = new SnapshotCounters();
  readonly allocator: Allocator;
  /** Undefined for a transient store. */
  readonly area: AreaImage | undefined;
  readonly pending: PendingTable = new PendingTable();
  readonly queue: CommitQueue = new CommitQueue();
  readonly buckets: SettleBuckets;
  readonly channel: MetadataChannel;

  state: SnapshotState = SnapshotState.Absent;
  /** Origin writes keep its old data, unless it is Invalid or Merging. */
  listed = false;
  /** On its way to Invalid (S-70): nothing new begins, what comes waits in `dropWriters` or `dropKeepers`. */
  dropping = false;
  /** It is Invalid, and its header could not be written: a valid one is on the disk (S-70). */
  headerStands = false;
  /** The user drops it. */
  removing = false;
  /** Dropping, but what is ready is committed first. */
  saving = false;
  /** All gates are closed for a merge to start: no new exceptions (E-32). What comes waits in `transition`. */
  starting = false;
  /** A merge could not go on (S-66). */
  mergeFailed = false;
  /** Once a merge has taken something away: S-64's next free chunk, for the status only. -1: the allocator's. */
  mergeNextFree: Chunk | -1 = -1;

  /** It is presented in place of the origin, or about to be: one operation from the start to the handover back. */
  merging = false;
  /** The record says so (E-36). */
  mergeRegistered: boolean;

  /** Chunks in reserve are being taken back. */
  reclaiming = false;
  /** Reserved chunks of an older epoch are void: a merge hands chunks out anew (S-64). */
  reserveEpoch = 0;

  allocated = 0;
  visible = 0;
  durable = 0;
  /** Highest sequence that somebody waits for (S-57). */
  demanded = 0;
  /** Chunk copies under way (E-25). */
  copies = 0;
  /** Copies and granted writes under way: the COW device is in use. */
  outstanding = 0;
  /** Exceptions in the group that is being written. */
  groupInFlight = 0;
  /** Published before they are committed: the status counts them as if they were (S-57). */
  visibleUncommitted = 0;
  timerArmed = false;
  timerFired = false;
  /** In the list of snapshots whose commit queue has to be looked at. */
  dirty = false;

  /** Flushes and FUA writes: need, and the sequence they wait for. */
  readonly flushes: { readonly need: Need; readonly sequence: number }[] = [];
  /** Snapshot writes that wait for the drop, to fail. */
  readonly dropWriters: NeedList = new NeedList();
  /** Origin writes that wait for the drop, to look again. */
  readonly dropKeepers: NeedList = new NeedList();
  readonly transition: NeedList = new NeedList();
  /** Needs that found no room while workers have chunks in reserve. */
  readonly reclaimed: NeedList = new NeedList();
  /** Needs past the threshold of E-25, in the order of arrival. */
  readonly parked: Need[] = [];
  registry: RegistryOwner | undefined;

  constructor(config: SnapshotConfig, loaded: LoadedStore, effects: Effects) {
    this.config = config;
    this.mergeRegistered = config.merging === true;
    this.index = config.index;
    this.device = 1 + config.index;
    this.geometry = new CowGeometry(loaded.chunkSectors);
    this.persistent = loaded.persistent;
    this.channel = new MetadataChannel(this, effects);
    this.buckets = new SettleBuckets(config.ports.tracking.bucketCount);
    this.area = loaded.persistent ? new AreaImage(this.geometry, config.metadataBlockBytes, loaded) : undefined;
    const slots = this.area?.exceptions ?? 0;
    this.allocator = new Allocator(this.geometry, loaded.persistent, loaded.cowSectors, loaded.nextFree, slots);
  }

  /** Origin writes have to keep this snapshot's old data (E-13). */
  get preserves(): boolean {
    return this.listed && (this.state === SnapshotState.Active || this.state === SnapshotState.Overflow);
  }

  /** Ask for a record; false: another one is under way. */
  register(effects: Effects, owner: RegistryOwner, what: Registration): boolean {
    if (this.registry !== undefined) return false;
    this.registry = owner;
    effects.register(this.index, what);
    return true;
  }

  /** A chunk for one more exception, or -1 where the device or the table has no room: nothing has changed then. */
  allocate(): Chunk | -1 {
    return this.#hasTableRoom() ? this.allocator.allocate() : -1;
  }

  /** The slot of a chunk in reserve; false: there is none, or no room in the table. */
  claim(chunk: Chunk): boolean {
    return this.#hasTableRoom() && this.allocator.claim(chunk);
  }

  /** What is allocated will be published, and that must not fail (S-48). */
  #hasTableRoom(): boolean {
    return this.config.ports.table.makeRoomFor(1 + Math.max(this.outstanding, this.queue.length));
  }

  setState(state: SnapshotState): void {
    this.state = state;
    this.config.ports.words.setState(state);
  }

  /** C-38: what workers hold in reserve may be handed out again. */
  voidReserves(): void {
    this.reserveEpoch = (this.reserveEpoch + 1) & RESERVE_EPOCH_MASK;
    this.config.ports.words.setReserveEpoch(this.reserveEpoch);
  }

  /** An exception comes into being: it has the next sequence number, and with it its place in the order of commits (S-41). */
  begin(oldChunk: Chunk, newChunk: Chunk): PendingException {
    this.allocated = nextSequence(this.allocated);
    const pending = this.pending.take(this, oldChunk, newChunk, this.allocated);
    if (this.persistent) this.queue.push(pending);
    return pending;
  }

  /** Somebody waits for this sequence to become durable. */
  demand(sequence: number): void {
    if (isAfter(sequence, this.demanded)) this.demanded = sequence;
  }

  get hasDemand(): boolean {
    return isAfter(this.demanded, this.durable);
  }

  header(valid: boolean): Uint8Array {
    const length = Math.min(this.config.metadataBlockBytes, this.geometry.chunkBytes);
    return encodeHeader(valid, this.geometry.chunkSectors, length);
  }
}
