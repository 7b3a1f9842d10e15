/**
 * Makes exceptions visible and durable (S-41, S-50…S-55, S-57, C-20…C-23).
 *
 *   copied ──▶ ready ──(S-57: publish, visSeq, release writers)──▶ group ──▶ flush COW; area, FUA ──▶ durSeq, settle
 *                                                                  │ one in flight per store
 *                                                                  ▼
 *                                          ready prefix of the queue, up to the end of the area
 *
 * When a group is written: the area gets full, the bound of S-54 is reached, or, with S-57, somebody waits for one of its
 * members or a later one; without S-57, nothing else is pending. What becomes ready while a write is in flight forms the
 * next group. The image is changed only when a group is formed, and the shell has its own copy of the bytes by then (C-21).
 * A transient store has no commits: visible is durable (S-13).
 */
import { assert } from "../base/assert.ts";
import { EntryState } from "../base/states.ts";
import { repairArea } from "./area-repair.ts";
import type { CoreContext } from "./context.ts";
import type { Invalidations } from "./invalidation.ts";
import type { Need } from "./need.ts";
import { isAfter } from "./sequence.ts";
import type { Settler } from "./settler.ts";
import type { MetadataOwner, PendingException, Snapshot } from "./snapshot.ts";
import { mayCommit, Phase } from "./snapshot-phase.ts";

export class Committer implements MetadataOwner {
  readonly #context: CoreContext;
  readonly #settler: Settler;
  readonly #invalidations: Invalidations;
  /** Members of the group that has just become durable. */
  readonly #group: PendingException[] = [];

  constructor(context: CoreContext, settler: Settler, invalidations: Invalidations) {
    this.#context = context;
    this.#settler = settler;
    this.#invalidations = invalidations;
  }

