/**
 * Takes chunks in reserve back from the workers, before a store counts as full (S-46, C-18).
 *
 *   no space, but reserves are out ──▶ new epoch ──▶ close the snapshot's write gate, empty ──▶ the chunks are free ──▶ look again
 *
 * A worker fills a reserved chunk inside the write gate, and looks at the epoch there: once the gate has been seen empty behind
 * the new epoch nobody writes to an old reserve any more, and a claim of one is refused. It is enough that the gate is
 * empty, whoever holds it: an exclusive write that needs a chunk may be the one that waits for it.
 */
import { assert } from "../base/assert.ts";
import type { CoreContext, Operation } from "./context.ts";
import { snapshotWriteGate } from "../base/gate-numbers.ts";
import type { Gates } from "./gates.ts";
import type { Need } from "./need.ts";
import type { Snapshot } from "./snapshot.ts";

export class Reclaims {
  readonly #context: CoreContext;
  readonly #gates: Gates;

  constructor(context: CoreContext, gates: Gates) {
    this.#context = context;
    this.#gates = gates;
  }

  /** The snapshot has no room for the need. True: it waits for chunks that come back. */
  wait(snapshot: Snapshot, need: Need): boolean {
    if (snapshot.store.allocator.reserved === 0) return false;
    this.#context.needs.wait(snapshot.waiters.untilReclaimed, need);
    if (snapshot.store.isReclaiming) return true;
    snapshot.store.isReclaiming = true;
    snapshot.voidReserves();
    this.#context.operations.push(new Reclaim(this.#context, this.#gates, snapshot));
    return true;
  }
}

class Reclaim implements Operation {
  readonly #context: CoreContext;
  readonly #gates: Gates;
  readonly #snapshot: Snapshot;
  readonly #gate: number;
  done = false;

  constructor(context: CoreContext, gates: Gates, snapshot: Snapshot) {
    this.#context = context;
    this.#gates = gates;
    this.#snapshot = snapshot;
    this.#gate = snapshotWriteGate(snapshot.index);
    gates.enqueue(this.#gate, this);
  }

  advance(): boolean {
    if (!this.#gates.isEmpty(this.#gate)) return false;
    this.#gates.leave(this.#gate, this);
    this.done = true;
    const { store, waiters } = this.#snapshot;
    assert(store.isReclaiming, "reserves are taken back once");
    store.allocator.reclaim();
    store.isReclaiming = false;
    this.#context.needs.end(waiters.untilReclaimed, 0);
    return true;
  }
}
