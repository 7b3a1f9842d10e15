/**
 * Snapshots come, merge and go: who may do what now, and the operation that does it (E-31, E-36, E-40, E-41, E-45).
 *
 * Each order is answered by `finished`, at once where it is refused. At most one snapshot merges, and while it does no snapshot
 * is created (C-31).
 */
import { assert } from "../base/assert.ts";
import { MAX_SNAPSHOTS } from "../base/constants.ts";
import { errno } from "../base/errno.ts";
import { SnapshotState } from "../base/states.ts";
import type { Sector } from "../base/units.ts";
import { Closing } from "./closing.ts";
import type { CoreContext } from "./context.ts";
import { Creation } from "./creation.ts";
import { Drop } from "./drop.ts";
import type { LoadedStore } from "./loaded-store.ts";
import { ORIGIN_DEVICE } from "./ports.ts";
import { Merge, type MergeParts } from "./merge.ts";
import { Opening } from "./opening.ts";
import { Snapshot } from "./snapshot.ts";
import type { SnapshotConfig } from "./snapshot-config.ts";
import { Phase } from "./snapshot-phase.ts";

/** A snapshot that is to be, and its new store. */
export interface NewSnapshot {
  readonly config: SnapshotConfig;
  readonly loaded: LoadedStore;
}

interface Refusal {
  readonly error: number;
  readonly message: string;
}

const NO_SUCH_SNAPSHOT: Refusal = { error: errno.ENOENT, message: "no such snapshot" };

export class LifeCycle {
  readonly #context: CoreContext;
  readonly #parts: MergeParts;
  #merge: Merge | undefined;

