/**
 * The core's settings, as plain numbers: the core has no clock, so what is about time is the shell's.
 */
import {
  COW_THRESHOLD,
  GROUP_COUNT_MAX,
  HEADER_WRITE_ATTEMPTS,
  MAX_CHUNKS_PER_NEED,
  MAX_COPY_BYTES,
  MAX_COPY_TARGETS,
  MERGE_CHUNKS_PER_STEP,
  MERGE_COPIES,
  MERGE_RUNS_PER_STEP,
  MERGE_SLICE_BYTES,
  MERGE_WINDOW_CHUNKS,
} from "../base/constants.ts";

export interface CoreOptions {
  /** S-57: acknowledge a snapshot write once its exception is visible. Off: exactly S-51…S-53. */
  readonly early: boolean;
  /** The shell calls `turn` after each batch of events, and commits are formed only there: larger groups, fewer writes. */
  readonly turns: boolean;
  /** Chunk copies in flight per snapshot (E-25). */
  readonly cowThreshold: number;
  /** A group of this many exceptions is written without a waiter, and none is larger (S-54). */
  readonly groupCount: number;
  /** Chunks that one origin write asks for at once. */
  readonly chunksPerNeed: number;
  /** The most that one copy reads (E-27); a chunk that is larger is copied in parts. */
  readonly copyBytes: number;
  readonly copyTargets: number;
  readonly headerAttempts: number;
  /** Let the worker that needs a part of a chunk copy the rest by itself, instead of a copy worker. */
  readonly fills: boolean;
  /** Chunks that one step of a merge takes at most; their origin range is closed to writes meanwhile. */
  readonly mergeChunks: number;
  /** Runs of them that it takes at most, in the order of the store. */
  readonly mergeRuns: number;
  /** S-69: one step of a merge takes runs from several areas, ordered by origin position. Off: S-60…S-64, run by run. */
  readonly mergeBatches: boolean;
  /** After each step a merge waits for `mergeContinue`, so that the shell can keep to a share of the time (E-26). */
  readonly mergePaced: boolean;
  /** Chunks that a step asks the other snapshots to keep at a time. */
  readonly mergeWindow: number;
  /** Copies of a merge under way at a time. */
  readonly mergeCopies: number;
  /** Bytes that a merge copies from one flush of the origin to the next while clients are about: whole blocks of every device. */
  readonly mergeSliceBytes: number;
  /** Nothing may be written: a snapshot that merges is presented, and its merge rests. */
  readonly readOnly: boolean;
  /** The origin is only read, of a medium that may have no flush. */
  readonly originReadOnly: boolean;
}

export const DEFAULT_CORE_OPTIONS: CoreOptions = {
  early: true,
  turns: false,
  cowThreshold: COW_THRESHOLD,
  groupCount: GROUP_COUNT_MAX,
  chunksPerNeed: MAX_CHUNKS_PER_NEED,
  copyBytes: MAX_COPY_BYTES,
  copyTargets: MAX_COPY_TARGETS,
  headerAttempts: HEADER_WRITE_ATTEMPTS,
  fills: false,
  mergeChunks: MERGE_CHUNKS_PER_STEP,
  mergeRuns: MERGE_RUNS_PER_STEP,
  mergeBatches: true,
  mergePaced: false,
  mergeWindow: MERGE_WINDOW_CHUNKS,
  mergeCopies: MERGE_COPIES,
  mergeSliceBytes: MERGE_SLICE_BYTES,
  readOnly: false,
  originReadOnly: false,
};

/** E-26: milliseconds to rest after `busy` milliseconds of background copying, so that it takes `percent` (1–100) of the time. */
export function throttleRest(busy: number, percent: number): number {
  return (busy * (100 - percent)) / percent;
}
