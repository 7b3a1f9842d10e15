/**
 * A snapshot comes into being on a live origin, atomically (E-40, C-30), or is opened before the origin is served (E-46).
 *
 *   hold origin writes ──▶ drain those in flight ──▶ flush origin ──▶ format ──▶ register ──▶ list, state ──▶ release
 *                                                   (opening: and COW)
 *
 * Writes that wait at main are not waited for: they look again after the release, and find the new snapshot. Snapshot I/O is
 * never held. Opening skips what the store has already; an Invalid one is listed, too, and keeps nothing. Refused while
 * a snapshot of this origin is merging (C-31): its view would be the raw origin, not what clients see.
 *
 * Opening flushes what it was read from, at every opening (C-49): a process that was killed may have sent an area, a header or an
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
import type { MetadataOwner, RegisterOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export interface CreationPlan {
  /** The origin is live: register the new snapshot. */
  readonly online: boolean;
  /** What must be durable first. */
  readonly flushes: readonly DeviceId[];
  readonly format: boolean;
  /** Where it goes from Opening. */
  readonly phase: typeof Phase.Open | typeof Phase.Invalid;
}

export class Creation implements Operation, MetadataOwner, RegisterOwner {
  readonly #context: CoreContext;
  readonly #operation: number;
  readonly #snapshot: Snapshot;
  readonly #plan: CreationPlan;
  readonly #gates: GateSet;
  #stage: "hold" | "flush" | "format" | "register" | "wait" | "list" | "done" = "hold";
  #next: "flush" | "register" = "flush";
  #flushed = 0;

  constructor(context: CoreContext, gates: Gates, operation: number, snapshot: Snapshot, plan: CreationPlan) {
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
      case "register":
        return this.#register();
      case "list":
        return this.#list();
      default:
        return false;
    }
  }

  metadataDone(_snapshot: Snapshot, error: number): void {
    assert(this.#stage === "wait", "a flush or the format is under way");
    if (error === 0 || this.#isInvalidAnyhow() || this.#hasNoFlush(error)) this.#stage = this.#next;
    else this.#fail(error, this.#next === "register" ? "cannot format the cow device" : this.#unflushed());
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

  registered(_snapshot: Snapshot, error: number): void {
    assert(this.#stage === "wait" && this.#plan.online, "what is made is being registered");
    if (error === 0) this.#stage = "list";
    else this.#fail(error, "cannot register the snapshot");
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
    this.#stage = "register";
    if (!this.#plan.format) return true;
    this.#stage = "wait";
    this.#next = "register";
    const header = snapshot.header(true);
    snapshot.channel.start(this, {
      kind: "format",
      snapshot: snapshot.index,
      header,
      chunkBytes: snapshot.geometry.chunkBytes,
    });
    return true;
  }

  #register(): boolean {
    this.#stage = "list";
    if (!this.#plan.online || !this.#snapshot.config.registered) return true;
    this.#stage = "wait";
    assert(
      this.#snapshot.register(this.#context.effects, this, "active"),
      "what is made has no other record under way",
    );
    return true;
  }

  #list(): boolean {
    const snapshot = this.#snapshot;
    snapshot.enter(this.#plan.phase);
    this.#context.relist();
    this.#gates.release();
    this.#stage = "done";
    this.#context.effects.finished(this.#operation, 0, "");
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
