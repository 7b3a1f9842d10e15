/**
 * A snapshot goes, for good (E-41, C-25).
 *
 *   no new exceptions ──▶ copies and grants under way end ──▶ unregister, header invalid (drop.ts) ──▶ state Invalid
 *     ──▶ hold and drain its gates and the origin's writes ──▶ off the list, Absent ──▶ the shell closes the COW device
 *
 * One that is Invalid already has lost its header; it is unregistered and taken off the list. If its header could not be written then, it
 * is tried again first, and as long as that fails the snapshot stays registered as Invalid: the origin has gone on without it.
 */
import { SnapshotState } from "../base/states.ts";
import type { CoreContext, Operation } from "./context.ts";
import type { Drops } from "./drop.ts";
import { ORIGIN_WRITE_GATE, snapshotReadGate, snapshotWriteGate } from "../base/gate-numbers.ts";
import { GateSet, type Gates } from "./gates.ts";
import { InvalidHeader } from "./invalid-header.ts";
import type { RegistryOwner, Snapshot } from "./snapshot.ts";

export class Removal implements Operation, RegistryOwner {
  readonly #context: CoreContext;
  readonly #drops: Drops;
  readonly #operation: number;
  readonly #snapshot: Snapshot;
  readonly #gates: GateSet;
  readonly #header: InvalidHeader;
  #stage: "start" | "quiet" | "dropping" | "header" | "registering" | "gates" | "done" = "start";

  constructor(context: CoreContext, gates: Gates, drops: Drops, operation: number, snapshot: Snapshot) {
    this.#context = context;
    this.#drops = drops;
    this.#operation = operation;
    this.#snapshot = snapshot;
    const { index } = snapshot;
    this.#gates = new GateSet(gates, [ORIGIN_WRITE_GATE, snapshotWriteGate(index), snapshotReadGate(index)]);
    this.#header = new InvalidHeader(context, snapshot, (written) => this.#headerEnded(written));
    snapshot.removing = true;
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  advance(): boolean {
    const stage = this.#stage;
    if (stage === "start") this.#start();
    else if (stage === "quiet" && this.#snapshot.outstanding === 0) this.#drop();
    else if (stage === "dropping" && this.#snapshot.state === SnapshotState.Invalid) this.#stage = "gates";
    else if (stage === "header") return this.#header.advance();
    else if (stage === "gates") this.#takeOff();
    return this.#stage !== stage;
  }

  registered(snapshot: Snapshot, error: number): void {
    if (error !== 0) this.#context.effects.notice(snapshot.index, "register-failed", error);
    this.#stage = "gates";
  }

  #start(): void {
    const snapshot = this.#snapshot;
    if (snapshot.state === SnapshotState.Invalid) {
      if (snapshot.headerStands) this.#stage = "header";
      else this.#unregister();
    } else if (!snapshot.dropping) {
      // What comes from now on waits for the drop (E-41: no new exceptions).
      snapshot.dropping = true;
      this.#stage = "quiet";
    }
  }

  #headerEnded(written: boolean): void {
    if (written) this.#unregister();
    else this.#stage = "gates";
  }

  #unregister(): void {
    const snapshot = this.#snapshot;
    this.#stage = "gates";
    if (!snapshot.config.registered) return;
    this.#stage = "registering";
    snapshot.registry = this;
    this.#context.effects.register(snapshot.index, "removed");
  }

  #drop(): void {
    this.#drops.drop(this.#snapshot);
    this.#stage = "dropping";
  }

  #takeOff(): void {
    const snapshot = this.#snapshot;
    if (snapshot.outstanding > 0 || snapshot.channel.isBusy || !this.#gates.acquire()) return;
    snapshot.listed = false;
    this.#context.relist();
    snapshot.setState(SnapshotState.Absent);
    this.#gates.release();
    this.#context.snapshots[snapshot.index] = undefined;
    this.#stage = "done";
    this.#context.effects.finished(this.#operation, 0, "");
  }
}
