/**
 * One step of a merge: from choosing the exceptions to their end (E-32, C-33…C-37, S-60…S-64, S-68, S-69).
 *
 *   choose (read areas) ──▶ keep in the other snapshots ──▶ close the gates, drain, store the range, open
 *     ──▶ copy COW → origin, flush origin, slice by slice ──▶ erase on disk, last area first ──▶ entries none, last first
 *     ──▶ clear the range ──▶ release the writes that met it
 *
 * Nothing in memory changes before the write that it stands for has succeeded. A failure before the first erasing write
 * leaves everything as it was. A failed erasing write leaves it open what is on disk: then the range stays closed to writes,
 * for a write that went to the COW device could be erased with its exception (`isOpen`). The retry erases what is left of the
 * failed step and reads nothing: an area that was erased after all reads as zeroes, and chunk 0 is the header.
 */
import { assert } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import { MetadataArea } from "../format/metadata-area.ts";
import type { CoreContext } from "./context.ts";
import type { CopyJobs } from "./copy-jobs.ts";
import { ORIGIN_WRITE_GATE, snapshotWriteGate } from "../base/gate-numbers.ts";
import { GateSet, type Gates } from "./gates.ts";
import { MergeCopier } from "./merge-copier.ts";
import type { MergePace } from "./merge-pace.ts";
import { lastRun, mergeWork, type MergeSegment, type MergeWork } from "./merge-plan.ts";
import { MergeWindow } from "./merge-window.ts";
import { NeedList, type Need } from "./need.ts";
import type { OriginKeeper } from "./origin-keeper.ts";
import { ORIGIN_DEVICE } from "./ports.ts";
import type { MetadataOwner, Snapshot } from "./snapshot.ts";

export class MergeStep implements MetadataOwner {
  readonly #context: CoreContext;
  readonly #snapshot: Snapshot;
  readonly #keeper: OriginKeeper;
  readonly #copies: CopyJobs;
  readonly #pace: MergePace;
  readonly #gates: GateSet;
  readonly #writers = new NeedList();
  readonly #segments: MergeSegment[] = [];
  #stage: "choose" | "keep" | "gates" | "slice" | "copy" | "flush" | "erase" | "wait" | "done" = "choose";
  #afterWait: "choose" | "slice" | "erase" = "choose";
  /** What it takes at most. */
  readonly #chunksMax: number;
  readonly #runsMax: number;
  /** Slots before which the next segment ends, in this area; its content, once it has been read. */
  #area: number;
  #to: number;
  #image: MetadataArea | undefined;
  #chosen = 0;
  #runs = 0;
  #work: MergeWork | undefined;
  #window: MergeWindow | undefined;
  #copier: MergeCopier | undefined;
  #rangeSet: boolean;
  #erasing = false;
  /** Erasing writes have begun, so what ends now is one of them and not the flush. */
  #written = false;
  #error = 0;

  /** `open`: the step before this one failed while it was erasing, and has left its range in place: this one ends it. */
  constructor(
    context: CoreContext,
    gates: Gates,
    keeper: OriginKeeper,
    copies: CopyJobs,
    pace: MergePace,
    snapshot: Snapshot,
    open: MergeStep | undefined,
  ) {
    this.#context = context;
    this.#snapshot = snapshot;
    this.#keeper = keeper;
    this.#copies = copies;
    this.#pace = pace;
    pace.look();
    this.#chunksMax = pace.stepChunks(snapshot.geometry.chunkSectors);
    this.#runsMax = pace.stepRuns;
    this.#gates = new GateSet(gates, [ORIGIN_WRITE_GATE, snapshotWriteGate(snapshot.index)]);
    this.#rangeSet = open !== undefined;
    if (open !== undefined) this.#takeOver(open);
    const area = snapshot.store.area!;
    this.#area = area.area;
    this.#to = area.committed;
    this.#image = area.metadata;
  }

