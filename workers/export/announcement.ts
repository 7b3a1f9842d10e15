/**
 * A piece's announcement in a gate: entered once, left once, in one gate at a time (C-10, C-30).
 *
 *   nowhere ──enter──▶ in the gate ──leave──▶ nowhere
 *      └──exclusive (main has emptied the gate for it)──▶ alone ──leave──▶ nowhere
 */
import { assert } from "../../src/base/assert.ts";
import { GATE_COUNT } from "../../src/base/gate-numbers.ts";
import type { GatePass } from "../../src/ring/gate.ts";

export class Announcement {
  #pass: GatePass | null = null;
  /** The gate that it is in, or was in last. */
  #gate = -1;
  #exclusive = false;

  get gate(): number {
    return this.#gate;
  }

  /** It is the only write of the gate. */
  get exclusive(): boolean {
    return this.#exclusive;
  }

  get isNowhere(): boolean {
    return this.#pass === null && !this.#exclusive;
  }

  /** False: the gate is closed; the announcement stands until `leave` all the same. */
  enter(pass: GatePass, gate: number): boolean {
    assert(this.isNowhere, "a piece entered a gate and was in one");
    assert(gate >= 0 && gate < GATE_COUNT, "a gate that is none");
    this.#pass = pass;
    this.#gate = gate;
    return pass.enter();
  }

  /** Main has closed and emptied the gate for it. */
  grantExclusive(): void {
    assert(this.isNowhere, "a write that waited to be alone was in a gate");
    this.#exclusive = true;
  }

  /** True: GateDrained is to be sent. */
  leave(): boolean {
    const pass = this.#pass;
    assert(pass !== null && !this.#exclusive, "a piece left a gate and was in none");
    this.#pass = null;
    return pass.leave();
  }

  leaveExclusive(): void {
    assert(this.#exclusive && this.#pass === null, "a write that was not alone gave that up");
    this.#exclusive = false;
  }
}
