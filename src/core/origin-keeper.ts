/**
 * Keeps the old data of a range of the origin in every snapshot that needs it (E-13…E-15, C-33).
 *
 * For each snapshot, the largest chunk first, and each chunk of the range, ascending: settled, nothing to do; pending, wait
 * for it and demand its commit; neither, allocate an exception and copy. The caller's need waits for all of it, and then its
 * token looks again from the top. A snapshot without room turns Invalid, and the need waits for that instead (S-70).
 *
 * One need asks for a limited number of chunks per snapshot at once, and stops at the limit of copies in flight (E-25).
 */
import { errno } from "../base/errno.ts";
import { EntryState } from "../base/states.ts";
import { type Chunk, divFloor, SECTOR_BYTES, type Sector } from "../base/units.ts";
import { claimReserved, isClaimable } from "./claims.ts";
import type { CoreContext } from "./context.ts";
import type { CopyPlanner } from "./copy-planner.ts";
import type { Drops } from "./drop.ts";
import type { Need } from "./need.ts";
import type { PendingException } from "./pending-exception.ts";
import type { Reclaims } from "./reclaim.ts";
import type { Snapshot } from "./snapshot.ts";

export class OriginKeeper {
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

  /**
   * The need waits for whatever is missing. Returns the snapshot whose limit stopped it, if one did; `limited` false:
   * no limit, for the core's own needs.
   */
  keep(need: Need, sector: Sector, sectors: Sector, limited: boolean): Snapshot | undefined {
    let full: Snapshot | undefined;
    for (const snapshot of this.#context.listed) {
      if (!snapshot.preserves) continue;
      if (snapshot.dropping) this.#context.needs.wait(snapshot.dropKeepers, need);
      else if (snapshot.starting) this.#context.needs.wait(snapshot.transition, need);
      else if (this.#keepIn(snapshot, need, sector, sectors, limited)) full = snapshot;
    }
    this.#planner.flush();
    return full;
  }

  /** See `Core.claimOrigin`; the pending exception, whose data is there, or undefined: it was not taken. */
  claim(
    snapshot: Snapshot | undefined,
    need: Need,
    chunk: Chunk,
    newChunk: Chunk,
    epoch: number,
  ): PendingException | undefined {
    if (snapshot === undefined || !isClaimable(snapshot, chunk, epoch)) return undefined;
    const pending = claimReserved(snapshot, chunk, newChunk);
    if (pending === undefined) return undefined;
    const { chunkSectors } = snapshot.geometry;
    const sectors = Math.min(chunkSectors, this.#context.originSectors - chunk * chunkSectors);
    snapshot.counters.copies += 1;
    snapshot.counters.bytesCopied += sectors * SECTOR_BYTES;
    this.#join(snapshot, need, pending);
    return pending;
  }

  /** The need waits until the exception is settled, and somebody waits for its commit. */
  #join(snapshot: Snapshot, need: Need, pending: PendingException): void {
    this.#context.needs.wait(pending.keepers, need);
    snapshot.demand(pending.sequence);
    this.#context.markDirty(snapshot);
  }

  /** True if the limit of copies in flight stopped it. */
  #keepIn(snapshot: Snapshot, need: Need, sector: Sector, sectors: Sector, limited: boolean): boolean {
    const { geometry, pending: pendings } = snapshot;
    const { table } = snapshot.config.ports;
    const { needs, options } = this.#context;
    const last = divFloor(sector + sectors - 1, geometry.chunkSectors);
    let asked = 0;
    for (let chunk = divFloor(sector, geometry.chunkSectors); chunk <= last; chunk++) {
      if (table.stateOf(chunk) === EntryState.Settled) continue;
      if (asked++ === options.chunksPerNeed) return false;
      let pending = pendings.get(chunk);
      if (pending === undefined) {
        if (limited && snapshot.copies >= options.cowThreshold) return true;
        const newChunk = snapshot.allocate();
        if (newChunk < 0) {
          if (this.#reclaims.wait(snapshot, need)) return false;
          this.#drops.begin(snapshot, errno.ENOSPC, true);
          needs.wait(snapshot.dropKeepers, need);
          return false;
        }
        pending = snapshot.begin(chunk, newChunk);
        this.#planner.add(pending);
      }
      this.#join(snapshot, need, pending);
    }
    return false;
  }
}
