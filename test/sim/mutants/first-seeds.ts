/**
 * Where the search for a mutant begins: at the life that found it when it was last looked for from the first one on. Others begin there.
 *
 * It goes on from there, within the limits of run.ts. A change of the simulator makes other lives: then a mutant may take longer again, and
 * its number is worth another look.
 */
export const FIRST_SEEDS: Readonly<Record<string, number>> = {
  "origin write released before the commit": 5,
  "flush answered before its exceptions are durable (W_FLUSH)": 5,
  "tracked reads ignored (M_TRACK)": 9,
  "only one of the two counters waited for (W_OLD)": 9,
  "one counter of tracked reads (W_ONE)": 8,
  "a read does not look at the state after its I/O (W_INV, C-4)": 57,
  "settled when visible, without a commit, where nobody waits": 5,
  "stale tail kept (S-7)": 26,
  "area missed after growth (S-42)": 16,
  "last slot of an area given out without a next area (S-42)": 9,
  "creation does not wait for writes in flight (W_GEN)": 9,
  "an exception without room is made all the same (E-8)": 31,
  "merge without origin flush (S-63)": 6,
  "a failed origin flush is no failure": 31,
  "a failed erasing write counts as done (S-68)": 10,
  "range open to writes after a failed erasing write": 18,
  "a failed copy back counts as done": 19,
  "range set while writes are in flight (W_RANGE)": 13,
  "range never set": 9,
  "range cleared before the entries are gone (C-37)": 9,
  "other snapshots do not keep what the merge overwrites (C-33)": 6,
  "merge waits for the commit only, not for tracked reads (W_S2)": 9,
  "merge starts with exceptions that are not committed (W_VIS)": 34,
  "merge left without draining (W_REUSE)": 8,
  "the status value of S-64 used for allocation": 50,
  "entries of the wrong end removed": 6,
  "one exception too many erased": 6,
  "a worker writes the origin on visible (W_SETTLE)": 4,
  "a worker does not look at the state after a read (W_INV, C-4)": 4,
  "a read of the origin that is not tracked (C-1)": 4,
  "a flush without a flush of the device (W_PIGGY)": 5,
  "unmapped writes on the merging volume ask no other snapshot (E-30)": 6,
  "nobody tells main that a gate is empty": 4,
  "the shell loses the error of a granted write (E-9)": 7,
};
