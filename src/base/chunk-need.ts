/**
 * How a write on a snapshot would have its chunk copied, as the core and the messages between threads carry it.
 *
 * A write that covers all of a chunk needs no old data. One that covers a part of it needs the rest: from a copy worker, or, where its
 * own worker is ready to, from there.
 */

export const ChunkNeed = {
  /** By a copy worker. */
  Copy: 0,
  /** Not at all: it covers the chunk (C-12). */
  Whole: 1,
  /** By its own worker, if the core lets it. */
  Fill: 2,
} as const;
export type ChunkNeed = (typeof ChunkNeed)[keyof typeof ChunkNeed];
