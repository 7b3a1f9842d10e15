/**
 * A copy, or a granted write, has ended: what that means for its exception (S-50, E-9, E-15).
 *
 * An exception is ready when its last part is on the COW device. The first part that fails is the end of the snapshot; the
 * exception is then kept only until all its parts are back, because the COW device is in use until then.
 */
import type { Committer } from "./committer.ts";
import type { Drops } from "./drop.ts";
import type { PendingException } from "./pending-exception.ts";

export class CopyEnds {
  readonly #committer: Committer;
  readonly #drops: Drops;
  /** A part of a copy job has ended; a function of its own, so that a job needs no closure. */
  readonly copyPartDone: (pending: PendingException, error: number) => void;

  constructor(committer: Committer, drops: Drops) {
    this.#committer = committer;
    this.#drops = drops;
    this.copyPartDone = (pending, error) => this.#copyPartDone(pending, error);
  }

  /** A part of the exception's data is on the COW device, or has failed. */
  partDone(pending: PendingException, error: number): void {
    const { snapshot } = pending;
    pending.partsLeft -= 1;
    if (error !== 0) {
      pending.failed = true;
      this.#drops.begin(snapshot, error, false);
    }
    if (pending.partsLeft > 0) return;
    snapshot.outstanding -= 1;
    if (pending.dead) return;
    if (!pending.failed) this.#committer.copied(pending);
    else if (pending.grant !== null) pending.ready = true;
  }

  #copyPartDone(pending: PendingException, error: number): void {
    const { snapshot } = pending;
    if (pending.partsLeft === 1) {
      snapshot.copies -= 1;
      if (error === 0 && !pending.failed) snapshot.counters.copies += 1;
    }
    this.partDone(pending, error);
  }
}
