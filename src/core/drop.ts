/**
 * A snapshot on its way to Invalid (E-8, E-9, E-15, S-50, S-70, C-25).
 *
 *   begin: dropping ──▶ [save] ──▶ register Invalid ──▶ header valid = 0, FUA ──▶ state Invalid ──▶ release everything
 *                                                        └─ fails: again, a few times, then report, register a removed one
 *                                                           as Invalid, and go on
 *
 * Nothing that waits is released before the header and the registry are durable: an origin write that the snapshot has not
 * preserved must not overtake them. Where the store is merely full, what is visible is committed first ("save"): its data
 * is good, and the kernel would have it on disk. After a failed copy or commit no further area is written (S-57).
 */
import { errno, isNoRoom } from "../base/errno.ts";
import { SnapshotState } from "../base/states.ts";
import type { CoreContext, Operation } from "./context.ts";
import { InvalidHeader } from "./invalid-header.ts";
import type { RegistryOwner, Snapshot } from "./snapshot.ts";

export class Drops {
  readonly #context: CoreContext;

  constructor(context: CoreContext) {
    this.#context = context;
  }

  /** Something has happened that the snapshot does not survive. Once is enough. */
  begin(snapshot: Snapshot, error: number, save: boolean): void {
    if (snapshot.dropping || snapshot.state === SnapshotState.Invalid) return;
    snapshot.counters.invalidEvents += 1;
    this.#start(snapshot, error, save && this.#context.options.early, "invalid");
  }

  /** E-41: the user drops it; its copies have ended. */
  drop(snapshot: Snapshot): void {
    this.#start(snapshot, 0, false, "removed");
  }

  #start(snapshot: Snapshot, error: number, save: boolean, record: "invalid" | "removed"): void {
    snapshot.dropping = true;
    snapshot.saving = save && snapshot.persistent;
    this.#context.markDirty(snapshot);
    this.#context.operations.push(new Drop(this.#context, snapshot, error, record));
  }
}

class Drop implements Operation, RegistryOwner {
  readonly #context: CoreContext;
  readonly #snapshot: Snapshot;
  readonly #error: number;
  readonly #header: InvalidHeader;
  #record: "invalid" | "removed";
  #stage: "save" | "register" | "registering" | "header" | "done" = "save";

  constructor(context: CoreContext, snapshot: Snapshot, error: number, record: "invalid" | "removed") {
    this.#context = context;
    this.#snapshot = snapshot;
    this.#error = error;
    this.#header = new InvalidHeader(context, snapshot, (written) => this.#headerEnded(written));
    this.#record = record;
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  advance(): boolean {
    if (this.#stage === "save") return this.#save();
    if (this.#stage === "register") return this.#register();
    if (this.#stage === "header") return this.#writeHeader();
    return false;
  }

  registered(_snapshot: Snapshot, error: number): void {
    if (error !== 0) this.#context.effects.notice(this.#snapshot.index, "register-failed", error);
    if (this.#snapshot.headerStands) this.#end();
    else this.#stage = "header";
  }

  #headerEnded(written: boolean): void {
    if (written || this.#record === "invalid" || !this.#snapshot.config.registered) return this.#end();
    // A valid header stays, of a store that misses origin data from now on: then the register must say so, and go on to say so.
    this.#record = "invalid";
    this.#stage = "register";
  }

  #save(): boolean {
    const snapshot = this.#snapshot;
    if (snapshot.channel.isBusy || (snapshot.saving && snapshot.queue.ready > 0)) return false;
    snapshot.saving = false;
    this.#stage = "register";
    return true;
  }

  #register(): boolean {
    const snapshot = this.#snapshot;
    if (!snapshot.config.registered) this.#stage = "header";
    // That a merge begins may be on its way to the register.
    else if (snapshot.register(this.#context.effects, this, this.#record)) this.#stage = "registering";
    else return false;
    return true;
  }

  #writeHeader(): boolean {
    if (this.#snapshot.persistent) return this.#header.advance();
    this.#end();
    return true;
  }

  /** C-25: the state, then the releases. No wait for tracked reads: they look at the state again (C-4). */
  #end(): void {
    const snapshot = this.#snapshot;
    const { needs } = this.#context;
    this.#stage = "done";
    snapshot.setState(SnapshotState.Invalid);
    snapshot.dropping = false;
    snapshot.queue.clear();
    snapshot.buckets.clear();
    snapshot.visibleUncommitted = 0;
    snapshot.groupInFlight = 0;
    this.#context.effects.notice(snapshot.index, "invalid", this.#error);
    for (const pending of [...snapshot.pending.values()]) {
      pending.dead = true;
      const { grant } = pending;
      const error = isNoRoom(pending.error) ? errno.ENOSPC : errno.EIO;
      const isBack = pending.returned || pending.ready;
      if (grant === null || isBack) snapshot.pending.abandon(pending);
      if (grant !== null && isBack) needs.done(grant, error);
      needs.end(pending.writers, error);
      needs.end(pending.keepers, 0);
    }
    for (const flush of snapshot.flushes) needs.done(flush.need, errno.EIO);
    snapshot.flushes.length = 0;
    needs.end(snapshot.dropWriters, errno.EIO);
    needs.end(snapshot.dropKeepers, 0);
    needs.end(snapshot.transition, 0);
    needs.end(snapshot.reclaimed, 0);
  }
}
