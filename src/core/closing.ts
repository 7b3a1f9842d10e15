/**
 * The end: everything that is under way ends, everything is committed, every COW device is flushed (E-42).
 *
 * The shell has stopped to accept requests, and waits for those it has; their needs are still served. A merge stops after the
 * step in progress, and stays presented: what is on disk is a valid shorter store (S-65).
 */
import { assert } from "../base/assert.ts";
import type { CoreContext, Operation } from "./context.ts";
import type { CopyJobs } from "./copy-jobs.ts";
import type { MetadataOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export class Closing implements Operation, MetadataOwner {
  readonly #context: CoreContext;
  readonly #copies: CopyJobs;
  readonly #operation: number;
  #stage: "drain" | "flush" | "done" = "drain";
  #flushes = 0;
  #error = 0;

  constructor(context: CoreContext, copies: CopyJobs, operation: number) {
    this.#context = context;
    this.#copies = copies;
    this.#operation = operation;
    context.closing = true;
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  advance(): boolean {
    return this.#stage === "drain" ? this.#drain() : this.#end();
  }

  metadataDone(_snapshot: Snapshot, error: number): void {
    assert(this.#flushes > 0, "no more flushes end than were begun");
    this.#flushes -= 1;
    if (error !== 0) this.#error = error;
  }

  #drain(): boolean {
    let changed = false;
    for (const snapshot of this.#open()) {
      if (snapshot.progress.demandAll()) {
        this.#context.markDirty(snapshot);
        changed = true;
      }
    }
    if (!this.#isQuiet()) return changed;
    this.#stage = "flush";
    for (const snapshot of this.#open()) {
      if (!snapshot.persistent || snapshot.phase === Phase.Invalid) continue;
      this.#flushes += 1;
      snapshot.channel.start(this, { kind: "flush", snapshot: snapshot.index, device: snapshot.device });
    }
    return true;
  }

  /** Nothing but this operation, and merges that have stopped, is left. */
  #isQuiet(): boolean {
    const { operations } = this.#context;
    if (this.#copies.underWay > 0) return false;
    if (operations.some((operation) => operation !== this && !operation.done && operation.isIdle !== true))
      return false;
    return this.#open().every(
      ({ progress, channel, isEnding }) =>
        progress.outstanding === 0 && progress.queue.length === 0 && !channel.isBusy && !isEnding,
    );
  }

  #end(): boolean {
    if (this.#flushes > 0) return false;
    this.#stage = "done";
    for (const { progress } of this.#open()) assert(progress.outstanding === 0, "nothing is copied when all is closed");
    this.#context.effects.finished(this.#operation, this.#error, this.#error === 0 ? "" : "cannot flush a cow device");
    return true;
  }

  #open(): readonly Snapshot[] {
    return this.#context.snapshots.filter((snapshot) => snapshot !== undefined);
  }
}
