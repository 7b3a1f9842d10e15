/**
 * A snapshot is opened before its origin is served (E-46): what its store holds is there already, or it is made now.
 *
 *   hold origin writes ──▶ flush origin and COW ──▶ format a new store ──▶ list, state ──▶ release
 *
 * An Invalid one is listed, too, and keeps nothing. Nobody writes the origin yet: the gate is there for whoever opens a second one.
 *
 * What it was read from is flushed at every opening (C-49): a process that was killed may have sent an area, a header or an
 * erasure that is in the device's cache only. It is read, its exceptions count as settled, the origin is overwritten; then the power
 * fails, and the area is the old one. The flush comes after the reading, and before the snapshot is listed, for only then can
 * anything be done on the strength of what was read. It covers all that was read because nothing lands any more: the device is
 * locked by the descriptor that its I/O goes through, so the lock is free only when the kernel has ended every request of the dead process.
 */
import { errno } from "../base/errno.ts";
import { assert } from "../base/assert.ts";
import type { CoreContext, Operation } from "./context.ts";
import { ORIGIN_WRITE_GATE } from "../base/gate-numbers.ts";
import { GateSet, type Gates } from "./gates.ts";
import { type DeviceId, ORIGIN_DEVICE } from "./ports.ts";
import type { MetadataOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export interface OpeningPlan {
  /** What must be durable first. */
  readonly flushes: readonly DeviceId[];
  readonly format: boolean;
  /** Where it goes from Opening. */
  readonly phase: typeof Phase.Open | typeof Phase.Invalid;
}

export class Opening implements Operation, MetadataOwner {
  readonly #context: CoreContext;
  readonly #operation: number;
  readonly #snapshot: Snapshot;
  readonly #plan: OpeningPlan;
  readonly #gates: GateSet;
  #stage: "hold" | "flush" | "format" | "wait" | "list" | "done" = "hold";
  #next: "flush" | "list" = "flush";
  #flushed = 0;

  constructor(context: CoreContext, gates: Gates, operation: number, snapshot: Snapshot, plan: OpeningPlan) {
    this.#context = context;
    this.#operation = operation;
    this.#snapshot = snapshot;
    this.#plan = plan;
    this.#gates = new GateSet(gates, [ORIGIN_WRITE_GATE]);
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  advance(): boolean {
    switch (this.#stage) {
      case "hold":
        return this.#hold();
      case "flush":
        return this.#flush();
      case "format":
        return this.#format();
      case "list":
        return this.#list();
      default:
        return false;
    }
  }

  metadataDone(_snapshot: Snapshot, error: number): void {
    assert(this.#stage === "wait", "a flush or the format is under way");
    if (error === 0 || this.#isInvalidAnyhow() || this.#hasNoFlush(error)) this.#stage = this.#next;
    else this.#fail(error, this.#next === "list" ? "cannot format the cow device" : this.#unflushed());
  }

  /** Its record says so, durably: a device that is broken for good does not keep the origin from being opened. */
  #isInvalidAnyhow(): boolean {
    const snapshot = this.#snapshot;
    if (this.#plan.phase !== Phase.Invalid || !snapshot.config.registered) return false;
    if (this.#plan.flushes[this.#flushed - 1] === ORIGIN_DEVICE) return false;
    snapshot.store.headerStands = true;
    return true;
  }

  /** Read-only file systems (squashfs, ISO 9660) know none; what is on them nobody has written. */
  #hasNoFlush(error: number): boolean {
    if (error !== errno.EINVAL || !this.#context.options.originReadOnly || this.#next !== "flush") return false;
    return this.#plan.flushes[this.#flushed - 1] === ORIGIN_DEVICE;
  }

  #unflushed(): string {
    const isOrigin = this.#plan.flushes[this.#flushed - 1] === ORIGIN_DEVICE;
    return isOrigin ? "cannot flush the origin" : "cannot flush the cow device";
  }

  #hold(): boolean {
    if (!this.#gates.acquire()) return false;
    this.#stage = "flush";
    return true;
  }

  #flush(): boolean {
    const device = this.#plan.flushes[this.#flushed];
    this.#stage = "format";
    if (device === undefined) return true;
    this.#stage = "wait";
    this.#next = "flush";
    this.#flushed += 1;
    this.#snapshot.channel.start(this, { kind: "flush", snapshot: this.#snapshot.index, device });
    return true;
  }

  #format(): boolean {
    const snapshot = this.#snapshot;
    this.#stage = "list";
    if (!this.#plan.format) return true;
    this.#stage = "wait";
    this.#next = "list";
    snapshot.channel.start(this, snapshot.formatting());
    return true;
  }

  #list(): boolean {
    this.#snapshot.enter(this.#plan.phase);
    this.#context.relist();
    this.#gates.release();
    this.#stage = "done";
    this.#context.effects.finished(this.#operation, 0, "");
    // It may be nearly full already.
    if (this.#plan.phase === Phase.Open) this.#snapshot.room.look();
    return true;
  }

  #fail(error: number, message: string): void {
    this.#stage = "done";
    this.#snapshot.enter(Phase.Gone);
    this.#context.snapshots[this.#snapshot.index] = undefined;
    this.#gates.release();
    this.#context.effects.finished(this.#operation, error, message);
  }
}
