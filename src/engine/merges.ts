/**
 * The merges of a volume, each from its order to its end: at most one at a time (E-31).
 *
 *   order ──▶ presented ──▶ merging ──▶ nothing is left ──▶ handed back ──▶ "merged"
 *                 │            │  └── a device fails ──▶ "merge-failed": presented still; it is ordered again, or stopped
 *                 └── stop ────┴──▶ handed back ──▶ "merge-stopped"
 *
 * The core keeps a merge that has nothing left until it is told to leave; here it is told. So a merge that has ended has handed the origin back:
 * the snapshot is one of this moment, and may be dropped. What the register cannot be told stays presented, and is a failed merge.
 *
 * Events come after what was awaited for them: the first step waits until whoever ordered the merge has been answered, and, where the merge goes
 * on from the last time, until the volume is open. One that is held, or paused by then, takes none before it is resumed. A merge that its volume's close cuts goes
 * on at the next opening. Runs on main.
 */
import { AbortError, throwIfAborted } from "../base/abort-error.ts";
import { errnoOf, SnapringError } from "../base/errno.ts";
import type { NoticeKind } from "../core/ports.ts";
import type { CoreShell } from "./core-shell.ts";
import { MergePacer } from "./merge-pacer.ts";
import { checkMergePercent } from "./option-schema.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import type { MergeStats } from "./stats.ts";
import { guarded } from "./user-callback.ts";
import type { MergeOptions, MergeProgress } from "./volume-options.ts";

export interface MergeParts {
  readonly shell: CoreShell;
  readonly originReadOnly: boolean;
  /** Run an event of the core that ends with `finished`; rejects where that is an error. */
  operate(name: string, event: (operation: number) => void): Promise<void>;
  notice(snapshot: number, event: NoticeKind, error: number): void;
  /** Of the time, that merges may take at first. */
  readonly percent: number;
}

interface Run {
  readonly handle: SnapshotHandle;
  readonly presented: Promise<void>;
  /** When the origin has been handed back, or the merge has come to a rest otherwise. */
  readonly ended: Promise<void>;
  readonly heard: Set<() => void>;
  isStopping: boolean;
  isMerged: boolean;
}

export class Merges {
  readonly #parts: MergeParts;
  readonly #pacer: MergePacer;
  #run: Run | undefined;
  /** Lets the first step look again whether it is held. */
  #release: (() => void) | undefined;
  /** The origin is being handed back by itself. */
  #handing: Promise<void> | undefined;
  #closing = false;
  #opened: (() => void) | undefined;
  readonly #open: Promise<void>;

