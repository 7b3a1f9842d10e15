/**
 * Keeps the old data of a range of the origin in every snapshot that needs it (E-13…E-15, C-33).
 *
 * For each snapshot, the largest chunk first, and each chunk of the range, ascending: settled, nothing to do; pending, wait
 * for it and demand its commit; neither, allocate an exception and copy. The caller's need waits for all of it, and then its
 * token looks again from the top. A snapshot without room turns Invalid, and the need waits for that instead (S-70).
 *
 * One need asks for a limited number of chunks per snapshot at once, and stops at the limit of copies in flight (E-25).
 */
import { EntryState } from "../base/states.ts";
import { type Chunk, divFloor, SECTOR_BYTES, type Sector } from "../base/units.ts";
import { claimReserved, isClaimable } from "./claims.ts";
import type { CoreContext } from "./context.ts";
import type { CopyPlanner } from "./copy-planner.ts";
import type { Need } from "./need.ts";
import type { NoRoom } from "./room.ts";
import type { PendingException, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export class OriginKeeper {
  readonly #context: CoreContext;
  readonly #planner: CopyPlanner;
  readonly #noRoom: NoRoom;

  constructor(context: CoreContext, planner: CopyPlanner, noRoom: NoRoom) {
    this.#context = context;
    this.#planner = planner;
    this.#noRoom = noRoom;
  }

  /** The need waits for whatever is missing. Returns the snapshot whose limit stopped it, if one did. */
  keep(need: Need): Snapshot | undefined {
    return this.#keep(need, need.sector, need.sectors, this.#context.options.cowThreshold);
  }

  /** The same for a need of the core's own, which nothing limits. */
  keepRange(need: Need, sector: Sector, sectors: Sector): void {
    this.#keep(need, sector, sectors, Number.POSITIVE_INFINITY);
  }

  #keep(need: Need, sector: Sector, sectors: Sector, copiesMax: number): Snapshot | undefined {
    let full: Snapshot | undefined;
    for (const snapshot of this.#context.listed) {
      if (!snapshot.preserves) continue;
      const { waiters } = snapshot;
      if (snapshot.isEnding) this.#context.needs.wait(waiters.keepersUntilInvalid, need);
      else if (snapshot.phase === Phase.Starting) this.#context.needs.wait(waiters.untilPresented, need);
      else if (this.#keepIn(snapshot, need, sector, sectors, copiesMax)) full = snapshot;
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
    snapshot.counters.copiedBytes += sectors * SECTOR_BYTES;
    this.#join(snapshot, need, pending);
    return pending;
  }

  /** The need waits until the exception is settled, and somebody waits for its commit. */
  #join(snapshot: Snapshot, need: Need, pending: PendingException): void {
    this.#context.needs.wait(pending.keepers, need);
    snapshot.progress.demand(pending.sequence);
    this.#context.markDirty(snapshot);
  }

  /** True if the limit of copies in flight stopped it. */
  #keepIn(snapshot: Snapshot, need: Need, sector: Sector, sectors: Sector, copiesMax: number): boolean {
    const { geometry, progress } = snapshot;
    const { table } = snapshot.config.ports;
    const { options } = this.#context;
    const last = divFloor(sector + sectors - 1, geometry.chunkSectors);
    let asked = 0;
    for (let chunk = divFloor(sector, geometry.chunkSectors); chunk <= last; chunk++) {
      if (table.stateOf(chunk) === EntryState.Settled) continue;
      if (asked++ === options.chunksPerNeed) return false;
      let pending = progress.pending.get(chunk);
      if (pending === undefined) {
        if (progress.copies >= copiesMax) return true;
        const newChunk = snapshot.allocate();
        if (newChunk < 0) {
          this.#noRoom.forKeeper(snapshot, need);
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
