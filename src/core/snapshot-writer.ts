/**
 * Writes on a snapshot to chunks that have no visible exception (E-5…E-9, C-12).
 *
 *   needChunk ──▶ whole chunk: grant ──▶ worker writes at the new chunk ──▶ written ──▶ visible ──▶ release: done
 *             ──▶ a part: copy the chunk ──▶ visible ──▶ release: look again, and write the COW device
 *             ──▶ pending already: wait for that
 *
 * No space: a store P turns Invalid, PO overflows, and the write gets ENOSPC (E-8). A file system that is full under the COW file
 * is the same, but is known only once the data has been written (overflow.ts).
 */
import { errno } from "../base/errno.ts";
import { EntryState, SnapshotState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import { claimReserved, isClaimable, takesReserves } from "./claims.ts";
import type { CoreContext } from "./context.ts";
import type { CopyPlanner } from "./copy-planner.ts";
import type { Drops } from "./drop.ts";
import type { Need } from "./need.ts";
import { overflow } from "./overflow.ts";
import type { PendingException } from "./pending-exception.ts";
import type { Reclaims } from "./reclaim.ts";
import type { Snapshot } from "./snapshot.ts";

/** Reserves are given only while so many times more chunks are free. */
const RESERVE_MARGIN = 16;

export class SnapshotWriter {
  readonly #context: CoreContext;
  readonly #drops: Drops;
  readonly #planner: CopyPlanner;
  readonly #reclaims: Reclaims;

  constructor(context: CoreContext, drops: Drops, planner: CopyPlanner, reclaims: Reclaims) {
    this.#context = context;
    this.#drops = drops;
    this.#planner = planner;
    this.#reclaims = reclaims;
  }

  /** The need waits for what it asked for, or is given its end. True: the limit of copies in flight stopped it (E-25). */
  ask(snapshot: Snapshot, need: Need): boolean {
    const { needs } = this.#context;
    const { chunk } = need;
    if (snapshot.dropping) needs.wait(snapshot.dropWriters, need);
    else if (snapshot.starting) needs.wait(snapshot.transition, need);
    else if (snapshot.state === SnapshotState.Overflow) need.error = errno.EIO;
    else if (snapshot.state === SnapshotState.Merging) return false;
    else if (snapshot.state !== SnapshotState.Active) need.error = errno.EIO;
    else if (snapshot.config.ports.table.stateOf(chunk) === EntryState.None) return this.#start(snapshot, need);
    return false;
  }

  /** See `Core.reserve`. */
  reserve(snapshot: Snapshot, count: number): readonly (readonly [Chunk, number])[] {
    const runs: [Chunk, number][] = [];
    if (!takesReserves(snapshot)) return runs;
    for (let i = 0; i < count; i++) {
      const chunk = snapshot.allocator.reserve(RESERVE_MARGIN * count);
      if (chunk < 0) break;
      const last = runs[runs.length - 1];
      if (last !== undefined && last[0] + last[1] === chunk) last[1] += 1;
      else runs.push([chunk, 1]);
    }
    return runs;
  }

  /** See `Core.claim`; the pending exception, whose data is there, or undefined: the need has its end. */
  claim(snapshot: Snapshot, need: Need, chunk: Chunk, newChunk: Chunk, epoch: number): PendingException | undefined {
    if (!isClaimable(snapshot, chunk, epoch)) {
      need.error = errno.EAGAIN;
      return undefined;
    }
    const pending = claimReserved(snapshot, chunk, newChunk);
    // There is a chunk but no slot for it (S-42): asking again would not help.
    if (pending === undefined) {
      this.#noSpace(snapshot, need);
      return undefined;
    }
    pending.grant = need;
    need.remaining += 1;
    snapshot.counters.grants += 1;
    return pending;
  }

  #start(snapshot: Snapshot, need: Need): boolean {
    const { needs, options, effects } = this.#context;
    const { chunk } = need;
    const joined = snapshot.pending.get(chunk);
    if (joined !== undefined) {
      needs.wait(joined.writers, need);
      return false;
    }
    const grant = need.whole || (options.grantParts && need.fills);
    if (!grant && snapshot.copies >= options.cowThreshold) return true;
    const newChunk = snapshot.allocate();
    if (newChunk < 0) {
      if (this.#reclaims.wait(snapshot, need)) return false;
      this.#noSpace(snapshot, need);
      return false;
    }
    const pending = snapshot.begin(chunk, newChunk);
    if (grant) {
      pending.grant = need;
      need.remaining += 1;
      pending.partsLeft = 1;
      snapshot.outstanding += 1;
      snapshot.counters.grants += 1;
      effects.grant(need.token, snapshot.index, chunk, newChunk, need.whole);
    } else {
      needs.wait(pending.writers, need);
      this.#planner.add(pending);
      this.#planner.flush();
    }
    return false;
  }

  /** Nothing is left to take back: Overflow, or the end of the snapshot (E-8). */
  #noSpace(snapshot: Snapshot, need: Need): void {
    need.error = errno.ENOSPC;
    if (snapshot.config.store === "PO") {
      overflow(this.#context, snapshot);
      return;
    }
    this.#drops.begin(snapshot, errno.ENOSPC, true);
    this.#context.needs.wait(snapshot.dropKeepers, need);
  }
}
