/**
 * The core looks at itself: what is true between two events, whatever has happened before.
 *
 * Parts know their own truths (`verify` of the allocator, the queue, the buckets, the gates); here is what holds between them. It walks
 * everything, so it is behind VERIFY, which tests and the simulator turn on, and even there not after each event.
 */
import { assert } from "../base/assert.ts";
import { MAX_SNAPSHOTS } from "../base/constants.ts";
import { SnapshotState } from "../base/states.ts";
import type { CoreContext } from "./context.ts";
import type { Gates } from "./gates.ts";
import type { Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

/** Often enough to be near the event that broke something; seldom enough that a life of the simulator takes no longer. */
export const EVENTS_PER_VERIFY = 32;

/** A worker names a snapshot, be it there or not. */
export function assertIndex(index: number): void {
  assert(index >= 0 && index < MAX_SNAPSHOTS, "an index of a snapshot");
}

export function verifyCore(context: CoreContext, gates: Gates): void {
  gates.verify();
  for (const snapshot of context.listed) assert(snapshot.isListed, "what is listed may be");
  let merging = 0;
  for (const [index, snapshot] of context.snapshots.entries()) {
    if (snapshot === undefined) continue;
    assert(snapshot.index === index && snapshot.phase !== Phase.Gone, "a snapshot is in its slot until it is gone");
    assert(snapshot.isListed === context.listed.includes(snapshot), "what may be listed is");
    if (snapshot.state === SnapshotState.Merging) merging += 1;
    verifySnapshot(snapshot);
  }
  assert(merging <= 1, "one snapshot merges at a time (E-31)");
}

function verifySnapshot(snapshot: Snapshot): void {
  const { phase, persistent, progress, room, store, waiters, isEnding } = snapshot;
  store.allocator.verify();
  if (!isEnding) {
    assert(
      waiters.writersUntilInvalid.isEmpty && waiters.keepersUntilInvalid.isEmpty,
      "who waits for the end has one to wait for",
    );
    if (phase !== Phase.Invalid) progress.verify(persistent);
  }
  if (phase === Phase.Merging) assert(progress.isSettled, "what merges has nothing pending");
  if (phase === Phase.Invalid) assert(progress.queue.length === 0, "what is Invalid commits nothing");
  if (waiters.isForRoom) {
    assert(
      phase === Phase.Open || isEnding,
      "who waits for room does so while a snapshot is open, or until it is over",
    );
    assert(
      isEnding || room.isStalled || room.isAwaited,
      "who waits for room has been told to, or somebody is asked for it",
    );
  }
  if (!store.isReclaiming) assert(waiters.untilReclaimed.isEmpty, "who waits for reserves has some to wait for");
}
