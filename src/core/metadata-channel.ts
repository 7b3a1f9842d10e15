/**
 * One snapshot's way to the metadata worker: one job at a time, so that header and area writes never overlap (S-56).
 *
 *   owner            channel             shell
 *   start(job) ─────▶ busy ── metadata(job) ──▶
 *   metadataDone ◀── free ◀── metadataDone / areaRead ──
 *
 * Whoever finds the channel free may start a job, and is told how it ended. Whose turn it is follows from their conditions: a
 * store that is being dropped commits no more, a merging one has nothing to commit.
 */
import { assert } from "../base/assert.ts";
import type { SnapshotCounters } from "./counters.ts";
import type { Effects, MetadataJob } from "./ports.ts";

export interface JobOwner<Owner> {
  /** `bytes`: content of an area that was read; valid during the call only. */
  metadataDone(snapshot: Owner, error: number, bytes: Uint8Array | undefined): void;
}

/** `Owner`: the snapshot, of which this file needs to know nothing. */
export class MetadataChannel<Owner> {
  readonly #snapshot: Owner;
  readonly #counters: SnapshotCounters;
  readonly #effects: Effects;
  #owner: JobOwner<Owner> | undefined;

  constructor(snapshot: Owner, counters: SnapshotCounters, effects: Effects) {
    this.#snapshot = snapshot;
    this.#counters = counters;
    this.#effects = effects;
  }

  get isBusy(): boolean {
    return this.#owner !== undefined;
  }

  start(owner: JobOwner<Owner>, job: MetadataJob): void {
    assert(this.#owner === undefined, "one metadata job at a time");
    this.#owner = owner;
    this.#counters.metadataBytes += bytesWritten(job);
    this.#effects.metadata(job);
  }

  ended(error: number, bytes: Uint8Array | undefined): void {
    const owner = this.#owner;
    assert(owner !== undefined, "a metadata job is under way");
    this.#owner = undefined;
    owner.metadataDone(this.#snapshot, error, bytes);
  }
}

function bytesWritten(job: MetadataJob): number {
  if (job.kind === "commit") return job.bytes.length + job.zeroBytes;
  if (job.kind === "format") return job.header.length + 2 * job.chunkBytes;
  return job.kind === "header" ? job.header.length : 0;
}
