/**
 * The merge of a volume, as an operation: rolls the live volume back to a snapshot while clients are connected (E-30…E-36).
 *
 *   start ─▶ written down ─▶ presented, and written down ─▶ … ─▶ merged, or cancelled (the origin stays half merged)
 *                                └─ the daemon dies: the register knows that it merges, and the next opening goes on by itself.
 *                                   What is not merging any more then was merged before
 *
 * Pause, throttle and cancel are the operation's, and stand again after a restart.
 */
import type { Operation, Operations, RunningOperation } from "./operations.ts";
import { FULL_PERCENT } from "./owned-volume.ts";
import { Problem, problemOf } from "./problem.ts";
import type { OperationRecord } from "./state.ts";
import type { StateFile } from "./state-file.ts";
import type { Volumes } from "./volumes.ts";

export interface MergesParts {
  readonly state: StateFile;
  readonly volumes: Volumes;
  readonly operations: () => Operations;
}

export class VolumeMerges {
  readonly #parts: MergesParts;

  constructor(parts: MergesParts) {
    this.#parts = parts;
  }

  /** Throws a Problem: not-found, not-open, merging. The same one again is the one under way. */
  async start(volume: string, snapshot: string, throttle: number | undefined): Promise<Operation> {
    const { volumes } = this.#parts;
    const opened = volumes.get(volume).volume;
    if (!opened.exports.slice(1).some(({ name }) => name === snapshot))
      throw new Problem("not-found", `there is no snapshot ${volume}@${snapshot}`);
    const other = this.#operations.running((one) => one.kind === "merge" && one.volume === volume);
    if (other !== undefined && other.snapshot !== snapshot)
      throw new Problem("merging", `${volume}@${other.snapshot} is merging (${other.id})`, { hint: "one at a time" });
    return await this.#operations.start("merge", { volume, snapshot }, throttle === undefined ? {} : { throttle });
  }

  /** A volume is open: a merge that goes on there, whoever has begun it, is an operation. */
  async adopt(volume: string): Promise<void> {
    const merge = this.#parts.volumes.get(volume).opened?.stats().merge;
    const known = this.#operations.running((one) => one.kind === "merge" && one.volume === volume);
    if (merge === undefined || known !== undefined) return;
    await this.#operations.start("merge", { volume, snapshot: merge.snapshot }, { presented: true });
  }

  /** The one under way. Throws a Problem (not-found). */
  status(volume: string): Operation {
    this.#parts.volumes.get(volume);
    return this.#operations.get(this.#running(volume).id);
  }

  /** Durable when it resolves. Throws a Problem (not-found). */
  async set(
    volume: string,
    how: { readonly paused?: boolean | undefined; readonly throttle?: number | undefined },
  ): Promise<Operation> {
    const { id } = this.#running(volume);
    const opened = this.#parts.volumes.get(volume).volume;
    try {
      if (how.throttle !== undefined) opened.setMergePercent(how.throttle);
      if (how.paused === true) opened.pauseMerge();
      if (how.paused === false) opened.resumeMerge();
    } catch (error) {
      throw problemOf(error, `volume ${volume}`);
    }
    await this.#parts.state.change((state) => {
      const one = state.operations.find((other) => other.id === id);
      if (one !== undefined) Object.assign(one.params, JSON.parse(JSON.stringify(how)));
    });
    return this.#operations.get(id);
  }

  /** The operation "merge". */
  async run(operation: RunningOperation): Promise<undefined> {
    const { record, signal } = operation;
    const { volume: where, snapshot, params } = record;
    const { volume } = this.#parts.volumes.get(where);
    const isGoingOn = volume.stats().merge?.snapshot === snapshot;
    if (!isGoingOn && signal.aborted) throw cancelled(record);
    // It was begun before a restart, and is over: to begin again would take back what has been written since.
    if (!isGoingOn && params["presented"] === true) return undefined;
    volume.setMergePercent(typeof params["throttle"] === "number" ? params["throttle"] : FULL_PERCENT);
    if (!isGoingOn) await volume.startMerge(snapshot);
    // Before its first step, or before a restart: nobody has waited for it who would have stopped it.
    if (signal.aborted && volume.stats().merge !== undefined) {
      await volume.stopMerge();
      throw cancelled(record);
    }
    // One that has ended by now says so below.
    if (params["paused"] === true && volume.stats().merge !== undefined) volume.pauseMerge();
    const merged = volume.merge(snapshot, {
      signal,
      onProgress: ({ fraction, left }) => operation.progress({ fraction, left, unit: "chunks" }),
    });
    merged.catch(() => {});
    if (params["presented"] !== true) await operation.note({ presented: true });
    await merged;
    return undefined;
  }

  get #operations(): Operations {
    return this.#parts.operations();
  }

  #running(volume: string): OperationRecord {
    const running = this.#operations.running((one) => one.kind === "merge" && one.volume === volume);
    if (running === undefined) throw new Problem("not-found", `nothing of volume '${volume}' is merging`);
    return running;
  }
}

function cancelled({ volume, snapshot }: OperationRecord): Problem {
  return new Problem("cancelled", `the merge of ${volume}@${snapshot} was cancelled`);
}
