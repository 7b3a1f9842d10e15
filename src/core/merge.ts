/**
 * The merge of one snapshot into its origin: presented, step by step, stopped, resumed, handed back (E-30…E-36, E-43).
 *
 *   gates ──▶ settle ──▶ register ──▶ present ──▶ step ⇄ rest ──▶ merged ─┐
 *   C-32      C-32       "merging"                 │ failed (S-66), paused │──▶ leave gates ──▶ register ──▶ Active again
 *                                                  ▼                       │    C-38            "active"
 *                                                idle ─────────────────────┘
 *
 * The origin's and the snapshot's gates are held and drained before the volume changes hands, at both ends: at the start so
 * that no request has looked at the old state, at the end so that no request still holds a new chunk that may be handed out
 * again. While the merge is idle (merged, failed, paused) the snapshot stays presented until it is told to go on or to leave. Told to leave
 * before that it is registered, it has not begun: it gives the gates back, or its place in their queues.
 *
 * What the register says is what the next opening presents (E-36), so it must never say another thing than what clients have
 * been shown. Both registrations lie inside the held gates: nobody is answered between a record and the change of hands that it is
 * of, and a crash there leaves a volume that no client has seen otherwise. The orders that were not taken: "merging" after the
 * first step, and a crash leaves a half merged origin that is served raw; "active" after the handover, and a crash hides what
 * clients have written to the raw origin meanwhile behind the exceptions that are left. A registration that fails changes nothing.
 */
