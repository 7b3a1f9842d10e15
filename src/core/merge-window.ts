/**
 * Has the other snapshots keep what a step of a merge is about to overwrite: each chunk settled there (C-33).
 *
 *   stretches of the origin ──▶ parts ──▶ window: asked, not yet settled ──▶ found settled
 *                               one copy each    bounded; oldest first
 *
 * One part after the other would cost a commit each. A window of them is copied side by side, and what has been copied while a
 * commit was in flight shares the next one. Exceptions settle in the order in which they were asked for, or nearly (a tracked read holds
 * one up), so only the oldest part is looked at. Its end is permission to look again (C-11): a part may have been asked in pieces, and a
 * snapshot that was on its way to something else was only waited for.
 */
import { MERGE_WINDOW_BYTES } from "../base/constants.ts";
import { divFloor, SECTOR_BYTES, type Chunk, type Sector } from "../base/units.ts";
import type { CoreContext } from "./context.ts";
import { OWN_TOKEN, type Need } from "./need.ts";
import type { OriginKeeper } from "./origin-keeper.ts";
import type { ChunkStretch } from "./ports.ts";

/** A part that was not settled when it was looked at. */
interface AskedPart {
  readonly sector: Sector;
  readonly sectors: Sector;
  readonly chunks: number;
  need: Need;
}

export class MergeWindow {
  readonly #context: CoreContext;
  readonly #keeper: OriginKeeper;
  readonly #chunkSectors: Sector;
  readonly #stretches: readonly ChunkStretch[];
  readonly #asked: AskedPart[] = [];
  /** Chunks in the window, and how many there may be. */
  #chunks = 0;
  readonly #chunksMax: number;
  /** Chunks that one copy takes, if they lie side by side. */
  readonly #chunksPerPart: number;
  /** What is asked for next: a stretch, and a chunk in it. */
  #stretch = 0;
  #chunk: Chunk = 0;
  /** A snapshot that stalls has no room, and nobody waits for any: the volume closes. Nothing may be merged then. */
  isRefused = false;

  constructor(context: CoreContext, keeper: OriginKeeper, chunkSectors: Sector, stretches: readonly ChunkStretch[]) {
    const { mergeWindow, copyBytes } = context.options;
    const chunkBytes = chunkSectors * SECTOR_BYTES;
    this.#context = context;
    this.#keeper = keeper;
    this.#chunkSectors = chunkSectors;
    this.#stretches = stretches;
    this.#chunksMax = Math.max(1, Math.min(mergeWindow, divFloor(MERGE_WINDOW_BYTES, chunkBytes)));
    this.#chunksPerPart = Math.max(1, divFloor(copyBytes, chunkBytes));
    this.#chunk = stretches[0]?.first ?? 0;
  }

  /** Every chunk has been found settled. */
  get done(): boolean {
    return this.#asked.length === 0 && this.#stretch === this.#stretches.length;
  }

  /** Look whether the oldest parts have settled, and ask for further ones; true if anything was. */
  advance(): boolean {
    let changed = false;
    while (this.#asked.length > 0 && this.#asked[0]!.need.remaining === 0) {
      this.#lookAgain(this.#asked[0]!);
      changed = true;
    }
    while (this.#stretch < this.#stretches.length && this.#chunks < this.#chunksMax) {
      this.#askNext();
      changed = true;
    }
    return changed;
  }

  #lookAgain(part: AskedPart): void {
    if (part.need.error !== 0) this.isRefused = true;
    this.#context.needs.give(part.need);
    const need = this.#ask(part.sector, part.sectors);
    if (need !== undefined) {
      part.need = need;
      return;
    }
    this.#asked.shift();
    this.#chunks -= part.chunks;
  }

  /** A part ends where its stretch does, where a copy would be cut, or where the window is full. */
  #askNext(): void {
    const { first, count } = this.#stretches[this.#stretch]!;
    const chunk = this.#chunk;
    const cut = chunk - (chunk % this.#chunksPerPart) + this.#chunksPerPart;
    const end = Math.min(first + count, cut, chunk + this.#chunksMax - this.#chunks);
    const sector = chunk * this.#chunkSectors;
    const sectors = Math.min(end * this.#chunkSectors, this.#context.originSectors) - sector;
    const need = this.#ask(sector, sectors);
    if (need !== undefined) {
      this.#asked.push({ sector, sectors, chunks: end - chunk, need });
      this.#chunks += end - chunk;
    }
    this.#chunk = end;
    if (end < first + count) return;
    this.#stretch += 1;
    this.#chunk = this.#stretches[this.#stretch]?.first ?? 0;
  }

  /** What the part waits for; undefined: it is settled everywhere. */
  #ask(sector: Sector, sectors: Sector): Need | undefined {
    const { needs } = this.#context;
    const need = needs.take(OWN_TOKEN);
    this.#keeper.keepRange(need, sector, sectors);
    needs.done(need, 0);
    if (need.error !== 0) this.isRefused = true;
    if (need.remaining > 0) return need;
    needs.give(need);
    return undefined;
  }
}
