/**
 * The user drops a snapshot: it goes, for good (E-41, C-25).
 *
 *   no new exceptions ──▶ copies and grants under way end ──▶ unregister, header invalid (invalidation.ts) ──▶ Invalid
 *     ──▶ hold and drain its gates and the origin's writes ──▶ off the list, Gone ──▶ the shell closes the COW device
 *
 * One that is Invalid already has lost its header; it is unregistered and taken off the list. If its header could not be written then, it
 * is tried again first, and as long as that fails the snapshot stays registered as Invalid: the origin has gone on without it.
 */
import { assert } from "../base/assert.ts";
import type { CoreContext, Operation } from "./context.ts";
import { ORIGIN_WRITE_GATE, snapshotReadGate, snapshotWriteGate } from "../base/gate-numbers.ts";
import { GateSet, type Gates } from "./gates.ts";
import { InvalidHeader } from "./invalid-header.ts";
import type { Invalidations } from "./invalidation.ts";
import type { RegisterOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export class Drop implements Operation, RegisterOwner {
  readonly snapshot: Snapshot;
  readonly #context: CoreContext;
  readonly #invalidations: Invalidations;
  readonly #over: () => void;
  readonly #gates: GateSet;
  readonly #header: InvalidHeader;
  #stage: "start" | "quiet" | "invalidating" | "header" | "registering" | "gates" | "done" = "start";

  /** `over`: it is gone. */
  constructor(context: CoreContext, gates: Gates, invalidations: Invalidations, snapshot: Snapshot, over: () => void) {
    this.#context = context;
    this.#invalidations = invalidations;
    this.#over = over;
    this.snapshot = snapshot;
    const { index } = snapshot;
    this.#gates = new GateSet(gates, [ORIGIN_WRITE_GATE, snapshotWriteGate(index), snapshotReadGate(index)]);
    this.#header = new InvalidHeader(context, snapshot, (written) => this.#headerEnded(written));
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  advance(): boolean {
    const stage = this.#stage;
    if (stage === "start") this.#start();
    else if (stage === "quiet" && this.snapshot.progress.outstanding === 0) this.#invalidate();
    else if (stage === "invalidating" && this.snapshot.phase === Phase.Invalid) this.#stage = "gates";
    else if (stage === "header") return this.#header.advance();
    else if (stage === "gates") this.#takeOff();
    return this.#stage !== stage;
  }

  registered(snapshot: Snapshot, error: number): void {
    assert(this.#stage === "registering" && snapshot === this.snapshot, "the record was asked for");
    if (error !== 0) this.#context.effects.notice(snapshot.index, "register-failed", error);
    this.#stage = "gates";
  }

  #start(): void {
    const snapshot = this.snapshot;
    if (snapshot.phase === Phase.Invalid) {
      if (snapshot.store.headerStands) this.#stage = "header";
      else this.#unregister();
    } else if (!snapshot.isEnding) {
      // What comes from now on waits until it is Invalid (E-41: no new exceptions).
      snapshot.enter(Phase.Dropping);
      this.#stage = "quiet";
    }
  }

  #headerEnded(written: boolean): void {
    if (written) this.#unregister();
    else this.#stage = "gates";
  }

  #unregister(): void {
    const snapshot = this.snapshot;
    this.#stage = "gates";
    if (!snapshot.config.registered) return;
    this.#stage = "registering";
    assert(
      snapshot.register(this.#context.effects, this, "removed"),
      "an Invalid snapshot has no other record under way",
    );
  }

  #invalidate(): void {
    this.#invalidations.drop(this.snapshot);
    this.#stage = "invalidating";
  }

  #takeOff(): void {
    const snapshot = this.snapshot;
    if (snapshot.progress.outstanding > 0 || snapshot.channel.isBusy || !this.#gates.acquire()) return;
    snapshot.enter(Phase.Gone);
    this.#context.relist();
    this.#gates.release();
    this.#context.snapshots[snapshot.index] = undefined;
    this.#stage = "done";
    this.#over();
  }
}
