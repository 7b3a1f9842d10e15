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
import { type CompleteOptions, completeOptions } from "./complete-options.ts";
import type { CreatedSnapshot } from "./created.ts";
import { forwardEvents } from "./forward-events.ts";
import { checkAbortOptions, checkCreateOptions, checkGrowthOptions } from "./option-schema.ts";
import { checkMergeOptions, checkPolicy } from "./option-schema.ts";
import { refusal } from "./refusal.ts";
import { RunningEngine } from "./running-engine.ts";
import { RunningVolume } from "./running-volume.ts";
import type { VolumeStats } from "./stats.ts";
import { checkSurroundings } from "./surroundings.ts";
import type { ClientDetails, ExportInfo, SnapshotStatus, VolumeEvents } from "./volume-events.ts";
import type {
  AbortOptions,
  CloseOptions,
  CreateOptions,
  GrowthOptions,
  MergeOptions,
  MergeStart,
} from "./volume-options.ts";
import type { SnapshotOptions, SnapshotPolicy, VolumeOptions } from "./volume-options.ts";
import { checkWorkerEntries } from "./worker-entry.ts";

export type {
  AbortOptions,
  CloseOptions,
  CreateOptions,
  EngineOptions,
  EngineVolumeOptions,
  GrowOptions,
  GrowthOptions,
  MergeOptions,
  MergeStart,
  MergeProgress,
  RegisteredSnapshotInfo,
  SnapshotOptions,
  SnapshotPolicy,
  VolumeOptions,
} from "./volume-options.ts";
export type { CreatedGroup, CreatedMember, CreatedSnapshot, GroupMember } from "./created.ts";
export type { WorkerRole } from "./channel.ts";
export type { ClientStats } from "./client-limits.ts";
export type { OptionError, OptionErrorCode } from "./option-error.ts";
export type {
  ClientDetails,
  ExportInfo,
  GrowthDetails,
  LevelDetails,
  SnapshotEvent,
  VolumeEvents,
} from "./volume-events.ts";
export type { PlainDetails, SnapshotDetails, SnapshotState, SnapshotStatus } from "./volume-events.ts";
export type { ExportStats, Histogram, MergeStats, SnapshotStats, VolumeStats, WorkerStats } from "./stats.ts";

/** The name of a volume whose engine has no addresses, and no other volume: nobody asks for it. */
const ALONE = "volume";

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
const underWay = new Map<Promise<unknown>, Volume>();

/**
 * Opens an origin and its snapshots, and serves them until `close()`. Resolves when clients are answered.
 *
 * Rejects with a TypeError or RangeError (`code`: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; `option`: where) for options that are wrong,
 * and otherwise with a SnapringError: ENOENT (a file, a snapshot's store), EBUSY (locked by another process, a registered snapshot that was not given, another
 * one's store), EINVAL and EIO (a store that cannot be opened), EACCES, EADDRINUSE, ENOSPC, ENOLCK, EMFILE, ENOMEM … Whatever was opened by then is
 * closed, and what was made is removed. `signal` ends it with an AbortError, in the same way.
 */
export async function openVolume(options: VolumeOptions, abort: AbortOptions = {}): Promise<Volume> {
  const { signal } = checkAbortOptions(abort);
  checkWorkerEntries();
  checkSurroundings();
  const complete = completeOptions(options);
  const engine = new RunningEngine(complete);
  return await openIn({ engine, name: ALONE, options: complete, left: () => engine.close() }, signal);
}

/** Where a volume is opened. */
export interface VolumePlace {
  readonly engine: RunningEngine;
  readonly name: string;
  readonly options: CompleteOptions;
  /** It has left the engine. */
  readonly left: () => Promise<void>;
}

/** As `openVolume`, in this engine. */
export async function openIn(place: VolumePlace, signal: AbortSignal | undefined): Promise<Volume> {
  const { engine, name, options, left } = place;
  let running: RunningVolume | undefined;
  try {
    running = new RunningVolume(options, engine, name, left);
    await running.open(signal);
    return new Volume(running, options.origin);
  } catch (error) {
    await running?.close().catch(() => {});
    throw refusal(error);
  }
}

/** What runs, for the engine that it is in. */
export function runningOf(volume: Volume): RunningVolume {
  return running(volume);
}

let running: (volume: Volume) => RunningVolume;

/** A volume that is open: `openVolume` makes it. An EventEmitter (`VolumeEvents`); `await using` closes it. */
export class Volume extends EventEmitter<VolumeEvents> implements AsyncDisposable {
  readonly #running: RunningVolume;

  static {
    running = (volume) => volume.#running;
  }

  /** Use `openVolume`. */
  constructor(running: RunningVolume, origin: string) {
    super();
    this.#running = running;
    forwardEvents(this, running);
    registry.register(this, { origin, running: new WeakRef(running) });
  }

  /** What clients may ask for now: the live volume first, then the snapshots. */
  get exports(): readonly ExportInfo[] {
    return this.#running.exports;
  }

  /** Clients that are connected now, in the order of their coming, but for those in a handshake. */
  get clients(): readonly ClientDetails[] {
    return this.#running.clients.all;
  }

  /** Counters of everything, as they are now; cheap enough for each second. */
  stats(): VolumeStats {
    return this.#running.stats();
  }

  /** A snapshot's state, in words and as dmsetup has it. Throws a SnapringError (ENOENT) for a name that no snapshot has. */
  status(name: string): SnapshotStatus {
    return this.#running.status(name);
  }

