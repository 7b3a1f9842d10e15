/**
 * What becomes of a need for which its snapshot has no room.
 *
 *   workers have chunks in reserve ──▶ take them back (reclaim.ts) ──▶ look again
 *   a snapshot write, store PO     ──▶ overflow, it gets ENOSPC
 *   anything else                  ──▶ the snapshot turns Invalid (E-8, E-15): a snapshot write gets ENOSPC then, an origin write looks again
 *
 * One place for both kinds of writes, so that neither can forget a step of it.
 */
import { assert } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import type { CoreContext } from "./context.ts";
import type { Invalidations } from "./invalidation.ts";
import type { Need } from "./need.ts";
import { overflow } from "./overflow.ts";
import type { Reclaims } from "./reclaim.ts";
import type { Snapshot } from "./snapshot.ts";

export class NoRoom {
  readonly #context: CoreContext;
  readonly #invalidations: Invalidations;
  readonly #reclaims: Reclaims;

  constructor(context: CoreContext, invalidations: Invalidations, reclaims: Reclaims) {
    this.#context = context;
    this.#invalidations = invalidations;
    this.#reclaims = reclaims;
  }

  /** An origin write: it must never wait for room. */
  forKeeper(snapshot: Snapshot, need: Need): void {
    if (this.#reclaims.wait(snapshot, need)) return;
    this.#runOut(snapshot, need);
  }

  /** A write on the snapshot. */
  forWriter(snapshot: Snapshot, need: Need): void {
    if (this.#reclaims.wait(snapshot, need)) return;
    this.forClaim(snapshot, need);
  }

  /** One that has a chunk in reserve, but no slot for it (S-42): to take others back would not help. */
  forClaim(snapshot: Snapshot, need: Need): void {
    need.error = errno.ENOSPC;
    if (snapshot.config.store === "PO") overflow(this.#context, snapshot);
    else this.#runOut(snapshot, need);
  }

  #runOut(snapshot: Snapshot, need: Need): void {
    this.#invalidations.runOut(snapshot);
    assert(snapshot.isEnding, "a snapshot that has run out is on its way to Invalid");
    this.#context.needs.wait(snapshot.waiters.keepersUntilInvalid, need);
  }
}
