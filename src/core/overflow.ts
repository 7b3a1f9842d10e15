/**
 * A store PO without room: Overflow instead of Invalid (E-8, S-43).
 *
 * Room is missing in two ways. The allocator finds none, before anything has been done. Or the file system under a sparse COW
 * file has none, and says so when the data of an exception is written: too late to refuse it, early enough to leave it out (S-47). A quota that
 * is used up and a limit on the size of files are the same (`isNoRoom`).
 *
 *   queue    … ready, ready │ FULL │ copying, ready …        nobody has seen it: it is not in the table, not in any group
 *            … ready, ready │ copying, ready …               those behind it move up by a slot, in their order (S-41)
 *
 * Its new chunk and its slot are free again; what a failed write left in the chunk is overwritten by the next exception that
 * takes it, before that one is visible. Its sequence number stays unused: visible and durable numbers only ever name others.
 * With a stall (E-48) whoever waits for it waits on, until the file system has room. Else
 * the write that wanted it fails, whoever queued behind it too. An origin write that waits for it does not: it must not wait for
 * room, so then the snapshot turns Invalid (E-15), as it does for any other error.
 */
import { errno, isNoRoom } from "../base/errno.ts";
import { assert } from "../base/assert.ts";
import type { CoreContext } from "./context.ts";
import type { PendingException, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

/** Writes to new chunks are refused from now on, until the COW device grows. */
export function overflow(context: CoreContext, snapshot: Snapshot, error: number = errno.ENOSPC): void {
  if (snapshot.isFull) return;
  assert(snapshot.phase === Phase.Open || snapshot.phase === Phase.Starting, "what allocates may run full");
  snapshot.setFull(true);
  context.effects.notice(snapshot.index, "overflow", error);
}

/** The exception's data has found no room, and the snapshot may go on without it: nothing but snapshot writes waits for it, or whoever does may wait on. */
export function mayLeaveOut({ snapshot, error, keepers }: PendingException): boolean {
  const { overflows, stalls } = snapshot.room.policy;
  return (stalls || (overflows && keepers.isEmpty)) && isNoRoom(error) && !snapshot.isEnding;
}

/** All parts of its copy are over, or its granted write is: as if it had never been allocated. */
export function leaveOut(context: CoreContext, pending: PendingException): void {
  const { snapshot } = pending;
  assert(
    pending.partsLeft === 0 && !pending.visible,
    "nobody has seen what is left out, and nothing of it is under way",
  );
  if (snapshot.persistent) snapshot.progress.queue.remove(pending);
  snapshot.store.allocator.giveBack(pending.newChunk);
  snapshot.room.look();
  context.markDirty(snapshot);
  if (snapshot.room.policy.stalls) stall(context, pending);
  else refuse(context, pending);
  snapshot.progress.pending.give(pending);
}

function refuse(context: CoreContext, pending: PendingException): void {
  const { snapshot, grant, writers } = pending;
  overflow(context, snapshot, pending.error);
  pending.grant = null;
  if (grant !== null) context.needs.done(grant, errno.ENOSPC);
  context.needs.end(writers, errno.ENOSPC);
}

/** Whoever has waited for it waits for room; the write that had the chunk granted looks again, and waits then. */
function stall({ needs, stallsEnd }: CoreContext, pending: PendingException): void {
  const { snapshot, grant, writers, keepers, error } = pending;
  const { room, waiters } = snapshot;
  pending.grant = null;
  if (stallsEnd || snapshot.phase !== Phase.Open) {
    // The volume closes, or a merge starts: what merges needs no room.
    const end = stallsEnd ? errno.ENOSPC : 0;
    if (grant !== null) needs.done(grant, stallsEnd ? errno.ENOSPC : errno.EAGAIN);
    needs.end(writers, end);
    needs.end(keepers, end);
    return;
  }
  room.stall(error);
  needs.move(writers, waiters.writersUntilRoom);
  needs.move(keepers, waiters.keepersUntilRoom);
  if (grant !== null) needs.done(grant, errno.EAGAIN);
}
