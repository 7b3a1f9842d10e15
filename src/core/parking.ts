/**
 * Needs that ask for exceptions, and those that have to wait for their turn (E-25).
 *
 *   ask ──▶ below the limit of copies in flight: the need waits for what it asked for
 *      └──▶ at the limit: parked, in the order of arrival; asked again when copies have ended
 */
import { assert } from "../base/assert.ts";
import type { CoreContext } from "./context.ts";
import type { Need } from "./need.ts";
import type { OriginKeeper } from "./origin-keeper.ts";
import type { Snapshot } from "./snapshot.ts";
import type { SnapshotWriter } from "./snapshot-writer.ts";

export class Parking {
  readonly #context: CoreContext;
  readonly #keeper: OriginKeeper;
  readonly #writer: SnapshotWriter;

  constructor(context: CoreContext, keeper: OriginKeeper, writer: SnapshotWriter) {
    this.#context = context;
    this.#keeper = keeper;
    this.#writer = writer;
  }

  /** An origin write's need where `snapshot` is undefined, else that of a write on the snapshot. */
  ask(need: Need, snapshot: Snapshot | undefined): void {
    const full = this.#ask(need, snapshot);
    if (full !== undefined && need.remaining === 1) full.waiters.parked.push(need);
    else this.#context.needs.done(need, 0);
  }

  /** The snapshot whose limit stopped it, if one did. */
  #ask(need: Need, snapshot: Snapshot | undefined): Snapshot | undefined {
    if (snapshot === undefined) return this.#keeper.keep(need);
    return this.#writer.ask(snapshot, need) ? snapshot : undefined;
  }

  /** Copies have ended: parked needs get their turn. */
  unpark(): void {
    const { snapshots, options } = this.#context;
    for (const snapshot of snapshots) {
      if (snapshot === undefined) continue;
      const { parked } = snapshot.waiters;
      while (parked.length > 0 && (snapshot.progress.copies < options.cowThreshold || !snapshot.preserves)) {
        const need = parked.shift()!;
        assert(need.remaining === 1, "a need that is parked waits for its turn only");
        this.ask(need, need.kind === "chunk" ? snapshot : undefined);
      }
    }
  }
}
