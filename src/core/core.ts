/**
 * The heart: events in, effects out (ports.ts). Synchronous and pure; the shell and the simulator run it alike.
 *
 * Each event does what it must at once, then everything that has become possible follows, in `#end`: exclusive grants, parked
 * needs, groups to commit, operations. With `turns`, groups are formed in `turn` only, so that one write carries the
 * exceptions of a whole batch of events.
 *
 *   event ──▶ origin-keeper, snapshot-writer ──▶ copy-planner ──▶ copy
 *         ──▶ copied ──▶ committer ──▶ metadata ──▶ settler ──▶ release
 *         ──▶ creation, invalidation, drop, merge, closing: operations that look whether they can go on
 */
import { assert, VERIFY } from "../base/assert.ts";
import type { ChunkNeed } from "../base/chunk-need.ts";
import { errno } from "../base/errno.ts";
import { GATE_COUNT } from "../base/gate-numbers.ts";
import type { Chunk, Sector } from "../base/units.ts";
import { Asking } from "./asking.ts";
import { takeReserves } from "./claims.ts";
import { Committer } from "./committer.ts";
import { CoreContext } from "./context.ts";
import { DEFAULT_CORE_OPTIONS, type CoreOptions } from "./core-options.ts";
import { CopyEnds } from "./copy-ends.ts";
import { CopyJobs } from "./copy-jobs.ts";
import { CopyPlanner } from "./copy-planner.ts";
import type { Creation } from "./creation.ts";
import { Gates } from "./gates.ts";
import type { LoadedStore } from "./loaded-store.ts";
import { Invalidations } from "./invalidation.ts";
import { LifeCycle, type NewSnapshot } from "./life-cycle.ts";
import { OriginKeeper } from "./origin-keeper.ts";
import { Parking } from "./parking.ts";
import type { Effects, OriginPorts } from "./ports.ts";
import { Reclaims } from "./reclaim.ts";
import { NoRoom } from "./room.ts";
import type { RoomNews } from "./room-policy.ts";
import { Settler } from "./settler.ts";
import type { SnapshotConfig } from "./snapshot-config.ts";
import { Phase } from "./snapshot-phase.ts";
import { SnapshotWriter } from "./snapshot-writer.ts";
import { snapshotStatus, type CoreStatus } from "./status.ts";
import { assertIndex, EVENTS_PER_VERIFY, verifyCore } from "./verify.ts";

export class Core {
  readonly #context: CoreContext;
  readonly #gates: Gates;
  readonly #copies: CopyJobs;
  readonly #committer: Committer;
  readonly #settler: Settler;
  readonly #parking: Parking;
  readonly #asking: Asking;
  readonly #life: LifeCycle;
  readonly #ends: CopyEnds;
  readonly #noRoom: NoRoom;
  /** An event is being handled: effects must not call back. */
  #inside = false;
  /** Since the last walk through everything. */
  #events = 0;

