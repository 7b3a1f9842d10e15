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
import { EntryState, SnapshotState } from "../base/states.ts";
import { repairArea } from "./area-repair.ts";
import type { CoreContext } from "./context.ts";
import type { Drops } from "./drop.ts";
import type { MetadataOwner } from "./metadata-channel.ts";
import type { PendingException } from "./pending-exception.ts";
import { isAfter } from "./sequence.ts";
import type { Settler } from "./settler.ts";
import type { Snapshot } from "./snapshot.ts";

export class Committer implements MetadataOwner {
  readonly #context: CoreContext;
  readonly #settler: Settler;
  readonly #drops: Drops;
  /** Members of the group that has just become durable. */
  readonly #group: PendingException[] = [];

  constructor(context: CoreContext, settler: Settler, drops: Drops) {
    this.#context = context;
    this.#settler = settler;
    this.#drops = drops;
  }

  /** The data of an exception is on the COW device. */
  copied(pending: PendingException): void {
    const { snapshot } = pending;
    pending.ready = true;
    if (snapshot.persistent) snapshot.queue.advance();
    if (this.#context.options.early || !snapshot.persistent) this.#publish(pending);
    if (snapshot.persistent) this.#context.markDirty(snapshot);
    else this.#transientDurable(pending);
  }

  /** Form and write a group, if it is time to. */
  pump(snapshot: Snapshot): void {
    const { area, queue, channel } = snapshot;
    if (area === undefined || channel.isBusy || snapshot.state === SnapshotState.Invalid) return;
    if (snapshot.dropping && !snapshot.saving) return;
    if (area.missing && repairArea(this.#context, this.#drops, snapshot)) return;
    if (queue.ready === 0) return;
    if (!this.#isDue(snapshot)) {
      if (snapshot.timerArmed) return;
      snapshot.timerArmed = true;
      this.#context.effects.armTimer(snapshot.index);
      return;
    }
    if (area.stale && repairArea(this.#context, this.#drops, snapshot)) return;
    this.#write(snapshot, Math.min(queue.ready, area.room, this.#context.options.groupCount));
  }

  /** The time of S-54 is over. */
  tick(snapshot: Snapshot): void {
    snapshot.timerArmed = false;
    snapshot.timerFired = snapshot.queue.ready > 0;
    this.#context.markDirty(snapshot);
  }

  /** The group in flight has been written, or not. */
  metadataDone(snapshot: Snapshot, error: number): void {
    const count = snapshot.groupInFlight;
    snapshot.groupInFlight = 0;
    this.#context.markDirty(snapshot);
    if (error !== 0) {
      snapshot.saving = false;
      this.#drops.begin(snapshot, error, false);
      return;
    }
    snapshot.area!.added(count);
    snapshot.counters.commits += 1;
    snapshot.counters.exceptionsCommitted += count;
    for (let i = 0; i < count; i++) this.#group.push(snapshot.queue.shift());
    snapshot.durable = this.#group[count - 1]!.sequence;
    if (!snapshot.dropping) this.#groupDurable(snapshot);
    this.#group.length = 0;
  }

  #isDue(snapshot: Snapshot): boolean {
    const { queue, area } = snapshot;
    if (snapshot.saving || snapshot.timerFired) return true;
    if (queue.ready >= area!.room || queue.ready >= this.#context.options.groupCount) return true;
    return this.#context.options.early ? snapshot.hasDemand : queue.ready === queue.length;
  }

  #write(snapshot: Snapshot, count: number): void {
    const { geometry, index } = snapshot;
    const area = snapshot.area!;
    snapshot.timerFired = false;
    snapshot.groupInFlight = count;
    let pending = snapshot.queue.head!;
    for (let i = 0; i < count; i++) {
      area.put(i, pending.oldChunk, pending.newChunk);
      pending = pending.nextInQueue!;
    }
    const fills = count === area.room;
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
      pending.durable = true;
      if (!pending.visible) this.#publish(pending);
      else snapshot.visibleUncommitted -= 1;
    }
    ports.words.setDurable(snapshot.durable);
    this.#releaseFlushes(snapshot);
    for (const pending of this.#group) this.#settler.add(pending);
    // Those that settle at once are given back: their buckets are looked at by a copy of the numbers that name them.
    const buckets = this.#group.map((pending) => ports.tracking.bucketOf(pending.oldChunk));
    for (const bucket of buckets) this.#settler.advance(snapshot, bucket);
  }

  /** C-22: the entry, then visSeq, then the snapshot writes. */
  #publish(pending: PendingException): void {
    const { snapshot } = pending;
    const { ports } = snapshot.config;
    ports.table.publish(pending.oldChunk, pending.newChunk, EntryState.Visible);
    pending.visible = true;
    if (!pending.durable && snapshot.persistent) snapshot.visibleUncommitted += 1;
    if (isAfter(pending.sequence, snapshot.visible)) {
      snapshot.visible = pending.sequence;
      ports.words.setVisible(pending.sequence);
    }
    const { grant } = pending;
    pending.grant = null;
    if (grant !== null) this.#context.needs.done(grant, 0);
    this.#context.needs.end(pending.writers, 0);
  }

  #transientDurable(pending: PendingException): void {
    const { snapshot } = pending;
    pending.durable = true;
    snapshot.durable = snapshot.visible;
    snapshot.config.ports.words.setDurable(snapshot.visible);
    this.#releaseFlushes(snapshot);
    const bucket = snapshot.config.ports.tracking.bucketOf(pending.oldChunk);
    this.#settler.add(pending);
    this.#settler.advance(snapshot, bucket);
  }

  /** Flushes and FUA writes whose sequence is durable now, behind the stored durSeq (C-23). */
  #releaseFlushes(snapshot: Snapshot): void {
    const { flushes } = snapshot;
    let kept = 0;
    for (const flush of flushes) {
      if (isAfter(flush.sequence, snapshot.durable)) flushes[kept++] = flush;
      else this.#context.needs.done(flush.need, 0);
    }
    flushes.length = kept;
  }
}
