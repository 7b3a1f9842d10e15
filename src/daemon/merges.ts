/**
 * The merge of a volume, as an operation: rolls the live volume back to a snapshot while clients are connected (E-30…E-36).
 *
 *   start ─▶ written down ─▶ presented, held ─▶ that written down ─▶ steps … ─▶ merged, or cancelled (the origin stays half merged)
 *                                └─ the daemon dies: the register knows that it merges, and the next opening goes on by itself.
 *                                   What was written down as presented, and is not merging any more then, was merged before
 *
 * No step is taken before it is written down that it was presented: a merge may be over in a moment, and who did not know would merge again over what was written
 * since. For the same reason a request that is said again when the merge is over needs its key, else it is another roll back.
 *
 * Pause, throttle and cancel are the operation's, and stand again after a restart.
 */
import type { Volume } from "../index.ts";
import type { Operation, Operations, RunningOperation } from "./operations.ts";
import { FULL_PERCENT } from "./owned-volume.ts";
import { Problem, problemOf } from "./problem.ts";
import type { OperationRecord } from "./state.ts";
import type { DryRun } from "./snapshots.ts";
import type { StateFile } from "./state-file.ts";
import type { Volumes } from "./volumes.ts";

export interface MergesParts {
  readonly state: StateFile;
  readonly volumes: Volumes;
  readonly operations: () => Operations;
}

export interface MergeWish {
  /** Percentage of the time that it may take. */
  readonly throttle?: number | undefined;
  /** The client's, of this request and its repetitions. */
  readonly key?: string | undefined;
}

export class VolumeMerges {
  readonly #parts: MergesParts;

  constructor(parts: MergesParts) {
    this.#parts = parts;
  }

  /** Throws a Problem: not-found, not-open, merging, differs. The same one again is the one under way; under the same `key` also one that has ended. */
  async start(volume: string, snapshot: string, how: MergeWish = {}): Promise<Operation> {
    const { throttle, key } = how;
    const said = this.#operations.saidBefore("merge", { volume, snapshot }, key);
    if (said !== undefined) return said;
    this.#check(volume, snapshot);
    const params = throttle === undefined ? {} : { throttle };
    return await this.#operations.start("merge", { volume, snapshot }, params, key);
  }

  /** What `start` would do. Throws what that would. */
  wouldStart(volume: string, snapshot: string): DryRun {
    this.#check(volume, snapshot);
    return { dryRun: true, does: "rolls the volume back to the snapshot: what was written since is lost" };
  }

  #check(volume: string, snapshot: string): void {
    const opened = this.#parts.volumes.get(volume).volume;
    if (!opened.exports.slice(1).some(({ name }) => name === snapshot))
      throw new Problem("not-found", `there is no snapshot ${volume}@${snapshot}`);
    const other = this.#operations.running((one) => one.kind === "merge" && one.volume === volume);
    if (other !== undefined && other.snapshot !== snapshot)
      throw new Problem("merging", `${volume}@${other.snapshot} is merging (${other.id})`, {
        hint: "one at a time",
        retry: "backoff",
      });
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
    await this.#parts.state.change((state) => {
      const one = state.operations.find((other) => other.id === id);
      if (one !== undefined) Object.assign(one.params, JSON.parse(JSON.stringify(how)));
    });
    const operation = this.#operations.get(id);
    try {
      if (how.throttle !== undefined) opened.setMergePercent(how.throttle);
      // One that is held does as it is told when it has been noted as presented.
      if (operation.params["presented"] === true && how.paused === true) opened.pauseMerge();
      if (operation.params["presented"] === true && how.paused === false) opened.resumeMerge();
    } catch (error) {
      throw problemOf(error, `volume ${volume}`);
    }
    return operation;
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
    if (!isGoingOn) await volume.startMerge(snapshot, { held: true });
    // Before its first step, or before a restart: nobody has waited for it who would have stopped it.
    if (signal.aborted && volume.stats().merge !== undefined) {
      await volume.stopMerge();
      throw cancelled(record);
    }
    const merged = volume.merge(snapshot, {
      signal,
      onProgress: ({ fraction, left }) => operation.progress({ fraction, left, unit: "chunks" }),
    });
    merged.catch(() => {});
    await this.#noted(operation, volume);
    await merged;
    return undefined;
  }

  /** It takes its steps when it is written down that it was presented; where it cannot be, it is no merge. */
  async #noted({ record, note }: RunningOperation, volume: Volume): Promise<void> {
    try {
      if (record.params["presented"] !== true) await note({ presented: true });
    } catch (error) {
      if (volume.stats().merge?.snapshot === record.snapshot) await volume.stopMerge();
      throw error;
    }
    // One that has ended by now says so itself.
    if (volume.stats().merge?.snapshot !== record.snapshot) return;
    if (this.#operations.get(record.id).params["paused"] === true) volume.pauseMerge();
    else volume.resumeMerge();
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