  constructor(parts: MergeParts) {
    this.#parts = parts;
    this.#pacer = new MergePacer(parts.percent, () => parts.shell.tell((core) => core.mergeContinue()));
    this.#open = new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  /** Undefined: no snapshot is being merged, or about to be. */
  stats(): MergeStats | undefined {
    const { percent, isPaused } = this.#pacer;
    return this.#run === undefined ? undefined : { snapshot: this.#run.handle.name, percent, paused: isPaused };
  }

  /** After the step in progress, or before the first, nothing is merged until `resume`, or its end (E-26). Throws a SnapringError (ENOENT). */
  pause(): void {
    if (this.#run === undefined) throw none();
    this.#pacer.pause();
  }

  /** Throws a SnapringError (ENOENT). */
  resume(): void {
    if (this.#run === undefined) throw none();
    this.#pacer.resume();
    this.#release?.();
  }

  /** Of the merge under way and of later ones (E-26). Throws an OptionError. */
  setPercent(percent: number): void {
    this.#pacer.setPercent(checkMergePercent(percent));
  }

  /** The volume is open. */
  opened(): void {
    this.#opened?.();
  }

  /** Nothing is begun any more. Resolves when no record of a merge is on its way. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#pacer.close();
    this.#release?.();
    await this.#handing?.catch(() => {});
  }

  /** Resolves when the snapshot is registered as merging, and presented in place of the origin. `held`: paused before its first step. */
  async start(handle: SnapshotHandle, held = false): Promise<void> {
    if (this.#run?.handle === handle)
      throw new SnapringError("EBUSY", `${handle.name}: the snapshot is merging already`);
    const run = this.#begin(handle);
    if (held) this.#pacer.pause();
    await run.presented;
    if (run.isStopping) throw stopped(handle);
  }

  /** Resolves when everything is merged and the origin handed back. One that is under way is waited for. */
  async merge(handle: SnapshotHandle, { signal, onProgress }: MergeOptions): Promise<void> {
    throwIfAborted(signal);
    const run = this.#run?.handle === handle ? this.#run : this.#begin(handle);
    const heard = onProgress === undefined ? undefined : guarded(() => onProgress(this.#progress(handle)));
    if (heard !== undefined) run.heard.add(heard);
    let stop: Promise<void> | undefined;
    const abort = (): void => {
      stop = this.stop();
      stop.catch(() => {});
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await run.ended;
    } catch (error) {
      // Where it cannot be handed back that is what there is to say.
      await stop;
      if (signal !== undefined && stop !== undefined) throw new AbortError(signal);
      throw this.#closing ? closed(handle, error) : error;
    } finally {
      signal?.removeEventListener("abort", abort);
      if (heard !== undefined) run.heard.delete(heard);
    }
  }

  /** At opening: it is presented again, and goes on when the volume is open, if it may be written (E-36). */
  async goOn(handle: SnapshotHandle): Promise<void> {
    if (this.#parts.originReadOnly) await this.#present(handle);
    else await this.#begin(handle).presented;
  }

  /** After the step in progress; resolves when the origin has been handed back. */
  async stop(): Promise<void> {
    if (this.#closing) throw new SnapringError("ESHUTDOWN", "the volume is closed");
    const run = this.#run;
    const { core } = this.#parts.shell;
    const index = run?.handle.index ?? core.merging;
    if (index < 0) throw none();
    if (run !== undefined) run.isStopping = true;
    try {
      if (core.merging === index)
        await this.#parts.operate(run?.handle.name ?? `snapshot ${index}`, (operation) =>
          core.mergeStop(operation, index),
        );
    } finally {
      this.#release?.();
    }
    await run?.ended.catch(() => {});
  }

  /** False: the event is not for the program, or comes later. */
  tells(event: NoticeKind): boolean {
    const run = this.#run;
    if (event === "merge-progress") {
      this.#pacer.stepDone();
      for (const heard of run?.heard ?? []) heard();
    }
    if (event === "merged" || (event === "merge-stopped" && run?.isMerged === true)) return false;
    if (event === "merge-stopped" || event === "merge-failed") this.#over(run);
    return true;
  }

  #begin(handle: SnapshotHandle): Run {
    if (this.#parts.originReadOnly) throw new SnapringError("EPERM", `${handle.name}: the origin is read-only`);
    if (this.#run !== undefined)
      throw new SnapringError("EBUSY", `${handle.name}: another snapshot of this origin is merging`);
    // What is erased is not counted: only the close looks again.
    handle.seeAt = Number.POSITIVE_INFINITY;
    const state = { handle, heard: new Set<() => void>(), isStopping: false, isMerged: false };
    const presented = this.#present(handle);
    const run: Run = Object.assign(state, { presented, ended: presented.then(() => this.#steps(run)) });
    this.#run = run;
    const over = (): void => this.#over(run);
    run.ended.then(over, over);
    return run;
  }

  /** Whoever hears of its end may order the next one. */
  #over(run: Run | undefined): void {
    if (run === undefined || this.#run !== run) return;
    this.#run = undefined;
    this.#pacer.resume();
    this.#release?.();
  }

  #present({ name, index }: SnapshotHandle): Promise<void> {
    const { shell, operate } = this.#parts;
    return operate(name, (operation) => shell.core.mergePresent(operation, index));
  }

  async #steps(run: Run): Promise<void> {
    const { handle } = run;
    const { shell, operate, notice } = this.#parts;
    await this.#open;
    await new Promise((resolve) => setImmediate(resolve));
    await this.#released(run);
    if (run.isStopping || this.#closing) throw stopped(handle);
    this.#pacer.began();
    await operate(handle.name, (operation) => shell.core.mergeStart(operation, handle.index));
    run.isMerged = true;
    this.#handing = this.#handBack(run);
    await this.#handing;
    this.#over(run);
    notice(handle.index, "merged", 0);
  }

  async #released(run: Run): Promise<void> {
    while (this.#pacer.isPaused && !run.isStopping && !this.#closing)
      await new Promise<void>((resolve) => {
        this.#release = resolve;
      });
    this.#release = undefined;
  }

  async #handBack({ handle }: Run): Promise<void> {
    const { shell, operate, notice } = this.#parts;
    const { core } = shell;
    // The next opening finds that nothing is left.
    if (this.#closing) throw stopped(handle);
    try {
      if (core.merging === handle.index)
        await operate(handle.name, (operation) => core.mergeStop(operation, handle.index));
    } catch (error) {
      notice(handle.index, "merge-failed", errnoOf(error));
      throw error;
    }
  }

  #progress({ index }: SnapshotHandle): MergeProgress {
    const { mergeFraction, exceptions } = this.#parts.shell.core.status(index);
    return { fraction: mergeFraction, left: exceptions };
  }
}

function none(): SnapringError {
  return new SnapringError("ENOENT", "no snapshot is being merged");
}

function stopped({ name }: SnapshotHandle): SnapringError {
  return new SnapringError("ECANCELED", `${name}: the merge was stopped`);
}

function closed({ name }: SnapshotHandle, cause: unknown): SnapringError {
  return new SnapringError("ESHUTDOWN", `${name}: the volume is closed; its merge goes on at the next opening`, {
    cause,
  });
}