  constructor(context: CoreContext, parts: MergeParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** The merge under way; it stays the merge while it is idle, until the origin has been handed back. */
  get merge(): Merge | undefined {
    if (this.#merge?.done === true) this.#merge = undefined;
    return this.#merge;
  }

  open(operation: number, config: SnapshotConfig, loaded: LoadedStore): void {
    const phase = loaded.state === "invalid" ? Phase.Invalid : Phase.Open;
    const format = loaded.state === "new" && loaded.persistent;
    // What was read must be durable before it is acted upon (C-49).
    const nothing = this.#context.options.readOnly || !loaded.persistent;
    const flushes = nothing ? [] : [ORIGIN_DEVICE, 1 + config.index];
    const snapshot = this.#take(config, loaded);
    const plan = { flushes, format, phase };
    this.#context.operations.push(new Opening(this.#context, this.#parts.gates, operation, snapshot, plan));
  }

  create(operation: number, made: readonly NewSnapshot[], halts: boolean): void {
    for (const { loaded } of made)
      assert(loaded.state === "new", "a snapshot of a live origin begins with a new store");
    if (this.merge !== undefined) {
      this.#context.effects.finished(operation, errno.EBUSY, "a snapshot of this origin is merging");
      return;
    }
    const snapshots = made.map(({ config, loaded }) => this.#take(config, loaded));
    this.#context.operations.push(new Creation(this.#context, this.#parts, { operation, snapshots, halts }));
  }

  /** The creation of this number; undefined: it has ended. */
  creation(operation: number): Creation | undefined {
    const { operations } = this.#context;
    return operations.find((one): one is Creation => one instanceof Creation && one.operation === operation);
  }

  drop(operation: number, index: number): void {
    const snapshot = this.#context.snapshots[index];
    if (snapshot === undefined || !this.#isThere(snapshot)) {
      this.#refuse(operation, NO_SUCH_SNAPSHOT);
    } else if (this.merge?.snapshot === snapshot) {
      this.#refuse(operation, { error: errno.EBUSY, message: "the snapshot is merging: stop the merge first" });
    } else {
      const { gates, invalidations } = this.#parts;
      const over = (): void => this.#context.effects.finished(operation, 0, "");
      this.#context.operations.push(new Drop(this.#context, gates, invalidations, snapshot, over));
    }
  }

  /** The error number: EINVAL where chunks in use would be lost (E-45). */
  resize(index: number, cowSectors: Sector): number {
    const snapshot = this.#context.snapshot(index);
    const { allocator } = snapshot.store;
    if (cowSectors < allocator.cowSectors && cowSectors < allocator.usedSectors) return errno.EINVAL;
    if (cowSectors > allocator.cowSectors) snapshot.counters.growths += 1;
    allocator.resize(cowSectors);
    if (snapshot.state === SnapshotState.Overflow && allocator.hasSpace()) {
      snapshot.setFull(false);
      this.#context.effects.notice(index, "overflow-cleared", 0);
    }
    this.#context.markDirty(snapshot);
    return 0;
  }

  close(operation: number): void {
    if (this.#context.closing) {
      this.#refuse(operation, { error: errno.ESHUTDOWN, message: "the volume is closing already" });
    } else {
      this.#context.operations.push(new Closing(this.#context, this.#parts.copies, operation));
    }
  }

  mergeStart(operation: number, index: number): void {
    const refusal = this.#startMerge(operation, index);
    if (refusal !== undefined) this.#refuse(operation, refusal);
  }

  mergePresent(operation: number, index: number): void {
    const refusal = this.#presentMerge(operation, index);
    if (refusal !== undefined) this.#refuse(operation, refusal);
  }

  mergeStop(operation: number, index: number): void {
    const { merge } = this;
    if (merge === undefined || merge.snapshot.index !== index) {
      this.#refuse(operation, { error: errno.EINVAL, message: "the snapshot is not merging" });
    } else {
      merge.stop(operation);
    }
  }

  #take(config: SnapshotConfig, loaded: LoadedStore): Snapshot {
    const { snapshots, effects } = this.#context;
    const { index, store } = config;
    assert(index >= 0 && index < MAX_SNAPSHOTS && snapshots[index] === undefined, "the slot is free");
    assert(loaded.persistent === (store !== "N"), "the store is of its kind");
    const snapshot = new Snapshot(config, loaded, effects);
    snapshots[index] = snapshot;
    return snapshot;
  }

  /** Undefined: the merge has started, or goes on. */
  #startMerge(operation: number, index: number): Refusal | undefined {
    if (this.#context.options.readOnly) return { error: errno.EPERM, message: "the volume is read-only" };
    const refusal = this.#refuseMerge(index);
    if (refusal !== undefined) return refusal;
    const { merge } = this;
    if (merge === undefined) {
      this.#beginMerge(operation, index, false);
      return undefined;
    }
    return merge.resume(operation) ? undefined : { error: errno.EBUSY, message: "the snapshot is merging already" };
  }

  /** Undefined: it is presented, or about to be. */
  #presentMerge(operation: number, index: number): Refusal | undefined {
    const refusal = this.#refuseMerge(index);
    if (refusal !== undefined) return refusal;
    const { merge } = this;
    if (merge === undefined) this.#beginMerge(operation, index, true);
    else if (merge.isPresented) this.#context.effects.finished(operation, 0, "");
    else return { error: errno.EBUSY, message: "the snapshot is merging already" };
    return undefined;
  }

  #beginMerge(operation: number, index: number, rests: boolean): void {
    this.#merge = new Merge(this.#context, this.#parts, operation, this.#context.snapshot(index), rests);
    this.#context.operations.push(this.#merge);
  }

  /** Why this snapshot cannot merge, now or at all. */
  #refuseMerge(index: number): Refusal | undefined {
    const snapshot = this.#context.snapshots[index];
    if (snapshot === undefined || !this.#isThere(snapshot)) return NO_SUCH_SNAPSHOT;
    if (!snapshot.persistent) {
      return { error: errno.EINVAL, message: "Snapshot exception store does not support snapshot-merge." };
    }
    if (snapshot.phase === Phase.Invalid || snapshot.isEnding) {
      return { error: errno.EINVAL, message: "the snapshot is invalid" };
    }
    if (this.#context.closing) return { error: errno.ESHUTDOWN, message: "the volume is closing" };
    const { merge } = this;
    if (merge === undefined || merge.snapshot === snapshot) return undefined;
    return { error: errno.EBUSY, message: "another snapshot of this origin is merging" };
  }

  /** It has come to be, and no order to drop it has been given. */
  #isThere(snapshot: Snapshot): boolean {
    const { operations } = this.#context;
    const isDropped = operations.some((one) => one instanceof Drop && one.snapshot === snapshot);
    const isMade = operations.some((one) => one instanceof Creation && one.makes(snapshot));
    return snapshot.phase !== Phase.Opening && !isDropped && !isMade;
  }

  #refuse(operation: number, { error, message }: Refusal): void {
    this.#context.effects.finished(operation, error, message);
  }
}
