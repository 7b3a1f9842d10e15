/**
 * A copy, or a granted write, has ended: what that means for its exception (S-50, E-8, E-9, E-15).
 *
 * An exception is ready when its last part is on the COW device. The first part that fails is the end of the snapshot; the
 * exception is then kept only until all its parts are back, because the COW device is in use until then. Only where a store PO
 * found no room it is left out instead, once its parts are back (overflow.ts).
 */
import { assert } from "../base/assert.ts";
import { errno, isNoRoom } from "../base/errno.ts";
import type { Chunk } from "../base/units.ts";
import type { Committer } from "./committer.ts";
import type { CoreContext } from "./context.ts";
import type { Invalidations } from "./invalidation.ts";
import type { Need } from "./need.ts";
import { leaveOut, mayLeaveOut } from "./overflow.ts";
import { lookAgain } from "./room.ts";
import type { PendingException, Snapshot } from "./snapshot.ts";

export class CopyEnds {
  readonly #context: CoreContext;
  readonly #committer: Committer;
  readonly #invalidations: Invalidations;
  /** A part of a copy job has ended; a function of its own, so that a job needs no closure. */
  readonly copyPartDone: (pending: PendingException, error: number) => void;

  constructor(context: CoreContext, committer: Committer, invalidations: Invalidations) {
    this.#context = context;
    this.#committer = committer;
    this.#invalidations = invalidations;
    this.copyPartDone = (pending, error) => this.#copyPartDone(pending, error);
  }

  /** A part of the exception's data is on the COW device, or has failed. */
  partDone(pending: PendingException, error: number): void {
    const { snapshot } = pending;
    assert(pending.partsLeft > 0 && !pending.ready, "a part ends once");
    pending.partsLeft -= 1;
    if (error !== 0) {
      if (!isNoRoom(error) || pending.error === 0) pending.error = error;
      if (!mayLeaveOut(pending)) this.#fail(pending);
    }
    if (pending.partsLeft > 0) return;
    snapshot.progress.outstanding -= 1;
    assert(snapshot.progress.outstanding >= 0, "no more ends than were begun");
    if (pending.dead) return;
    if (pending.tries) snapshot.room.endTrial();
    if (pending.error === 0) this.#succeed(pending);
    else if (mayLeaveOut(pending)) leaveOut(this.#context, pending);
    else this.#fail(pending);
  }

  #succeed(pending: PendingException): void {
    const { snapshot, tries } = pending;
    // It may settle at once, and be another one then.
    this.#committer.copied(pending);
    if (tries && snapshot.room.isStalled) lookAgain(this.#context, snapshot);
  }

  /** A granted chunk has been written, or not (E-6, E-9). */
  written(snapshot: Snapshot, chunk: Chunk, error: number): void {
    const pending = snapshot.progress.pending.get(chunk);
    assert(
      pending !== undefined && pending.grant !== null && !pending.ready && !pending.returned,
      "the chunk was granted",
    );
    if (pending.dead) this.#endDead(pending, pending.grant);
    else this.partDone(pending, error);
  }

  /** Its snapshot has become Invalid meanwhile: what the write waited for is its own end. */
  #endDead(pending: PendingException, grant: Need): void {
    const { progress } = pending.snapshot;
    progress.pending.abandon(pending);
    progress.outstanding -= 1;
    pending.grant = null;
    this.#context.needs.done(grant, errno.EIO);
  }

  /** The end of the snapshot; no further area is written, not even what is being saved (S-57). */
  #fail(pending: PendingException): void {
    const { snapshot } = pending;
    this.#invalidations.fail(snapshot, pending.error);
    if (pending.partsLeft === 0) pending.returned = true;
  }

  #copyPartDone(pending: PendingException, error: number): void {
    const { snapshot } = pending;
    if (pending.partsLeft === 1) {
      snapshot.progress.copies -= 1;
      assert(snapshot.progress.copies >= 0, "no more copies end than were begun");
      if (error === 0 && pending.error === 0) snapshot.counters.copies += 1;
    }
    this.partDone(pending, error);
  }
}