  /** The data of an exception is on the COW device. */
  copied(pending: PendingException): void {
    const { snapshot } = pending;
    assert(!pending.ready && !pending.dead && pending.partsLeft === 0, "the data has come once, and all of it");
    pending.ready = true;
    if (snapshot.persistent) snapshot.progress.queue.advance();
    if (this.#context.options.early || !snapshot.persistent) this.#publish(pending);
    if (snapshot.persistent) this.#context.markDirty(snapshot);
    else this.#transientDurable(pending);
  }

  /** Wherever something has changed. */
  pumpDirty(): void {
    const { dirty } = this.#context;
    for (const snapshot of dirty) {
      snapshot.dirty = false;
      this.pump(snapshot);
    }
    dirty.length = 0;
  }

  /** Form and write a group, if it is time to. */
  pump(snapshot: Snapshot): void {
    const { channel, progress } = snapshot;
    const { area } = snapshot.store;
    const { queue } = progress;
    if (area === undefined || channel.isBusy || !mayCommit(snapshot.phase)) return;
    if (area.missing && repairArea(this.#context, this.#invalidations, snapshot)) return;
    if (queue.ready === 0) return;
    if (!this.#isDue(snapshot)) {
      if (progress.timerArmed) return;
      progress.timerArmed = true;
      this.#context.effects.armTimer(snapshot.index);
      return;
    }
    if (area.stale && repairArea(this.#context, this.#invalidations, snapshot)) return;
    this.#write(snapshot, Math.min(queue.ready, area.room, this.#context.options.groupCount));
  }

  /** The need waits until everything up to a sequence is durable, unless it is (C-13, C-14). */
  awaitDurable(snapshot: Snapshot, need: Need, sequence: number): void {
    const { progress, waiters } = snapshot;
    if (!isAfter(sequence, progress.durable)) return;
    need.remaining += 1;
    waiters.flushes.push({ need, sequence });
    progress.demand(sequence);
    this.#context.markDirty(snapshot);
  }

  /** The time of S-54 is over. */
  tick(snapshot: Snapshot): void {
    const { progress } = snapshot;
    progress.timerArmed = false;
    progress.timerFired = progress.queue.ready > 0;
    this.#context.markDirty(snapshot);
  }

  /** The group in flight has been written, or not. */
  metadataDone(snapshot: Snapshot, error: number): void {
    const { progress } = snapshot;
    const count = progress.groupInFlight;
    assert(count > 0, "a group is in flight");
    progress.groupInFlight = 0;
    this.#context.markDirty(snapshot);
    if (error !== 0) {
      this.#invalidations.fail(snapshot, error);
      return;
    }
    assert(snapshot.store.area!.area === progress.groupArea, "the area is the one that was written");
    this.#assertImage(snapshot, count);
    snapshot.store.area!.added(count);
    snapshot.counters.commits += 1;
    snapshot.counters.exceptionsCommitted += count;
    for (let i = 0; i < count; i++) this.#take(progress);
    // One that has been dropped meanwhile lets nobody go on before it is Invalid (S-70).
    if (!snapshot.isEnding) this.#groupDurable(snapshot);
    this.#group.length = 0;
  }

  /** Before it is sent and after it is written: the area lists the first of the queue, in their order. */
  #assertImage({ progress, store }: Snapshot, count: number): void {
    let pending = progress.queue.head;
    for (let i = 0; i < count; i++) {
      assert(pending?.ready === true && !pending.durable, "a group is of what is ready");
      assert(store.area!.has(i, pending.oldChunk, pending.newChunk), "the image lists the group in its order");
      pending = pending.nextInQueue;
    }
  }

  /** The next of the group has become durable. */
  #take(progress: Snapshot["progress"]): void {
    const pending = progress.queue.shift();
    assert(
      isAfter(pending.sequence, progress.durable),
      "exceptions are committed in the order of their allocation (S-41)",
    );
    progress.durable = pending.sequence;
    this.#group.push(pending);
  }

  #isDue(snapshot: Snapshot): boolean {
    const { progress, store } = snapshot;
    const { queue } = progress;
    if (snapshot.phase === Phase.Saving || progress.timerFired) return true;
    if (queue.ready >= store.area!.room || queue.ready >= this.#context.options.groupCount) return true;
    return this.#context.options.early ? progress.hasDemand : queue.ready === queue.length;
  }

  #write(snapshot: Snapshot, count: number): void {
    const { geometry, index, progress } = snapshot;
    const area = snapshot.store.area!;
    assert(count > 0 && count <= progress.queue.ready, "a group is of what is ready (S-41)");
    assert(progress.groupInFlight === 0, "one group of a store is in flight (C-20)");
    progress.timerFired = false;
    progress.groupInFlight = count;
    let pending = progress.queue.head!;
    for (let i = 0; i < count; i++) {
      area.put(i, pending.oldChunk, pending.newChunk);
      pending = pending.nextInQueue!;
    }
    const fills = count === area.room;
    this.#assertImage(snapshot, count);
    progress.groupArea = area.area;
    const write = area.writeOf(count);
    snapshot.channel.start(this, {
      kind: "commit",
      snapshot: index,
      zeroArea: fills ? area.area + 1 : -1,
      zeroPosition: fills ? geometry.areaPosition(area.area + 1) : 0,
      zeroBytes: fills ? geometry.chunkBytes : 0,
      position: write.position,
      bytes: write.bytes,
    });
  }

  #groupDurable(snapshot: Snapshot): void {
    const { ports } = snapshot.config;
    for (const pending of this.#group) {
      assert(pending.ready && !pending.durable, "what is committed has its data, and is committed once");
      pending.durable = true;
      if (!pending.visible) this.#publish(pending);
      else snapshot.progress.visibleUncommitted -= 1;
    }
    ports.words.setDurable(snapshot.progress.durable);
    this.#releaseFlushes(snapshot);
    for (const pending of this.#group) this.#settler.add(pending);
    // Those that settle at once are given back: their buckets are looked at by a copy of the numbers that name them.
    const buckets = this.#group.map((pending) => ports.tracking.bucketOf(pending.oldChunk));
    for (const bucket of buckets) this.#settler.advance(snapshot, bucket);
  }

  /** C-22: the entry, then visSeq, then the snapshot writes. */
  #publish(pending: PendingException): void {
    const { snapshot } = pending;
    const { progress } = snapshot;
    const { ports } = snapshot.config;
    assert(pending.ready && !pending.visible, "an exception is published once, when its data is there");
    ports.table.publish(pending.oldChunk, pending.newChunk, EntryState.Visible);
    pending.visible = true;
    if (!pending.durable && snapshot.persistent) progress.visibleUncommitted += 1;
    if (isAfter(pending.sequence, progress.visible)) {
      progress.visible = pending.sequence;
      ports.words.setVisible(pending.sequence);
    }
    const { grant } = pending;
    pending.grant = null;
    if (grant !== null) this.#context.needs.done(grant, 0);
    this.#context.needs.end(pending.writers, 0);
  }

  #transientDurable(pending: PendingException): void {
    const { snapshot } = pending;
    const { progress } = snapshot;
    pending.durable = true;
    progress.durable = progress.visible;
    snapshot.config.ports.words.setDurable(progress.visible);
    this.#releaseFlushes(snapshot);
    const bucket = snapshot.config.ports.tracking.bucketOf(pending.oldChunk);
    this.#settler.add(pending);
    this.#settler.advance(snapshot, bucket);
  }

  /** Flushes and FUA writes whose sequence is durable now, behind the stored durSeq (C-23). */
  #releaseFlushes(snapshot: Snapshot): void {
    const { flushes } = snapshot.waiters;
    let kept = 0;
    for (const flush of flushes) {
      if (isAfter(flush.sequence, snapshot.progress.durable)) flushes[kept++] = flush;
      else this.#context.needs.done(flush.need, 0);
    }
    flushes.length = kept;
  }
}
