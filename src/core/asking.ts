/**
 * What workers ask of main for a request that cannot go on by itself: a chunk that is to be kept, or that they have filled themselves.
 *
 *   needOrigin, needChunk ──▶ a need ──▶ parking: its turn (E-25) ──▶ origin-keeper, snapshot-writer
 *   claim, claimOrigin ─────▶ a need ──▶ snapshot-writer, origin-keeper: taken, or "look again" (S-45)
 *
 * What a message names may be gone when it comes (C-19); whoever waits is answered. Called by core.ts, inside of its events.
 */
import { assert } from "../base/assert.ts";
import { ChunkNeed } from "../base/chunk-need.ts";
import { errno } from "../base/errno.ts";
import type { Chunk, Sector } from "../base/units.ts";
import type { CoreContext } from "./context.ts";
import type { CopyEnds } from "./copy-ends.ts";
import type { OriginKeeper } from "./origin-keeper.ts";
import type { Parking } from "./parking.ts";
import type { SnapshotWriter } from "./snapshot-writer.ts";
import { assertIndex } from "./verify.ts";

export interface AskingParts {
  readonly keeper: OriginKeeper;
  readonly writer: SnapshotWriter;
  readonly parking: Parking;
  readonly ends: CopyEnds;
}

/** A chunk in reserve, of an epoch, that has been filled for one of the origin's. */
export interface FilledReserve {
  readonly chunk: Chunk;
  readonly newChunk: Chunk;
  readonly epoch: number;
}

export class Asking {
  readonly #context: CoreContext;
  readonly #parts: AskingParts;

  constructor(context: CoreContext, parts: AskingParts) {
    this.#context = context;
    this.#parts = parts;
  }

  needOrigin(token: number, sector: Sector, sectors: Sector): void {
    assert(sectors > 0 && sector + sectors <= this.#context.originSectors, "the range lies on the origin");
    const need = this.#context.needs.take(token);
    need.kind = "origin";
    need.sector = sector;
    need.sectors = sectors;
    this.#parts.parking.ask(need, undefined);
  }

  needChunk(token: number, index: number, chunk: Chunk, how: ChunkNeed): void {
    assertIndex(index);
    assert(how >= ChunkNeed.Copy && how <= ChunkNeed.Fill, "a way to have the chunk copied");
    const need = this.#context.needs.take(token);
    const snapshot = this.#context.snapshots[index];
    need.kind = "chunk";
    need.chunk = chunk;
    need.how = how;
    if (snapshot === undefined) need.error = errno.EIO;
    else assert(chunk * snapshot.geometry.chunkSectors < this.#context.originSectors, "the chunk lies on the origin");
    if (snapshot === undefined) this.#context.needs.done(need, 0);
    else this.#parts.parking.ask(need, snapshot);
  }

  claim(token: number, index: number, { chunk, newChunk, epoch }: FilledReserve): void {
    const need = this.#context.needs.take(token);
    const snapshot = this.#context.snapshots[index];
    if (snapshot === undefined) need.error = errno.EIO;
    else {
      const pending = this.#parts.writer.claim(snapshot, need, chunk, newChunk, epoch);
      if (pending !== undefined) this.#parts.ends.partDone(pending, 0);
    }
    this.#context.needs.done(need, 0);
  }

  claimOrigin(token: number, index: number, { chunk, newChunk, epoch }: FilledReserve): void {
    const need = this.#context.needs.take(token);
    const pending = this.#parts.keeper.claim(this.#context.snapshots[index], need, chunk, newChunk, epoch);
    if (pending === undefined) need.error = errno.EAGAIN;
    else this.#parts.ends.partDone(pending, 0);
    this.#context.needs.done(need, 0);
  }
}
