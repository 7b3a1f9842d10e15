/**
 * A snapshot on its way to Invalid (E-8, E-9, E-15, S-50, S-70, C-25).
 *
 *   no room ──▶ Saving ──────┐
 *   failure, user's drop ──▶ Invalidating: register ──▶ header valid = 0, FUA ──▶ Invalid ──▶ release everything
 *                                                        └─ fails: again, a few times, then report, register a removed one
 *                                                           as Invalid, and go on
 *
 * Nothing that waits is released before the header and the register are durable: an origin write that the snapshot has not
 * preserved must not overtake them. Where the store is merely full, what is visible is committed first (Saving): its data
 * is good, and the kernel would have it on disk. After a failed copy or commit no further area is written (S-57).
 */
import { assert } from "../base/assert.ts";
import { errno, isNoRoom } from "../base/errno.ts";
import type { CoreContext, Operation } from "./context.ts";
import { InvalidHeader } from "./invalid-header.ts";
import type { PendingException, RegisterOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export class Invalidations {
  readonly #context: CoreContext;

  constructor(context: CoreContext) {
    this.#context = context;
  }

  /** A copy or a commit has failed, and the snapshot does not survive it. Once is enough; what is being saved is not saved. */
  fail(snapshot: Snapshot, error: number): void {
    if (snapshot.phase === Phase.Saving) snapshot.enter(Phase.Invalidating);
    else if (!isOver(snapshot)) this.#begin(snapshot, error, Phase.Invalidating, "invalid");
  }

  /** There is no room for an exception that has to be. */
  runOut(snapshot: Snapshot): void {
    if (isOver(snapshot)) return;
    const saves = snapshot.persistent && this.#context.options.early;
    this.#begin(snapshot, errno.ENOSPC, saves ? Phase.Saving : Phase.Invalidating, "invalid");
  }

  /** E-41: the user drops it; its copies have ended. */
  drop(snapshot: Snapshot): void {
    assert(snapshot.progress.outstanding === 0, "the copies of what is dropped have ended");
    this.#begin(snapshot, 0, Phase.Invalidating, "removed");
  }

  #begin(snapshot: Snapshot, error: number, phase: Phase, record: "invalid" | "removed"): void {
    snapshot.enter(phase);
    this.#context.markDirty(snapshot);
    this.#context.operations.push(new Invalidation(this.#context, snapshot, error, record));
  }
}

function isOver(snapshot: Snapshot): boolean {
  return snapshot.isEnding || snapshot.phase === Phase.Invalid;
}

class Invalidation implements Operation, RegisterOwner {
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
    assert(this.#stage === "registering", "the record was asked for");
    if (error !== 0) this.#context.effects.notice(this.#snapshot.index, "register-failed", error);
    if (this.#snapshot.store.headerStands) this.#end();
    else this.#stage = "header";
  }

  #headerEnded(written: boolean): void {
    if (written || this.#record === "invalid" || !this.#snapshot.config.registered) return this.#end();
    assert(this.#snapshot.store.headerStands, "a header that was not written stands");
    // A valid header stays, of a store that misses origin data from now on: then the register must say so, and go on to say so.
    this.#record = "invalid";
    this.#stage = "register";
  }

  #save(): boolean {
    const snapshot = this.#snapshot;
    const isSaving = snapshot.phase === Phase.Saving;
    if (snapshot.channel.isBusy || (isSaving && snapshot.progress.queue.ready > 0)) return false;
    if (isSaving) snapshot.enter(Phase.Invalidating);
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
    this.#stage = "done";
    assert(!snapshot.channel.isBusy, "nothing of a snapshot that turns Invalid is being written");
    snapshot.enter(Phase.Invalid);
    snapshot.progress.stop();
    this.#context.effects.notice(snapshot.index, "invalid", this.#error);
    for (const pending of [...snapshot.progress.pending.values()]) this.#endPending(pending);
    this.#endWaiters();
  }

  /** One that something under way still names stays in the table until that has come back (E-6). */
  #endPending(pending: PendingException): void {
    const { needs } = this.#context;
    const { grant } = pending;
    const error = isNoRoom(pending.error) ? errno.ENOSPC : errno.EIO;
    const isBack = pending.returned || pending.ready;
    pending.dead = true;
    if (grant === null || isBack) this.#snapshot.progress.pending.abandon(pending);
    if (grant !== null && isBack) needs.done(grant, error);
    needs.end(pending.writers, error);
    needs.end(pending.keepers, 0);
  }

  /** Snapshot writes and flushes fail; everybody else looks again, and finds it Invalid. */
  #endWaiters(): void {
    const { needs } = this.#context;
    const { flushes, writersUntilInvalid, keepersUntilInvalid, untilPresented, untilReclaimed } =
      this.#snapshot.waiters;
    const { writersUntilRoom, keepersUntilRoom } = this.#snapshot.waiters;
    for (const flush of flushes) needs.done(flush.need, errno.EIO);
    flushes.length = 0;
    needs.end(writersUntilInvalid, errno.EIO);
    needs.end(keepersUntilInvalid, 0);
    needs.end(untilPresented, 0);
    needs.end(untilReclaimed, 0);
    // They have found none; only where it is Invalid for another reason was there somebody who might have added some.
    needs.end(writersUntilRoom, errno.ENOSPC);
    needs.end(keepersUntilRoom, 0);
  }
}
