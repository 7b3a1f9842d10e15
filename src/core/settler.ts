/**
 * Settles exceptions: durable, and no tracked read is left that may still go to the origin for them (E-20, C-24).
 *
 *   per bucket: see trk[1-par] = 0  ──▶  flip par  ──▶  see the other = 0  ──▶  store settled, release who waits
 *                    │ not yet: ask for DRAINED, go on with other work │ the same
 *
 * Eager: the drain begins as soon as a group is durable, and where no reader is about it ends at once, so that later origin
 * writes find the chunk settled. One drain per bucket at a time; what comes meanwhile takes the next one. Only the flip
 * bounds the wait: with one counter, readers of other chunks could hold it above 0 for ever.
 */
import { assert } from "../base/assert.ts";
import type { Needs } from "./need.ts";
import { DrainPhase } from "./settle-buckets.ts";
import type { PendingException, Snapshot } from "./snapshot.ts";

export class Settler {
  readonly #needs: Needs;

  constructor(needs: Needs) {
    this.#needs = needs;
  }

  /** The exception is durable, and its entry was stored before. `advance` follows, once for a whole group. */
  add(pending: PendingException): void {
    const { snapshot } = pending;
    snapshot.progress.buckets.add(snapshot.config.ports.tracking.bucketOf(pending.oldChunk), pending);
  }

  /** A group was added, or DRAINED came: go as far as the counters allow. */
  advance(snapshot: Snapshot, bucket: number): void {
    const { buckets } = snapshot.progress;
    const { tracking } = snapshot.config.ports;
    for (;;) {
      if (buckets.phase[bucket] === DrainPhase.Idle) {
        if (!buckets.begin(bucket)) return;
        buckets.phase[bucket] = DrainPhase.BeforeFlip;
      }
      // The counter that new readers do not use: before the flip the idle one, after it the one they have just left.
      if (!isDrained(snapshot, bucket)) return;
      if (buckets.phase[bucket] === DrainPhase.BeforeFlip) {
        tracking.flip(bucket);
        buckets.phase[bucket] = DrainPhase.AfterFlip;
      } else {
        this.#settle(snapshot, bucket);
        buckets.phase[bucket] = DrainPhase.Idle;
      }
    }
  }

  #settle(snapshot: Snapshot, bucket: number): void {
    const { table } = snapshot.config.ports;
    const { buckets } = snapshot.progress;
    for (let pending = buckets.take(bucket); pending !== null; pending = buckets.take(bucket)) {
      assert(pending.visible && pending.durable, "what settles is in the table, and on the disk (C-24)");
      table.settle(pending.oldChunk);
      this.#needs.end(pending.keepers, 0);
      snapshot.progress.pending.give(pending);
    }
  }
}

/** Ask for DRAINED before looking the second time, so that no wake-up is lost (C-5). */
function isDrained(snapshot: Snapshot, bucket: number): boolean {
  const { tracking } = snapshot.config.ports;
  const quiet = 1 - tracking.parity(bucket);
  if (tracking.readers(bucket, quiet) === 0) return true;
  tracking.awaitDrain(bucket);
  return tracking.readers(bucket, quiet) === 0;
}