  /**
   * Makes a snapshot of this moment, and serves it: atomic against writes of clients. Resolves when it is durable, with the time for which writes were held.
   *
   * Its COW device must be blank, or be made by `size`; `force` overwrites what is there, but no store. Rejects with a TypeError or RangeError for options that are wrong, else
   * with a SnapringError: EEXIST (the name, or something on the COW device), ENOENT (no file and no size), EPERM (a read-only volume), EBUSY, ENOSPC,
   * ETIMEDOUT (`maxPauseMs`), ESHUTDOWN (it is closed) … Then there is no snapshot. `signal` ends it with an AbortError, in the same way.
   */
  async createSnapshot(options: SnapshotOptions, how: CreateOptions = {}): Promise<CreatedSnapshot> {
    const checked = checkCreateOptions(how);
    return await this.#held(this.#running.createSnapshot(options, checked));
  }

  /**
   * Gives a snapshot up, for good: its store is marked invalid, durably, and its COW device released; the file stays. The event is `dropped`. Its
   * clients get EIO. Rejects with a SnapringError: ENOENT (no such snapshot), EBUSY (it merges).
   */
  dropSnapshot(name: string): Promise<void> {
    return this.#held(this.#running.dropSnapshot(name));
  }

  /**
   * Takes over the size that the COW device has now; with `size` a COW file is made so large first, reserved, or sparse where it is. Growth ends an overflow
   * or a stall, and so does space on a full file system. Rejects with a SnapringError: ENOENT (no such snapshot), EINVAL (it lost chunks that are used; `size` is
   * less than it has, or a block device does not have it), ENOSPC (it is as before), EPERM (`size`, and a read-only volume).
   */
  async growSnapshot(name: string, options: GrowthOptions = {}): Promise<void> {
    const checked = checkGrowthOptions(options);
    await this.#held(this.#running.growSnapshot(name, checked));
  }

  /**
   * Changes at once what an open snapshot does when its store runs full; members that are left out or undefined stay as they are. A request that waits goes on as
   * the new policy has it. It is not remembered: the next opening has options of its own. Rejects with a TypeError or RangeError for options that are wrong, else with a SnapringError: ENOENT
   * (no such snapshot), EINVAL (a block device cannot grow by itself), ESHUTDOWN (it is closed).
   */
  async setSnapshotPolicy(name: string, policy: SnapshotPolicy): Promise<void> {
    this.#running.setSnapshotPolicy(name, checkPolicy(policy));
  }

  /**
   * Rolls the origin back to a snapshot while both are served: what was written to the origin since is lost, what was written to the snapshot is kept.
   * Resolves when the snapshot is presented in place of the origin, and will be at every opening until the merge has ended or is stopped. The end comes
   * as a `snapshot` event, never before this resolves: `merged` when the origin has been handed back (the snapshot is one of that moment then, and may
   * be dropped), `merge-stopped`, or `merge-failed` where it has come to a rest, and may be started again or stopped. Rejects with a SnapringError: ENOENT, EBUSY (a snapshot is
   * merging already), EINVAL (it is invalid, or a store N), EPERM (a read-only volume). `held`: nothing is copied back before `resumeMerge`, so that a program can
   * write down first that it has begun.
   */
  startMerge(name: string, { held = false }: MergeStart = {}): Promise<void> {
    return this.#held(this.#running.startMerge(name, held));
  }

  /**
   * The same to its end: resolves when everything is merged and the origin handed back. A merge of this snapshot that is under way is waited
   * for. Rejects with an AbortError when `signal` has stopped it, with a SnapringError where it fails (it may be called again, to go on),
   * where `stopMerge` stops it (ECANCELED), or where the volume is closed (ESHUTDOWN: it goes on at the next opening).
   */
  async merge(name: string, options: MergeOptions = {}): Promise<void> {
    const checked = checkMergeOptions(options);
    await this.#held(this.#running.merge(name, checked));
  }

  /** Stops the merge that is under way, after the run in progress: the origin is served as it is, half merged. Rejects with a SnapringError (ENOENT) where none is. */
  stopMerge(): Promise<void> {
    return this.#held(this.#running.stopMerge());
  }

  /**
   * Holds the merge that is under way after the step in progress, or before its first, until `resumeMerge`, or its end: the snapshot is presented in the origin's place meanwhile. It is not
   * remembered: a merge goes on at the next opening. Throws a SnapringError (ENOENT) where none is under way.
   */
  pauseMerge(): void {
    this.#running.merges.pause();
  }

  /** Lets it go on. Throws a SnapringError (ENOENT) where none is under way. */
  resumeMerge(): void {
    this.#running.merges.resume();
  }

  /** Percentage (1 to 100) of the time that the merge which is under way, and later ones, may take: `mergePercent` from now on. */
  setMergePercent(percent: number): void {
    this.#running.merges.setPercent(percent);
  }

  /**
   * Closes the volume: requests of clients are answered (for five seconds at most) and their streams end, everything is written and flushed, devices and locks
   * are released. A second call waits for the first. Rejects with a SnapringError (ETIMEDOUT) where a device does not answer: nothing is released then,
   * until the process ends.
   *
   * `signal` (of any of its calls) takes what is left of the five seconds: clients are cut off at once, without answers to what they have under way. It does not undo the
   * close, so there is no AbortError: it resolves when the volume is closed in good order, and what was acknowledged and flushed is there. Orders under way are waited
   * for; they have signals of their own.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      return this.#running.close(checkAbortOptions(options).signal);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #held<T>(order: Promise<T>): Promise<T> {
    underWay.set(order, this);
    try {
      return await order;
    } finally {
      underWay.delete(order);
    }
  }
}