  /** What the failed step has copied and not erased: its range has been closed since, so the copies are still good. */
  #takeOver(failed: MergeStep): void {
    this.#segments.push(...failed.#segments);
    this.#chosen = failed.#chosen;
    this.#stage = "erase";
  }

  /** It has ended, with `error` or without, or has found nothing to merge (`isEmpty`). */
  get done(): boolean {
    return this.#stage === "done";
  }

  get error(): number {
    return this.#error;
  }

  /** The store holds nothing any more. */
  get isEmpty(): boolean {
    return this.#chosen === 0;
  }

  /** It failed while it was erasing: nobody knows what is on disk, and its range stays closed to writes. */
  get isOpen(): boolean {
    return this.#erasing && this.#error !== 0;
  }

  /** A write has met the range: it waits for the end of the step, unless there is no range (any more). */
  wait(need: Need): void {
    if (this.#rangeSet && !this.done) this.#context.needs.wait(this.#writers, need);
  }

  /** It waits for room in another snapshot's store, which may be for ever, and has changed nothing yet: then it ends with ECANCELED. */
  cancel(): boolean {
    const waits = this.#stage === "keep" && this.#context.listed.some(({ waiters }) => waiters.isForRoom);
    if (waits) this.#fail(errno.ECANCELED);
    return waits;
  }

  advance(): boolean {
    switch (this.#stage) {
      case "choose":
        return this.#choose();
      case "keep":
        return this.#keep();
      case "gates":
        return this.#setRange();
      case "slice":
        return this.#slice();
      case "copy":
        return this.#copy();
      case "flush":
        return this.#flush();
      case "erase":
        return this.#erase();
      default:
        return false;
    }
  }

  metadataDone(snapshot: Snapshot, error: number, bytes: Uint8Array | undefined): void {
    // The channel is free for what growth has made possible (S-42).
    this.#context.markDirty(snapshot);
    this.#stage = this.#afterWait;
    if (error !== 0) this.#fail(error);
    else if (bytes !== undefined) this.#areaRead(new MetadataArea(bytes.slice()));
    else if (this.#written) this.#erased(snapshot);
  }

  /** An area behind the current one is full: anything else was not written by this store, and must not be copied. */
  #areaRead(image: MetadataArea): void {
    for (let slot = 0; slot < this.#to; slot++) if (image.newChunk(slot) === 0) return this.#fail(errno.EIO);
    this.#image = image;
  }

  #choose(): boolean {
    if (this.#to === 0) return this.#stepBack();
    if (this.#image === undefined) return this.#readArea();
    const chosen = this.#chosen;
    let from = this.#to;
    while (from > 0 && this.#runs < this.#runsMax && this.#chosen < this.#chunksMax) {
      const end = from;
      from = lastRun(this.#image, end, this.#chunksMax - this.#chosen);
      this.#chosen += end - from;
      this.#runs += 1;
    }
    assert(this.#chosen > chosen, "a step goes on while it has room");
    this.#segments.push({ area: this.#area, image: this.#image, from, to: this.#to });
    this.#to = from;
    if (this.#runs === this.#runsMax || this.#chosen === this.#chunksMax) this.#plan();
    return true;
  }

  /** S-60, but nothing in the store changes yet (S-68). */
  #stepBack(): boolean {
    if (this.#area === 0) {
      if (this.#chosen > 0) this.#plan();
      else this.#stage = "done";
      return true;
    }
    this.#area -= 1;
    this.#to = this.#snapshot.geometry.exceptionsPerArea;
    this.#image = undefined;
    return true;
  }

  #readArea(): boolean {
    const { geometry, index, channel } = this.#snapshot;
    if (channel.isBusy) return false;
    this.#stage = "wait";
    this.#afterWait = "choose";
    channel.start(this, {
      kind: "readArea",
      snapshot: index,
      position: geometry.areaPosition(this.#area),
      length: geometry.chunkBytes,
    });
    return true;
  }

  /** Everything is chosen: what is done with it is made out once. */
  #plan(): void {
    const work = mergeWork(this.#segments);
    this.#work = work;
    this.#window = new MergeWindow(this.#context, this.#keeper, this.#snapshot.geometry.chunkSectors, work.stretches);
    this.#stage = "keep";
  }

  /** C-33: every chunk settled in the other snapshots. */
  #keep(): boolean {
    const window = this.#window!;
    const changed = window.advance();
    if (window.isRefused) {
      this.#fail(errno.ECANCELED);
      return true;
    }
    if (!window.done) return changed;
    this.#copier = new MergeCopier(this.#context, this.#copies, this.#snapshot, this.#pace, this.#work!.runs);
    this.#stage = "gates";
    return true;
  }

  /** C-34: no write is in flight when the range is stored, so none has missed it. */
  #setRange(): boolean {
    if (!this.#gates.acquire()) return false;
    this.#snapshot.config.ports.words.setMergeRange(this.#work!.stretches);
    this.#rangeSet = true;
    this.#gates.release();
    this.#stage = "slice";
    return true;
  }

  /** One flush behind the other, where clients are about: none of them waits long behind any (E-26). */
  #slice(): boolean {
    this.#copier!.beginSlice();
    this.#stage = "copy";
    return true;
  }

  #copy(): boolean {
    const copier = this.#copier!;
    const started = copier.advance();
    if (!copier.done) return started;
    if (copier.error === 0) this.#stage = "flush";
    else this.#fail(copier.error);
    return true;
  }

  /** What was copied must be durable on the origin before its exceptions are erased (S-63): each slice of it. */
  #flush(): boolean {
    if (this.#snapshot.channel.isBusy) return false;
    this.#stage = "wait";
    this.#afterWait = this.#copier!.isWhole ? "erase" : "slice";
    this.#snapshot.channel.start(this, { kind: "flush", snapshot: this.#snapshot.index, device: ORIGIN_DEVICE });
    return true;
  }

  /** S-64: the last area first; each is applied when its write has succeeded. */
  #erase(): boolean {
    const snapshot = this.#snapshot;
    const segment = this.#segments[0];
    if (segment === undefined) {
      this.#end(0);
      return true;
    }
    if (snapshot.channel.isBusy) return false;
    this.#erasing = true;
    this.#written = true;
    this.#stage = "wait";
    this.#afterWait = "erase";
    const write = snapshot.store.area!.eraseOf(segment.area, segment.image.bytes.slice(), segment.from, segment.to);
    snapshot.channel.start(this, {
      kind: "commit",
      snapshot: snapshot.index,
      zeroArea: -1,
      zeroPosition: 0,
      zeroBytes: 0,
      position: write.position,
      bytes: write.bytes,
    });
    return true;
  }

  /** C-37: entries none, last first. */
  #erased(snapshot: Snapshot): void {
    const { area, image, from, to } = this.#segments.shift()!;
    for (let slot = to - 1; slot >= from; slot--) snapshot.config.ports.table.remove(image.oldChunk(slot));
    snapshot.store.area!.shrunk(area, image, from);
    snapshot.store.mergeNextFree = snapshot.geometry.areaChunk(area) + from + 1;
  }

  #fail(error: number): void {
    this.#error = error;
    this.#end(error);
  }

  /** Clear the range, then release: the writes look again, and find the origin, or (E-33) the COW device still. */
  #end(error: number): void {
    this.#stage = "done";
    const { needs } = this.#context;
    if (this.isOpen) {
      needs.end(this.#writers, error);
      return;
    }
    if (this.#rangeSet) this.#snapshot.config.ports.words.clearMergeRange();
    needs.end(this.#writers, 0);
  }
}
