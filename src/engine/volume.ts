/**
 * The library's one entry, and the volume as a program holds it: a light object before the one that runs (running-volume.ts).
 *
 *   program ──▶ Volume ──▶ RunningVolume ◀──▶ threads, timers, listener
 *
 * What runs does not hold the `Volume`, so the garbage collector finds one that was dropped without `close()`, and the program is warned,
 * as node warns of a FileHandle. Nothing is closed by it: clients would lose a volume at a time that nobody chose. Listeners are added
 * to what runs, so they go on hearing of it; in them `this` is what runs, which has the same methods. A listener that refers to the
 * `Volume`, and `once` of node:events while it waits, hold it: a program that has those has not lost it.
 */
import { EventEmitter } from "node:events";
import { printableLine } from "../base/printable.ts";
import { answering } from "./answering.ts";
import { forwardEvents } from "./forward-events.ts";
import type { MergeOptions } from "./merges.ts";
import { refusal } from "./refusal.ts";
import { RunningVolume } from "./running-volume.ts";
import type { VolumeStats } from "./stats.ts";
import { checkSurroundings } from "./surroundings.ts";
import type { ExportInfo, SnapshotStatus, VolumeEvents } from "./volume-events.ts";
import { completeOptions, type SnapshotOptions, type VolumeOptions } from "./volume-options.ts";
import { checkWorkerEntries } from "./worker-entry.ts";

export type { NoticeKind } from "../core/ports.ts";
export type { MergeOptions, MergeProgress } from "./merges.ts";
export type { SnapshotOptions, VolumeOptions } from "./volume-options.ts";
export type { ClientStats } from "./client-limits.ts";
export type { ExportInfo, SnapshotStatus, VolumeEvents } from "./volume-events.ts";
export type { ExportStats, SnapshotStats, VolumeStats, WorkerStats } from "./stats.ts";

export interface AbortOptions {
  readonly signal?: AbortSignal | undefined;
}

interface Dropped {
  readonly origin: string;
  /** Weak: its listeners may hold the `Volume`, which would then never be collected. */
  readonly running: WeakRef<RunningVolume>;
}

const registry = new FinalizationRegistry(({ origin, running }: Dropped) => {
  if (running.deref()?.isServing !== true) return;
  process.emitWarning(`the volume of ${printableLine(origin)} was dropped without close()`, {
    type: "SnapringWarning",
    code: "SNAPRING_DROPPED",
    detail: "It is served until the process ends. Keep the volume that openVolume gives, and await its close().",
  });
});

/** Who waits for an order has not dropped the volume. */
const underWay = new Map<Promise<void>, Volume>();

/**
 * Rejects with a SnapringError, or with an AbortError when `signal` has ended it; whatever was opened by then is closed again, and what was made
 * is removed.
 */
export async function openVolume(options: VolumeOptions, { signal }: AbortOptions = {}): Promise<Volume> {
  checkWorkerEntries();
  checkSurroundings();
  const complete = completeOptions(options);
  let running: RunningVolume | undefined;
  try {
    if (signal !== undefined) await answering([complete.origin, ...complete.snapshots.map(({ cow }) => cow)], signal);
    running = new RunningVolume(complete);
    await running.open(signal);
    return new Volume(running, complete.origin);
  } catch (error) {
    await running?.close().catch(() => {});
    throw refusal(error);
  }
}

export class Volume extends EventEmitter<VolumeEvents> implements AsyncDisposable {
  readonly #running: RunningVolume;

  /** Use `openVolume`. */
  constructor(running: RunningVolume, origin: string) {
    super();
    this.#running = running;
    forwardEvents(this, running);
    registry.register(this, { origin, running: new WeakRef(running) });
  }

  /** What clients may ask for. */
  get exports(): readonly ExportInfo[] {
    return this.#running.exports;
  }

  stats(): VolumeStats {
    return this.#running.stats();
  }

  /** Throws a SnapringError (ENOENT) for a name that no snapshot has. */
  status(name: string): SnapshotStatus {
    return this.#running.status(name);
  }

  /**
   * E-40: atomic against writes of clients; resolves when it is durable and served. Rejects with an AbortError when `signal` has ended it: then
   * there is no such snapshot, and no file that was made for it.
   */
  createSnapshot(options: SnapshotOptions, { signal }: AbortOptions = {}): Promise<void> {
    return this.#held(this.#running.createSnapshot(options, signal));
  }

  /** E-41: its header is invalid, durably, and its COW device released. */
  dropSnapshot(name: string): Promise<void> {
    return this.#held(this.#running.dropSnapshot(name));
  }

  /** E-45: the COW device has another size now; growth ends an overflow (S-43). Throws a SnapringError (EINVAL) if it lost used chunks. */
  growSnapshot(name: string): void {
    this.#running.growSnapshot(name);
  }

  /**
   * Rolls the origin back to a snapshot while both are served. Resolves when the snapshot is presented in place of the origin, and will be at
   * every opening until the merge has ended or is stopped. The end comes as a `snapshot` event, never before this resolves: "merged" when the
   * origin has been handed back (the snapshot is one of that moment then, and may be dropped), "merge-failed" where it has come to a rest, and
   * may be started again or stopped.
   */
  startMerge(name: string): Promise<void> {
    return this.#held(this.#running.startMerge(name));
  }

  /**
   * The same to its end: resolves when everything is merged and the origin handed back. A merge of this snapshot that is under way is waited
   * for. Rejects with an AbortError when `signal` has stopped it, with a SnapringError where it fails (it may be called again, to go on),
   * where `stopMerge` stops it (ECANCELED), or where the volume is closed (ESHUTDOWN: it goes on at the next opening).
   */
  merge(name: string, options: MergeOptions = {}): Promise<void> {
    return this.#held(this.#running.merge(name, options));
  }

  /** E-36: ends after the run in progress. */
  stopMerge(): Promise<void> {
    return this.#held(this.#running.stopMerge());
  }

  /**
   * E-42: drain, commit, flush, release. A second call waits for the first. Rejects with a SnapringError (ETIMEDOUT) where a device does not
   * answer: nothing is released then, until the process ends.
   */
  close(): Promise<void> {
    return this.#running.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #held(order: Promise<void>): Promise<void> {
    underWay.set(order, this);
    try {
      await order;
    } finally {
      underWay.delete(order);
    }
  }
}
