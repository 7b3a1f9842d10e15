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
import type { MetadataOwner } from "./metadata-channel.ts";
import type { RegistryOwner, Snapshot } from "./snapshot.ts";

export class Removal implements Operation, MetadataOwner, RegistryOwner {
  readonly #context: CoreContext;
  readonly #drops: Drops;
  readonly #operation: number;
  readonly #snapshot: Snapshot;
  readonly #gates: GateSet;
  #stage: "start" | "quiet" | "dropping" | "header" | "registering" | "gates" | "done" = "start";
  #attempts = 0;

  constructor(context: CoreContext, gates: Gates, drops: Drops, operation: number, snapshot: Snapshot) {
    this.#context = context;
    this.#drops = drops;
    this.#operation = operation;
    this.#snapshot = snapshot;
    const { index } = snapshot;
    this.#gates = new GateSet(gates, [ORIGIN_WRITE_GATE, snapshotWriteGate(index), snapshotReadGate(index)]);
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
    else if (stage === "header" && !this.#snapshot.channel.isBusy) return this.#writeHeader();
    else if (stage === "gates") this.#takeOff();
    return this.#stage !== stage;
  }

  /** The header has been written, or not. */
  metadataDone(snapshot: Snapshot, error: number): void {
    const { effects, options } = this.#context;
    snapshot.headerStands = error !== 0;
    if (error === 0) return this.#unregister();
    if (this.#attempts < options.headerAttempts) return;
    effects.notice(snapshot.index, "header-write-failed", error);
    this.#stage = "gates";
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

  #writeHeader(): boolean {
    const snapshot = this.#snapshot;
    this.#attempts += 1;
    snapshot.channel.start(this, { kind: "header", snapshot: snapshot.index, header: snapshot.header(false) });
    return true;
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
