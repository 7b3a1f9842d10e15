/**
 * Chunks that a worker has filled before the core knows of their exceptions: what makes the core take one (S-45).
 *
 *   worker fills a reserved chunk ──▶ claimable? ──▶ the exception is pending, its data is there
 *                                        └─ no: somebody else has made it, the epoch has changed, the snapshot is not open
 *
 * An exception comes into being here, as by an allocation, so the order of claims is the order of commits (S-41). Until then nobody
 * has overwritten the old data on the origin: an origin write waits for an exception, which would have been found.
 */
import { EntryState, SnapshotState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import type { PendingException } from "./pending-exception.ts";
import type { Snapshot } from "./snapshot.ts";

/** Nothing keeps new exceptions from being made. */
export function takesReserves(snapshot: Snapshot): boolean {
  return (
    snapshot.state === SnapshotState.Active &&
    !snapshot.dropping &&
    !snapshot.starting &&
    !snapshot.removing &&
    !snapshot.reclaiming
  );
}

/** The chunk has no exception, and reserves of this epoch are good. */
export function isClaimable(snapshot: Snapshot, chunk: Chunk, epoch: number): boolean {
  return (
    takesReserves(snapshot) &&
    epoch === snapshot.reserveEpoch &&
    snapshot.pending.get(chunk) === undefined &&
    snapshot.config.ports.table.stateOf(chunk) === EntryState.None
  );
}

/**
 * The exception, with one part under way that the caller ends; undefined: there is no slot for it (S-42) or no
 * room in the table, nothing has changed.
 */
export function claimReserved(snapshot: Snapshot, chunk: Chunk, newChunk: Chunk): PendingException | undefined {
  if (!snapshot.claim(newChunk)) return undefined;
  const pending = snapshot.begin(chunk, newChunk);
  pending.partsLeft = 1;
  snapshot.outstanding += 1;
  return pending;
}