import { errno } from "../base/errno.ts";
import { repairArea } from "./area-repair.ts";
import type { CoreContext, Operation } from "./context.ts";
import type { CopyJobs } from "./copy-jobs.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE, snapshotReadGate, snapshotWriteGate } from "../base/gate-numbers.ts";
import { GateSet, type Gates } from "./gates.ts";
import type { Invalidations } from "./invalidation.ts";
import { MergePace } from "./merge-pace.ts";
import { MergeStep } from "./merge-step.ts";
import type { Need } from "./need.ts";
import type { OriginKeeper } from "./origin-keeper.ts";
import { lookAgain } from "./room.ts";
import type { RegisterOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

/** What a merge needs of the rest of the core. */
export interface MergeParts {
  readonly gates: Gates;
  readonly keeper: OriginKeeper;
  readonly copies: CopyJobs;
  readonly invalidations: Invalidations;
}

type Idle = "merged" | "failed" | "paused";
type Start = "gates" | "settle" | "repair" | "present";
type Stage = Start | "step" | "rest" | Idle | "leaving" | "registering" | "handing" | "done";

export class Merge implements Operation, RegisterOwner {
  readonly snapshot: Snapshot;
  readonly #context: CoreContext;
  readonly #parts: MergeParts;
  readonly #gates: GateSet;
  readonly #pace: MergePace;
  /** It is only to be presented: the first step waits for `resume`. */
  readonly #rests: boolean;
  #stage: Stage = "gates";
  /** Where it came to a rest before it was to leave. */
  #idle: Idle = "paused";
  #step: MergeStep | undefined;
  /** Operations to be told: of the merge's end, and of the handover back. */
  #started: number | undefined;
  #leavers: number[] = [];
  #stopping = false;
  #atStart = 0;

  constructor(context: CoreContext, parts: MergeParts, operation: number, snapshot: Snapshot, rests: boolean) {
    this.#context = context;
    this.#parts = parts;
    this.#rests = rests;
    this.#pace = new MergePace(context);
    this.#started = operation;
    this.snapshot = snapshot;
    const { index } = snapshot;
    this.#gates = new GateSet(parts.gates, [
      ORIGIN_WRITE_GATE,
      ORIGIN_READ_GATE,
      snapshotWriteGate(index),
      snapshotReadGate(index),
    ]);
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  get isIdle(): boolean {
    return this.#stage === "merged" || this.#stage === "failed" || this.#stage === "paused";
  }

  /** The snapshot is in place of the origin. */
  get isPresented(): boolean {
    return this.snapshot.phase === Phase.Merging;
  }

  /** Everything has been merged. */
  get isMerged(): boolean {
    return this.#stage === "merged";
  }

  /** How much of it is done, 0 … 1 (E-36). */
  get fraction(): number {
    const left = this.snapshot.store.area!.exceptions;
    return this.#atStart === 0 ? (this.isMerged ? 1 : 0) : (this.#atStart - left) / this.#atStart;
  }

  /** Go on after a failure or a pause; false if it is not idle. */
  resume(operation: number): boolean {
    if (!this.isIdle || this.#stopping) return false;
    this.#started = operation;
    this.snapshot.mergeFailed = false;
    this.#newStep();
    return true;
  }

  /** Leave after the step in progress; `operation` is told when the origin has been handed back. */
  stop(operation: number): void {
    this.#stopping = true;
    this.#leavers.push(operation);
  }

  /** A write has met the merging range (E-33). */
  needRange(need: Need): void {
    this.#step?.wait(need);
    // Nobody knows what is on disk of the range: a write there could be lost (see merge-step.ts).
    if (this.#step?.isOpen === true) need.error = errno.EIO;
  }

  /** The rest after a step is over (E-26). */
  continue(): void {
    if (this.#stage === "rest") this.#newStep();
  }

  advance(): boolean {
    if (this.#stopping && this.#hasNotBegun) {
      this.#abandon(errno.ECANCELED, "the merge was stopped");
      return true;
    }
    switch (this.#stage) {
      case "gates":
        return this.#acquire();
      case "settle":
        return this.#settle();
      case "repair":
        return this.#repair();
      case "step":
        return this.#advanceStep();
      case "present":
        return this.#present();
      case "leaving":
        return this.#leave();
      case "handing":
        return this.#handBack();
      case "registering":
      case "done":
        return false;
      default:
        return this.#mayLeave();
    }
  }

  /** No record says that it merges, and nobody has been shown it. */
  get #hasNotBegun(): boolean {
    return this.#stage === "gates" || this.#stage === "settle" || this.#stage === "repair";
  }

  registered(snapshot: Snapshot, error: number): void {
    const { isPresented } = this;
    if (error !== 0) {
      if (isPresented) this.#stay(error, "that its merge has ended cannot be registered: it is presented still");
      else this.#abandon(error, "that it merges cannot be registered: the merge has not begun");
      return;
    }
    snapshot.mergeRegistered = !isPresented;
    this.#stage = isPresented ? "handing" : "present";
  }

  #acquire(): boolean {
    if (!this.#gates.acquire()) return false;
    // Requests that wait at main have not been announced: they wait on, and look again when the merge is presented.
    if (this.snapshot.phase === Phase.Open) this.snapshot.enter(Phase.Starting);
    // Neither have those that wait for room: where it merges they need none.
    if (this.snapshot.phase === Phase.Starting) lookAgain(this.#context, this.snapshot);
    this.snapshot.voidReserves();
    this.#stage = "settle";
    return true;
  }

  /** E-32: the allocated exceptions, their commit, their tracked reads. */
  #settle(): boolean {
    const { snapshot } = this;
    if (snapshot.isEnding) return false;
    if (snapshot.phase === Phase.Invalid) {
      this.#abandon(errno.EIO, "the snapshot has become invalid");
      return true;
    }
    if (snapshot.progress.demandAll()) {
      this.#context.markDirty(snapshot);
      return true;
    }
    if (!snapshot.progress.isSettled || snapshot.channel.isBusy) return false;
    this.#stage = "repair";
    return true;
  }

  /** What is stale behind the end marker must not come back to life when the exceptions before it are erased (S-7). */
  #repair(): boolean {
    const { snapshot } = this;
    if (snapshot.phase !== Phase.Starting) {
      this.#stage = "settle";
      return !snapshot.isEnding;
    }
    if (snapshot.channel.isBusy) return false;
    const { readOnly } = this.#context.options;
    if (!readOnly && snapshot.store.area!.stale && repairArea(this.#context, this.#parts.invalidations, snapshot))
      return true;
    return this.#register("merging");
  }

  /** The gates are held. False: another record is under way. */
  #register(what: "merging" | "active"): boolean {
    const { snapshot } = this;
    const isKnown = snapshot.mergeRegistered === (what === "merging");
    if (isKnown || !snapshot.config.registered) this.#stage = what === "merging" ? "present" : "handing";
    else if (snapshot.register(this.#context.effects, this, what)) this.#stage = "registering";
    else return false;
    return true;
  }

  #present(): boolean {
    const { snapshot } = this;
    if (snapshot.phase !== Phase.Starting) {
      this.#stage = "settle";
      return true;
    }
    const { origin, needs } = this.#context;
    origin.setMerging(snapshot.index);
    snapshot.enter(Phase.Merging);
    this.#context.relist();
    this.#atStart = snapshot.store.area!.exceptions;
    this.#gates.release();
    needs.end(snapshot.waiters.untilPresented, 0);
    if (this.#rests) {
      this.#stage = "paused";
      this.#report(0, "");
    } else this.#newStep();
    return true;
  }

  #newStep(): void {
    const { gates, keeper, copies } = this.#parts;
    const open = this.#step?.isOpen === true ? this.#step : undefined;
    if (this.#mayNotGoOn()) return;
    this.#step = new MergeStep(this.#context, gates, keeper, copies, this.#pace, this.snapshot, open);
    this.#stage = "step";
  }

  #mayNotGoOn(): boolean {
    if (!this.#mustStop()) return false;
    this.#pause();
    return true;
  }

  #mustStop(): boolean {
    return this.#stopping || this.#context.closing;
  }

  #pause(): void {
    this.#stage = "paused";
    this.#report(errno.ECANCELED, "the merge was stopped");
  }

  #advanceStep(): boolean {
    const step = this.#step!;
    if (!step.done) return (this.#mustStop() && step.cancel()) || step.advance();
    const { effects, options } = this.#context;
    const { index } = this.snapshot;
    if (step.error === errno.ECANCELED) this.#pause();
    else if (step.error !== 0) {
      this.#stage = "failed";
      this.snapshot.mergeFailed = true;
      effects.notice(index, "merge-failed", step.error);
      this.#report(step.error, "the merge has failed");
    } else if (step.isEmpty) {
      this.#stage = "merged";
      effects.notice(index, "merged", 0);
      this.#report(0, "");
    } else {
      this.#stage = "rest";
      effects.notice(index, "merge-progress", 0);
      if (!options.mergePaced) this.#newStep();
    }
    return true;
  }

  /** Idle, or at rest: stopped, paused, or nothing to do. */
  #mayLeave(): boolean {
    if (this.#stage === "rest") return this.#mayNotGoOn();
    if (!this.#stopping) return false;
    this.#idle = this.#stage as Idle;
    this.#stage = "leaving";
    return true;
  }

  /** C-38: nothing of the merging volume is in flight, so new chunks may be handed out again. */
  #leave(): boolean {
    if (this.#step?.isOpen === true) {
      return this.#stay(errno.EIO, "the last write to the cow device has failed: go on with the merge first");
    }
    if (!this.#gates.acquire()) return false;
    return this.#register("active");
  }

  #handBack(): boolean {
    const { snapshot } = this;
    this.#context.origin.setMerging(-1);
    snapshot.store.restart();
    snapshot.mergeFailed = false;
    snapshot.enter(Phase.Open);
    this.#context.relist();
    this.#context.markDirty(snapshot);
    snapshot.room.look();
    this.#end();
    this.#context.effects.notice(snapshot.index, "merge-stopped", 0);
    for (const operation of this.#leavers) this.#context.effects.finished(operation, 0, "");
    return true;
  }

  /** It cannot leave: it is idle again as it was. */
  #stay(error: number, message: string): boolean {
    this.#stopping = false;
    this.#stage = this.#idle;
    this.#gates.release();
    for (const operation of this.#leavers) this.#context.effects.finished(operation, error, message);
    this.#leavers = [];
    return true;
  }

  /** It never was presented: whoever wanted it stopped has what they wanted. */
  #abandon(error: number, message: string): void {
    this.#end();
    this.#context.needs.end(this.snapshot.waiters.untilPresented, 0);
    this.#report(error, message);
    for (const operation of this.#leavers) this.#context.effects.finished(operation, 0, "");
  }

  #end(): void {
    if (this.snapshot.phase === Phase.Starting) this.snapshot.enter(Phase.Open);
    this.#stage = "done";
    this.#gates.release();
  }

  #report(error: number, message: string): void {
    const operation = this.#started;
    this.#started = undefined;
    if (operation !== undefined) this.#context.effects.finished(operation, error, message);
  }
}
