/**
 * Which exceptions one step of a merge takes, and in which order their data is copied (S-60…S-62, S-69).
 *
 *   area k     ├──────────────── stays ───────────────┤── taken ──┤
 *   area k+1   ├────────────────────── taken ─────────────────────┤      erased first
 *
 * A step takes the last exceptions of the store, whatever they are, so that what is on disk stays a valid shorter store. Run by
 * run, it takes the last one and those before it in the same area that are consecutive in both chunks; in batches, a
 * number of them over area borders, whose data is then copied in the order of the origin.
 *
 *   origin     ─────┤ run ├┤ run ├──────┤ run ├─────────    copied run by run: on the COW device the first two are apart
 *                   ├─ stretch ──┤      ├stretch┤           kept by the other snapshots, and closed to writes; nothing else is
 */
import type { Area, Chunk } from "../base/units.ts";
import type { MetadataArea } from "../format/metadata-area.ts";
import type { ChunkStretch } from "./ports.ts";

/** The last part of one area that a step takes: slots from … to-1; nothing stands behind them. */
export interface MergeSegment {
  readonly area: Area;
  readonly image: MetadataArea;
  readonly from: number;
  readonly to: number;
}

/** Consecutive in both chunks. */
export interface MergeRun {
  readonly oldChunk: Chunk;
  readonly newChunk: Chunk;
  readonly count: number;
}

/** What a step does, by origin position; made once for it. */
export interface MergeWork {
  readonly runs: readonly MergeRun[];
  readonly stretches: readonly ChunkStretch[];
}

/** The first slot of the run that ends at `to`, `limit` exceptions at most (S-61). */
export function lastRun(image: MetadataArea, to: number, limit: number): number {
  let from = to - 1;
  while (from > 0 && to - from < limit) {
    const oldFollows = image.oldChunk(from - 1) + 1 === image.oldChunk(from);
    const newFollows = image.newChunk(from - 1) + 1 === image.newChunk(from);
    if (!oldFollows || !newFollows) break;
    from -= 1;
  }
  return from;
}

export function mergeWork(segments: readonly MergeSegment[]): MergeWork {
  const runs = mergeRuns(segments);
  return { runs, stretches: stretchesOf(runs) };
}

function mergeRuns(segments: readonly MergeSegment[]): readonly MergeRun[] {
  const pairs: { oldChunk: Chunk; newChunk: Chunk }[] = [];
  for (const { image, from, to } of segments) {
    for (let slot = from; slot < to; slot++)
      pairs.push({ oldChunk: image.oldChunk(slot), newChunk: image.newChunk(slot) });
  }
  pairs.sort((a, b) => a.oldChunk - b.oldChunk);
  const runs: { oldChunk: Chunk; newChunk: Chunk; count: number }[] = [];
  for (const { oldChunk, newChunk } of pairs) {
    const last = runs.at(-1);
    if (last !== undefined && last.oldChunk + last.count === oldChunk && last.newChunk + last.count === newChunk)
      last.count += 1;
    else runs.push({ oldChunk, newChunk, count: 1 });
  }
  return runs;
}

/** Runs that lie side by side on the origin are one stretch. */
function stretchesOf(runs: readonly MergeRun[]): readonly ChunkStretch[] {
  const stretches: { first: Chunk; count: number }[] = [];
  for (const { oldChunk, count } of runs) {
    const last = stretches.at(-1);
    if (last !== undefined && last.first + last.count === oldChunk) last.count += count;
    else stretches.push({ first: oldChunk, count });
  }
  return stretches;
}
