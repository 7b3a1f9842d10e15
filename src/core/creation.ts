/**
 * Snapshots come into being on a live origin, all of one moment (E-40, C-30).
 *
 *   stores formatted, registered ──▶ prepared ┄▶ hold origin writes ──▶ drain those in flight ──▶ held ┄▶ list, state, release
 *                                                └───────────────── the pause ──────────────────────────────────────┘
 *     ──▶ flush the origin ──▶ durable ┄▶ finished                       ┄▶ here one of a group waits until all have come so far
 *
 * While writes are held nothing is done but to wait for those in flight. What takes long comes before it or after it:
 *
 *   the register   An origin that has snapshots must not be written without them (E-46), so their record is durable before the release. It may
 *                  be so long before: a crash finds empty stores then, which are snapshots of the origin as the crash has left it.
 *   the flush      What was acknowledged before the hold is in the snapshot, for good once the creation has ended: the flush comes before
 *                  that. A power cut in between leaves what it may leave of any volume: the moment of the snapshot, without some of what nobody
 *                  had flushed by then; of which nobody has heard yet that it is there. The road that was not taken, a flush inside of the
 *                  hold, stops clients for as long as the device writes out what its cache holds.
 *
 * Writes that wait at main are not waited for: they look again after the release, and find the new snapshots. Snapshot I/O is
 * never held. Refused while a snapshot of this origin is merging (C-31): its view would be the raw origin, not what clients see.
 *
 * All or none: where one store fails, or the creation is given up, what was made is undone (store-making.ts); after the release by a
 * drop (drop.ts), for a snapshot that holds exceptions by now must not be left valid and unregistered. Until the creation has
 * ended nobody else may drop or merge what it makes.
 */
import { assert } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import { ORIGIN_WRITE_GATE } from "../base/gate-numbers.ts";
import type { CoreContext, Operation } from "./context.ts";
import type { GroupedCreation } from "./creation-group.ts";
import { Drop } from "./drop.ts";
import { GateSet, type Gates } from "./gates.ts";
import type { Invalidations } from "./invalidation.ts";
import type { CreationHalt } from "./ports.ts";
import type { Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";
import { StoreMaking } from "./store-making.ts";

export interface CreationParts {
  readonly gates: Gates;
  readonly invalidations: Invalidations;
}

export interface CreationOrder {
  readonly operation: number;
  readonly snapshots: readonly Snapshot[];
  /** It waits at each halt for `goOn`. */
  readonly halts: boolean;
}

interface Failure {
  readonly error: number;
  readonly message: string;
  /** Of which of them; undefined: of all. */
  readonly snapshot?: number;
}

type Stage = "prepare" | "hold" | "flush" | CreationHalt | "undo" | "drop" | "done";

export class Creation implements Operation, GroupedCreation {
  readonly operation: number;
  readonly #context: CoreContext;
  readonly #parts: CreationParts;
  readonly #making: readonly StoreMaking[];
  readonly #halts: boolean;
  readonly #gates: GateSet;
  #stage: Stage = "prepare";
  #isHolding = false;
  #isActive = false;
  #failure: Failure | undefined;
  #drops = 0;

  constructor(context: CoreContext, parts: CreationParts, { operation, snapshots, halts }: CreationOrder) {
    assert(snapshots.length > 0, "a creation makes something");
    this.operation = operation;
    this.#context = context;
    this.#parts = parts;
    this.#making = snapshots.map((snapshot) => new StoreMaking(context, snapshot));
    this.#halts = halts;
    this.#gates = new GateSet(parts.gates, [ORIGIN_WRITE_GATE]);
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  /** It makes this one, and has not ended. */
  makes(snapshot: Snapshot): boolean {
    return !this.done && this.#making.some((one) => one.snapshot === snapshot);
  }

  advance(): boolean {
    const stage = this.#stage;
    if (stage === "prepare") return this.#prepare();
    if (stage === "undo") return this.#undo();
    if (stage === "hold") this.#hold();
    else if (stage === "drop" && this.#drops === 0) this.#finish();
    return this.#stage !== stage;
  }

  /** All of the group have come as far. */
  goOn(): void {
    if (this.#stage === "prepared") this.#close();
    else if (this.#stage === "held") this.#activate();
    else if (this.#stage === "durable") this.#finish();
    else assert(this.#failure !== undefined, "a creation goes on where it waits");
  }

  /** Nothing is to come of it; what has ended has ended. */
  cancel(): void {
    if (!this.done) this.#fail({ error: errno.ECANCELED, message: "the creation was given up" });
  }

  originFlushed(error: number): void {
    // It may have been given up while the flush was under way.
    if (this.#stage !== "flush") return;
    // Read-only file systems know no flush; what is on them nobody has written.
    const isNone = error === errno.EINVAL && this.#context.options.originReadOnly;
    if (error === 0 || isNone) this.#halt("durable");
    else this.#fail({ error, message: "cannot flush the origin" });
  }

  #halt(where: CreationHalt): void {
    this.#stage = where;
    this.#context.effects.creation(this.operation, where);
    if (!this.#halts) this.goOn();
  }

  #prepare(): boolean {
    let changed = false;
    for (const one of this.#making) if (one.advance()) changed = true;
    const failed = this.#making.find(({ error }) => error !== 0);
    if (failed !== undefined) {
      const { error, message, snapshot } = failed;
      this.#fail({ error, message, snapshot: snapshot.index });
    } else if (this.#making.every(({ isMade }) => isMade)) this.#halt("prepared");
    return changed || this.#stage !== "prepare";
  }

  #close(): void {
    this.#stage = "hold";
    this.#isHolding = true;
    this.#context.effects.creation(this.operation, "closing");
    this.#hold();
  }

  #hold(): void {
    if (!this.#gates.acquire()) return;
    const merges = this.#context.snapshots.some((snapshot) => snapshot?.phase === Phase.Merging);
    // It may have begun since this was ordered.
    if (merges) this.#fail({ error: errno.EBUSY, message: "a snapshot of this origin is merging" });
    else this.#halt("held");
  }

  #activate(): void {
    for (const { snapshot } of this.#making) snapshot.enter(Phase.Open);
    this.#isActive = true;
    this.#context.relist();
    this.#release();
    for (const { snapshot } of this.#making) snapshot.room.look();
    this.#stage = "flush";
    this.#context.effects.flushOrigin(this.operation);
  }

  #release(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#gates.release();
    this.#context.effects.creation(this.operation, "opened");
  }

  #fail(failure: Failure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#release();
    this.#stage = this.#isActive ? "drop" : "undo";
    for (const one of this.#making) {
      if (this.#isActive) this.#drop(one.snapshot);
      else one.undo();
    }
  }

  #undo(): boolean {
    let changed = false;
    for (const one of this.#making) if (one.advance()) changed = true;
    if (this.#making.every(({ isGone }) => isGone)) this.#finish();
    return changed || this.#stage !== "undo";
  }

  #drop(snapshot: Snapshot): void {
    const { gates, invalidations } = this.#parts;
    this.#drops += 1;
    const over = (): void => void (this.#drops -= 1);
    this.#context.operations.push(new Drop(this.#context, gates, invalidations, snapshot, over));
  }

  #finish(): void {
    this.#stage = "done";
    const { error, message, snapshot } = this.#failure ?? { error: 0, message: "" };
    this.#context.effects.finished(this.operation, error, message, snapshot);
  }
}
