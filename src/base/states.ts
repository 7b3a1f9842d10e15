/**
 * The states that main stores and workers load: of a snapshot and of a chunk in it.
 *
 * The numbers are part of the shared-memory contract. `Visible` and `Settled` are the stages of S-57 that a
 * reader can tell apart; a chunk without an exception, or with one that is only allocated, is `None`.
 */

export const SnapshotState = {
  /** Not in use: the slot of a snapshot that does not exist. */
  Absent: 0,
  Active: 1,
  /** Full, store PO: reads go on, writes fail (E-2). */
  Overflow: 2,
  /** Dropped: every I/O fails (E-1). */
  Invalid: 3,
  /** Presented in place of the origin (E-30). */
  Merging: 4,
} as const;
export type SnapshotState = (typeof SnapshotState)[keyof typeof SnapshotState];

export const EntryState = {
  None: 0,
  /** Its data is on the COW device: snapshot I/O goes there. */
  Visible: 1,
  /** Durable, and drained of tracked reads: the origin may be overwritten (C-24). */
  Settled: 2,
} as const;
export type EntryState = (typeof EntryState)[keyof typeof EntryState];
