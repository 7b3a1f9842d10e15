/**
 * Who holds which gate: creations, merges, removals, and writes that must be alone (C-30, C-32, C-34, C-38).
 *
 * A gate is closed while anybody holds it or waits for it, and has one holder at a time, in the order of arrival: what
 * needs a quiet origin never runs beside an exclusive write. A holder that needs several gates takes them in ascending
 * order, so that two of them cannot wait for each other.
 *
 *   enqueue ──▶ close ──▶ in flight 0 ──▶ held (first in the queue) ──▶ leave ──▶ next holder, or open
 */
import { assert } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import type { CoreContext } from "./context.ts";
import type { GatePort } from "./ports.ts";

/** A token of a write that must be alone, or an operation of the core's. */
class Exclusive {
  readonly token: number;
  granted = false;

  constructor(token: number) {
    this.token = token;
  }
}

interface HeldGate {
  readonly port: GatePort;
  readonly queue: object[];
  drained: boolean;
}

export class Gates {
  readonly #context: CoreContext;
  readonly #held = new Map<number, HeldGate>();

  constructor(context: CoreContext) {
    this.#context = context;
  }

  enqueue(gate: number, holder: object): void {
    let held = this.#held.get(gate);
    assert(held === undefined || !held.queue.includes(holder), "a holder waits for a gate once");
    if (held === undefined) {
      held = { port: this.#context.gatePort(gate), queue: [], drained: false };
      this.#held.set(gate, held);
      held.port.close();
    }
    held.queue.push(holder);
  }

  isHeldBy(gate: number, holder: object): boolean {
    const held = this.#held.get(gate);
    return held !== undefined && held.queue[0] === holder && isDrained(held);
  }

  /** It is closed, and has been seen empty since. */
  isEmpty(gate: number): boolean {
    const held = this.#held.get(gate);
    return held !== undefined && isDrained(held);
  }

  /** Give a gate back, or leave its queue. */
  leave(gate: number, holder: object): void {
    const held = this.#held.get(gate);
    assert(held !== undefined, "the gate is closed");
    const at = held.queue.indexOf(holder);
    assert(at >= 0, "the holder is in the queue");
    assert(isDrained(held) || !(holder instanceof Exclusive), "a write leaves a gate that it was alone in");
    held.queue.splice(at, 1);
    if (held.queue.length > 0) return;
    this.#held.delete(gate);
    held.port.open();
  }

  /**
   * The write has left its gate, and its message may come later: what waited for the gate to be empty, a removal too, may be over by then.
   * The gates of a snapshot that is gone belong to nobody, and the write fails.
   */
  needExclusive(token: number, gate: number): void {
    if (this.#context.hasGate(gate)) this.enqueue(gate, new Exclusive(token));
    else this.#context.effects.release(token, errno.EIO);
  }

  exclusiveDone(token: number, gate: number): void {
    const first = this.#held.get(gate)?.queue[0];
    assert(first instanceof Exclusive && first.token === token && first.granted, "the write is alone");
    this.leave(gate, first);
  }

  /** Every gate that is closed has somebody who wants it so, each once; only who comes first is alone (VERIFY). */
  verify(): void {
    for (const [gate, { queue }] of this.#held) {
      assert(queue.length > 0, "a closed gate is somebody's");
      assert(new Set(queue).size === queue.length, "a holder waits for a gate once");
      assert(this.#context.hasGate(gate), "a gate goes with its snapshot, when nobody holds it");
      for (const holder of queue.slice(1))
        assert(!(holder instanceof Exclusive) || !holder.granted, "only the first of a queue is alone");
    }
  }

  /** Tell the exclusive write that is first in a drained gate. */
  advance(): void {
    for (const [gate, held] of this.#held) {
      const first = held.queue[0];
      if (!(first instanceof Exclusive) || first.granted || !isDrained(held)) continue;
      first.granted = true;
      this.#context.effects.grantExclusive(first.token, gate);
    }
  }
}

/** Once a closed gate is empty, what still enters it leaves at once. */
function isDrained(held: HeldGate): boolean {
  if (!held.drained && held.port.inFlight() === 0) held.drained = true;
  return held.drained;
}

/** Several gates, taken one after the other. */
export class GateSet {
  readonly #gates: Gates;
  readonly #numbers: readonly number[];
  #asked = 0;

  constructor(gates: Gates, numbers: readonly number[]) {
    this.#gates = gates;
    this.#numbers = [...numbers].sort((a, b) => a - b);
    assert(new Set(numbers).size === numbers.length, "a set has each gate once");
  }

  /** True once all are held; call it again after each event. */
  acquire(): boolean {
    for (;;) {
      const last = this.#asked - 1;
      if (last >= 0 && !this.#gates.isHeldBy(this.#numbers[last]!, this)) return false;
      if (this.#asked === this.#numbers.length) return true;
      this.#gates.enqueue(this.#numbers[this.#asked]!, this);
      this.#asked += 1;
    }
  }

  release(): void {
    for (let i = this.#asked - 1; i >= 0; i--) this.#gates.leave(this.#numbers[i]!, this);
    this.#asked = 0;
  }
}
