/**
 * Turns the exceptions of one event into copies: read the origin once, write it to all who need it (E-18, E-27).
 *
 *   origin      │ chunk 4 │ chunk 5 │ chunk 6 │              one read
 *   snapshot A  ├─────────┴────4────┴─────────┤  (large)     one target
 *   snapshot B            ├────5────┼────6────┤  (small)     one target, if both chunks are neighbours on B's COW device, too
 *
 * Ranges that touch are joined, and cut at multiples of the largest copy: chunk sizes are powers of two, so no chunk but one
 * that is larger than that is cut. The end of the origin may cut its last chunk short: copy only what exists.
 */
import { assert } from "../base/assert.ts";
import { SECTOR_BYTES, divExact, type Sector } from "../base/units.ts";
import type { CoreContext } from "./context.ts";
import type { CopyJobs } from "./copy-jobs.ts";
import type { CopyTarget } from "./ports.ts";
import type { PendingException } from "./snapshot.ts";

/** One chunk to be copied: where it is on the origin, and how much of it there is. */
interface Span {
  readonly pending: PendingException;
  readonly start: Sector;
  readonly end: Sector;
}

/** A target that may still grow. */
interface GrowingTarget {
  readonly device: number;
  readonly sector: Sector;
  offsetSectors: Sector;
  sectors: Sector;
}

export class CopyPlanner {
  readonly #context: CoreContext;
  readonly #jobs: CopyJobs;
  readonly #copySectors: Sector;
  readonly #spans: Span[] = [];
  #mixed = false;

  constructor(context: CoreContext, jobs: CopyJobs) {
    this.#context = context;
    this.#jobs = jobs;
    this.#copySectors = divExact(context.options.copyBytes, SECTOR_BYTES);
  }

  /** An exception whose old data has to be copied. */
  add(pending: PendingException): void {
    const { chunkSectors } = pending.snapshot.geometry;
    const start = pending.oldChunk * chunkSectors;
    const end = Math.min(start + chunkSectors, this.#context.originSectors);
    assert(start < end, "the chunk lies on the origin");
    const last = this.#spans.at(-1);
    if (last !== undefined && last.start > start) this.#mixed = true;
    this.#spans.push({ pending, start, end });
    pending.snapshot.progress.copies += 1;
    pending.snapshot.progress.outstanding += 1;
  }

  /** Start the copies of all that was added. */
  flush(): void {
    const spans = this.#spans;
    if (this.#mixed) spans.sort((a, b) => a.start - b.start || b.end - a.end);
    this.#mixed = false;
    let first = 0;
    while (first < spans.length) {
      let end = spans[first]!.end;
      let next = first + 1;
      while (next < spans.length && spans[next]!.start <= end) end = Math.max(end, spans[next++]!.end);
      this.#copyRange(first, next, spans[first]!.start, end);
      first = next;
    }
    spans.length = 0;
  }

  /** Spans first … next-1 cover start … end without a gap. */
  #copyRange(first: number, next: number, start: Sector, end: Sector): void {
    for (let at = start; at < end; ) {
      const cut = Math.min(end, at - (at % this.#copySectors) + this.#copySectors);
      this.#copyPiece(first, next, at, cut);
      at = cut;
    }
  }

  #copyPiece(first: number, next: number, from: Sector, to: Sector): void {
    let targets: GrowingTarget[] = [];
    let parts: PendingException[] = [];
    let partTargets: number[] = [];
    for (let i = first; i < next; i++) {
      const { pending, start, end } = this.#spans[i]!;
      const partStart = Math.max(start, from);
      const sectors = Math.min(end, to) - partStart;
      if (sectors <= 0) continue;
      const { snapshot } = pending;
      const sector = pending.newChunk * snapshot.geometry.chunkSectors + partStart - start;
      let target = findTarget(targets, snapshot.device, sector, partStart - from);
      if (target < 0) {
        if (targets.length === this.#context.options.copyTargets) {
          this.#start(from, targets, parts, partTargets);
          [targets, parts, partTargets] = [[], [], []];
        }
        target = targets.push({ device: snapshot.device, sector, offsetSectors: partStart - from, sectors }) - 1;
      } else {
        targets[target]!.sectors += sectors;
      }
      assert(!pending.ready && !pending.dead, "what is copied has no data yet");
      parts.push(pending);
      partTargets.push(target);
      pending.partsLeft += 1;
      snapshot.counters.copiedBytes += sectors * SECTOR_BYTES;
    }
    this.#start(from, targets, parts, partTargets);
  }

  /** Read only what the targets cover. */
  #start(from: Sector, targets: GrowingTarget[], parts: PendingException[], partTargets: number[]): void {
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const { offsetSectors, sectors } of targets) {
      low = Math.min(low, offsetSectors);
      high = Math.max(high, offsetSectors + sectors);
    }
    for (const target of targets) target.offsetSectors -= low;
    assert(low < high && from + high <= this.#context.originSectors, "what is read lies on the origin");
    this.#jobs.startParts(from + low, high - low, targets as readonly CopyTarget[], parts, partTargets);
  }
}

/** The target of this device that ends exactly where the part begins, on both sides (E-27); -1 for none. */
function findTarget(targets: readonly GrowingTarget[], device: number, sector: Sector, offsetSectors: Sector): number {
  for (let i = targets.length - 1; i >= 0; i--) {
    const target = targets[i]!;
    if (target.device !== device) continue;
    const follows =
      target.sector + target.sectors === sector && target.offsetSectors + target.sectors === offsetSectors;
    return follows ? i : -1;
  }
  return -1;
}