  constructor(effects: Effects, origin: OriginPorts, originSectors: Sector, options: Partial<CoreOptions> = {}) {
    const context = new CoreContext(effects, origin, originSectors, { ...DEFAULT_CORE_OPTIONS, ...options });
    this.#context = context;
    this.#gates = new Gates(context);
    this.#copies = new CopyJobs(effects);
    const invalidations = new Invalidations(context);
    this.#settler = new Settler(context.needs);
    this.#committer = new Committer(context, this.#settler, invalidations);
    this.#ends = new CopyEnds(context, this.#committer, invalidations);
    this.#noRoom = new NoRoom(context, invalidations, new Reclaims(context, this.#gates));
    const planner = new CopyPlanner(context, this.#copies);
    const keeper = new OriginKeeper(context, planner, this.#noRoom);
    const writer = new SnapshotWriter(context, planner, this.#noRoom);
    this.#parking = new Parking(context, keeper, writer);
    this.#asking = new Asking(context, { keeper, writer, parking: this.#parking, ends: this.#ends });
    this.#life = new LifeCycle(context, {
      gates: this.#gates,
      keeper,
      copies: this.#copies,
      invalidations,
    });
  }

  // ---- life cycle: each is answered by `finished(operation, …)` ----

  /**
   * Open a snapshot of a store that the loader has read; its exceptions are in the table already, Settled. Before the origin
   * is served (E-46). A new store is formatted.
   */
  openSnapshot(operation: number, config: SnapshotConfig, loaded: LoadedStore): void {
    this.#begin();
    this.#life.open(operation, config, loaded);
    this.#end();
  }

  /** Make a snapshot of the live origin (E-40, C-30); `loaded` is a new store. EBUSY while one is merging (C-31). */
  createSnapshot(operation: number, config: SnapshotConfig, loaded: LoadedStore): void {
    this.createSnapshots(operation, [{ config, loaded }], false);
  }

  /** Several, of one moment, all or none. `halts`: it waits at each halt (ports.ts) to be told to go on, for the sake of other volumes. */
  createSnapshots(operation: number, made: readonly NewSnapshot[], halts: boolean): void {
    this.#begin();
    this.#life.create(operation, made, halts);
    this.#end();
  }

  /** Tell a creation something: that it is given up, that all of its group have come as far. One that has ended hears nothing. */
  tellCreation(operation: number, tell: (creation: Creation) => void): void {
    this.#begin();
    const creation = this.#life.creation(operation);
    if (creation !== undefined) tell(creation);
    this.#end();
  }

  /**
   * Drop a snapshot (E-41). EBUSY while it is presented in place of the origin: stop the merge first. Its slot may be used
   * again once no worker can still send a message that names it.
   */
  dropSnapshot(operation: number, index: number): void {
    this.#begin();
    this.#life.drop(operation, index);
    this.#end();
  }

  /** The COW device has another size (E-45). EINVAL: it would lose chunks in use, and nothing changes. */
  grow(index: number, cowSectors: Sector): number {
    this.#begin();
    const error = this.#life.resize(index, cowSectors);
    if (error === 0) this.#noRoom.grown(this.#context.snapshot(index));
    this.#end();
    return error;
  }

  /** What there is to say of a snapshot's room, beside that it has grown (E-47, E-48). */
  room(index: number, news: RoomNews): void {
    this.#begin();
    const snapshot = this.#context.snapshots[index];
    if (snapshot !== undefined) this.#noRoom.news(snapshot, news);
    this.#end();
  }

  /** The volume is about to close: requests that wait for somebody to add room get ENOSPC, and nobody waits for that any more. */
  endStalls(): void {
    this.#begin();
    this.#noRoom.endStalls();
    this.#end();
  }

  /** Drain, commit everything, flush the COW devices (E-42). The shell accepts nothing new. */
  close(operation: number): void {
    this.#begin();
    this.#noRoom.endStalls();
    this.#life.close(operation);
    this.#end();
  }

  /** Start a merge, or go on with one that failed, was paused or only presented; finished when it has merged everything, stopped or failed. */
  mergeStart(operation: number, index: number): void {
    this.#begin();
    this.#life.mergeStart(operation, index);
    this.#end();
  }

  /**
   * Put a snapshot in place of the origin without merging anything yet (E-30); finished when that is registered and done. `mergeStart`
   * goes on from there. At once if it is presented already.
   */
  mergePresent(operation: number, index: number): void {
    this.#begin();
    this.#life.mergePresent(operation, index);
    this.#end();
  }

  /** Stop after the step in progress, and hand the origin back (E-36, E-43); finished when that is done. */
  mergeStop(operation: number, index: number): void {
    this.#begin();
    this.#life.mergeStop(operation, index);
    this.#end();
  }

  /** With `mergePaced`: the rest after a step is over (E-26). */
  mergeContinue(): void {
    this.#begin();
    this.#life.merge?.continue();
    this.#end();
  }

  // ---- what workers ask for ----

  /** A write on the origin, or on the merging volume, met chunks that are not settled in every snapshot (C-10). */
  needOrigin(token: number, sector: Sector, sectors: Sector): void {
    this.#begin();
    this.#asking.needOrigin(token, sector, sectors);
    this.#end();
  }

  /**
   * A write on a snapshot met a chunk without a visible exception. What it needs of the old data is copied by its own worker only with the
   * option `fills`.
   */
  needChunk(token: number, index: number, chunk: Chunk, how: ChunkNeed): void {
    this.#begin();
    this.#asking.needChunk(token, index, chunk, how);
    this.#end();
  }

  /**
   * Chunks that a worker may fill before it asks, so that a first write needs one hop instead of two: runs of [first, count], of at
   * most `count` chunks together; none where space is short. They are of the snapshot's present `reserveEpoch`.
   */
  reserve(index: number, count: number): readonly (readonly [Chunk, number])[] {
    const snapshot = this.#context.snapshots[index];
    return snapshot === undefined ? [] : takeReserves(snapshot, count);
  }

  reserveEpoch(index: number): number {
    return this.#context.snapshots[index]?.store.reserveEpoch ?? 0;
  }

  /**
   * A worker has filled the reserved `newChunk` with all of `chunk`, its own write included. Released with 0: done; with EAGAIN:
   * the exception was made meanwhile by somebody else, the worker keeps the reserve and looks again.
   */
  claim(token: number, index: number, chunk: Chunk, newChunk: Chunk, epoch: number): void {
    this.#begin();
    this.#asking.claim(token, index, { chunk, newChunk, epoch });
    this.#end();
  }

  /**
   * The same for an origin write: a worker has put what the origin has of `chunk` into the reserved `newChunk` (E-13). Released with 0
   * when that is settled, with EAGAIN if it was not taken; then `needOrigin` says what to do.
   */
  claimOrigin(token: number, index: number, chunk: Chunk, newChunk: Chunk, epoch: number): void {
    this.#begin();
    this.#asking.claimOrigin(token, index, { chunk, newChunk, epoch });
    this.#end();
  }

  /** A flush or an FUA write wants everything up to a sequence durable (C-13, C-14). */
  needDurable(token: number, index: number, sequence: number): void {
    this.#begin();
    assertIndex(index);
    const need = this.#context.needs.take(token);
    const snapshot = this.#context.snapshots[index];
    if (snapshot === undefined || snapshot.phase === Phase.Invalid) need.error = errno.EIO;
    else this.#committer.awaitDurable(snapshot, need, sequence);
    this.#context.needs.done(need, 0);
    this.#end();
  }

  /** A write met the merging range (C-39). */
  needRange(token: number, index: number): void {
    this.#begin();
    assertIndex(index);
    const need = this.#context.needs.take(token);
    const { merge } = this.#life;
    if (merge?.snapshot.index === index) merge.needRange(need);
    this.#context.needs.done(need, 0);
    this.#end();
  }

  /** A write must be alone in its gate: answered by `grantExclusive`, ended by `exclusiveDone`. */
  needExclusive(token: number, gate: number): void {
    this.#begin();
    assert(gate >= 0 && gate < GATE_COUNT, "a volume has this gate");
    this.#gates.needExclusive(token, gate);
    this.#end();
  }

  exclusiveDone(token: number, gate: number): void {
    this.#begin();
    this.#gates.exclusiveDone(token, gate);
    this.#end();
  }

  /** A granted chunk has been written, or not (E-6, E-9). */
  written(index: number, chunk: Chunk, error: number): void {
    this.#begin();
    this.#ends.written(this.#context.snapshot(index), chunk, error);
    this.#end();
  }

  // ---- what the shell reports ----

  /**
   * Targets of a copy have ended: bit i of `endedTargets` is target i, and of `failedTargets` those that were not written, `writeError` one of
   * their errors. Each is told once; a copy is over with its last one (E-18).
   */
  copied(job: number, endedTargets: number, readError: number, failedTargets: number, writeError: number): void {
    this.#begin();
    this.#copies.ended(job, endedTargets, readError, failedTargets, writeError, this.#ends.copyPartDone);
    this.#end();
  }

  metadataDone(index: number, error: number): void {
    this.#begin();
    this.#context.snapshot(index).channel.ended(error, undefined);
    this.#end();
  }

  /** `bytes` is valid during the call only. */
  areaRead(index: number, error: number, bytes: Uint8Array): void {
    this.#begin();
    this.#context.snapshot(index).channel.ended(error, bytes);
    this.#end();
  }

  registered(index: number, error: number): void {
    this.#begin();
    this.#context.snapshot(index).registered(error);
    this.#end();
  }

  /** A counter of tracked reads fell to 0 (C-5). */
  drained(index: number, bucket: number): void {
    this.#begin();
    const snapshot = this.#context.snapshots[index];
    assert(bucket >= 0, "a bucket of tracked reads");
    if (snapshot !== undefined) this.#settler.advance(snapshot, bucket);
    this.#end();
  }

  /** The last request has left a closed gate. */
  gateDrained(_gate: number): void {
    this.#begin();
    this.#end();
  }

  /** The time of S-54 is over. */
  tick(index: number): void {
    this.#begin();
    const snapshot = this.#context.snapshots[index];
    if (snapshot !== undefined) this.#committer.tick(snapshot);
    this.#end();
  }

  /** With `turns`: a batch of events is over. */
  turn(): void {
    this.#begin();
    this.#end(true);
  }

  // ---- what can be asked ----

  status(index: number): CoreStatus {
    const snapshot = this.#context.snapshot(index);
    const { merge } = this.#life;
    return snapshotStatus(snapshot, merge?.snapshot === snapshot ? merge.fraction : 0);
  }

  /** Open snapshots, by index. */
  snapshots(): readonly number[] {
    return this.#context.snapshots.flatMap((snapshot) => snapshot?.index ?? []);
  }

  /** The snapshot that merges, from the order on until the origin has been handed back; -1 for none. */
  get merging(): number {
    return this.#life.merge?.snapshot.index ?? -1;
  }

  /** Tokens that wait for an answer. */
  get waiting(): number {
    return this.#context.needs.waiting;
  }

  // ---- inside ----

  #begin(): void {
    assert(!this.#inside, "effects do not call back");
    this.#inside = true;
  }

  #end(pump: boolean = !this.#context.options.turns): void {
    const { operations, dirty } = this.#context;
    let changed = true;
    while (changed || (pump && dirty.length > 0)) {
      changed = false;
      this.#gates.advance();
      this.#parking.unpark();
      if (pump) this.#committer.pumpDirty();
      for (let i = 0; i < operations.length; i++) {
        if (operations[i]!.advance()) changed = true;
        if (operations[i]!.done) operations.splice(i--, 1);
      }
    }
    if (VERIFY && (this.#events = (this.#events + 1) % EVENTS_PER_VERIFY) === 0) verifyCore(this.#context, this.#gates);
    this.#inside = false;
  }
}
