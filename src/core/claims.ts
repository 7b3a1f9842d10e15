/**
 * Chunks that workers hold in reserve: given out, claimed, and taken back before a store counts as full (S-44, S-45, S-46).
 *
 *   takeReserves ──▶ worker fills one ──▶ claimable? ──▶ the exception is pending, its data is there
 *                                            └─ no: somebody else has made it, the epoch has changed, the snapshot is not open
 *
 * An exception comes into being here, as by an allocation, so the order of claims is the order of commits (S-41). Until then nobody
 * has overwritten the old data on the origin: an origin write waits for an exception, which would have been found.
 */
import { assert } from "../base/assert.ts";
import { EntryState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import type { PendingException, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

/** Reserves are given only while so many times more chunks are free. */
const RESERVE_MARGIN = 16;

/** Runs of [first, count], `count` chunks together at most; none where space is short, or new exceptions are kept from being made. */
export function takeReserves(snapshot: Snapshot, count: number): readonly (readonly [Chunk, number])[] {
  const runs: [Chunk, number][] = [];
  // One that is filled while it stalls would fail, and who needs room would take it back, again and again (S-46, S-47).
  if (!hasReserves(snapshot) || snapshot.room.isStalled) return runs;
  for (let i = 0; i < count; i++) {
    const chunk = snapshot.store.allocator.reserve(RESERVE_MARGIN * count);
    if (chunk < 0) break;
    const last = runs[runs.length - 1];
    if (last !== undefined && last[0] + last[1] === chunk) last[1] += 1;
    else runs.push([chunk, 1]);
  }
  return runs;
}

/** The chunk has no exception, and reserves of this epoch are good. */
export function isClaimable(snapshot: Snapshot, chunk: Chunk, epoch: number): boolean {
  return (
    hasReserves(snapshot) &&
    epoch === snapshot.store.reserveEpoch &&
    snapshot.progress.pending.get(chunk) === undefined &&
    snapshot.config.ports.table.stateOf(chunk) === EntryState.None
  );
}

/**
 * The exception, with one part under way that the caller ends; undefined: there is no slot for it (S-42) or no
 * room in the table, nothing has changed.
 */
export function claimReserved(snapshot: Snapshot, chunk: Chunk, newChunk: Chunk): PendingException | undefined {
  assert(hasReserves(snapshot), "reserves are claimed where they are given");
  if (!snapshot.claim(newChunk)) return undefined;
  const pending = snapshot.begin(chunk, newChunk);
  pending.partsLeft = 1;
  snapshot.progress.outstanding += 1;
  return pending;
}

function hasReserves(snapshot: Snapshot): boolean {
  return snapshot.phase === Phase.Open && !snapshot.isFull && !snapshot.store.isReclaiming;
}
