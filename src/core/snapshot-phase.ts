/**
 * The one phase in which a snapshot is, and the ways from one to the next: everything that happens to it asks for this, and nothing else.
 *
 *   Opening ──▶ Open ⇄ Starting ──▶ Merging ──▶ Open               a merge: gates held, presented, handed back (E-30…E-36)
 *      │         │ └────────┴────────────┐
 *      │         │ user's drop           │ failed
 *      │         ▼                       ▼
 *      │      Dropping ────────▶ Invalidating ◀── Saving ◀── Open   no room: what is ready is committed first (S-70)
 *      │   (copies end, E-41)            │
 *      ▼                                 ▼
 *     Gone ◀────── user's drop ─────  Invalid ◀── Opening           its record or its header said so
 *
 * What workers see is a word of shared memory with fewer values (`SnapshotState`): it follows from the phase, and, while the snapshot
 * keeps the origin's old data, from whether it is full. Being full is no phase: a store PO runs full, and finds room again, in any of
 * them. An order of the user's is none either: it is an operation (drop.ts, merge.ts) that waits until the phase lets it go on.
 */
import { assert } from "../base/assert.ts";
import { SnapshotState } from "../base/states.ts";

export const Phase = {
  /** It is flushed, formatted and registered; nobody sees it. */
  Opening: 0,
  Open: 1,
  /** All gates are closed for a merge to start: no new exceptions (E-32). */
  Starting: 2,
  /** It is presented in place of the origin (E-30), and off the list. */
  Merging: 3,
  /** The user drops it (E-41): no new exceptions, what is under way ends. */
  Dropping: 4,
  /** On its way to Invalid, but what is ready is committed first. */
  Saving: 5,
  /** Record and header are written (S-70). */
  Invalidating: 6,
  Invalid: 7,
  /** Its slot is free. */
  Gone: 8,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** From each phase, where it may go. */
const NEXT: readonly (readonly Phase[])[] = [
  [Phase.Open, Phase.Invalid, Phase.Gone],
  [Phase.Starting, Phase.Dropping, Phase.Saving, Phase.Invalidating],
  [Phase.Open, Phase.Merging, Phase.Invalidating],
  [Phase.Open],
  [Phase.Invalidating],
  [Phase.Invalidating],
  [Phase.Invalid],
  [Phase.Gone],
  [],
];

export function assertTransition(from: Phase, to: Phase): void {
  assert(NEXT[from]!.includes(to), `a snapshot goes from phase ${nameOf(from)} to ${nameOf(to)}`);
}

/** On its way to Invalid: nothing new begins, what comes waits. */
export function isEnding(phase: Phase): boolean {
  return phase === Phase.Dropping || phase === Phase.Saving || phase === Phase.Invalidating;
}

/** Origin writes have to keep its old data (E-13): not yet, not any more, or not while it is in place of the origin. */
export function preserves(phase: Phase): boolean {
  return phase === Phase.Open || phase === Phase.Starting || isEnding(phase);
}

/** It is in the list that origin writes look through. */
export function isListed(phase: Phase): boolean {
  return preserves(phase) || phase === Phase.Invalid;
}

/** Exceptions may be made durable. */
export function mayCommit(phase: Phase): boolean {
  return phase === Phase.Open || phase === Phase.Starting || phase === Phase.Merging || phase === Phase.Saving;
}

/** What workers see. */
export function stateOf(phase: Phase, isFull: boolean): SnapshotState {
  if (phase === Phase.Opening || phase === Phase.Gone) return SnapshotState.Absent;
  if (phase === Phase.Invalid) return SnapshotState.Invalid;
  if (phase === Phase.Merging) return SnapshotState.Merging;
  return isFull ? SnapshotState.Overflow : SnapshotState.Active;
}

function nameOf(phase: Phase): string {
  return Object.keys(Phase)[phase]!;
}
