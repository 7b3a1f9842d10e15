/**
 * A gate: a class of requests that main can hold back and wait for, without a lock on the way of the requests.
 *
 *   closed  ├─ gate 0, 1, 2 … ─┤ (main)        a block of gates: one word of each for main, and one for each worker. Cache lines are shared
 *   in[0]   ├─ gate 0, 1, 2 … ─┤ (worker 0)    by gates, never by two writers
 *   in[1]   ├─ gate 0, 1, 2 … ─┤ (worker 1) …
 *
 *   worker w                          main
 *   in[w] += 1                        closed = 1
 *   load closed: 1 → in[w] -= 1,      load every in[w]: all 0 → drained
 *     wait for GateOpened, again      else wait for GateDrained, look again
 *   … I/O …
 *   in[w] -= 1; 0 and closed → GateDrained
 *
 * It is `hold` with `inO[w]`, and `open` with `inM[w]`, of protocol.md (C-10, C-30, C-38, C-39): announce first, then look.
 * Each side stores its own word before it loads the other's, so that either the worker sees the gate closed or main
 * sees the announcement.
 */
import { assert } from "../base/assert.ts";
import { MAX_EXPORT_WORKERS } from "../base/constants.ts";
import { alignUp } from "../base/units.ts";

/** Words of a cache line. */
const LINE = 16;

/** Where a block of gates stands. */
export interface GateBlock {
  readonly words: Int32Array;
  /** Word 0 of the block: the first of a cache line. */
  readonly at: number;
  /** Gates in it. */
  readonly count: number;
}

/** Words of so many gates. */
export function gateBlockWords(count: number): number {
  return (1 + MAX_EXPORT_WORKERS) * pitchOf(count);
}

function pitchOf(count: number): number {
  return alignUp(count, LINE);
}

/** Main's side. */
export class Gate {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #pitch: number;

  constructor({ words, at, count }: GateBlock, gate: number) {
    assert(gate >= 0 && gate < count, "a gate of the block");
    this.#words = words;
    this.#at = at + gate;
    this.#pitch = pitchOf(count);
  }

  close(): void {
    assert(!this.isClosed, "a gate is closed by one holder, for all that wait behind it");
    Atomics.store(this.#words, this.#at, 1);
  }

  open(): void {
    assert(this.isClosed, "only a closed gate is opened");
    Atomics.store(this.#words, this.#at, 0);
  }

  get isClosed(): boolean {
    return Atomics.load(this.#words, this.#at) === 1;
  }

  inFlight(): number {
    let sum = 0;
    for (let w = 1; w <= MAX_EXPORT_WORKERS; w++) {
      const announced = Atomics.load(this.#words, this.#at + w * this.#pitch);
      assert(announced >= 0, "no worker leaves more often than it has entered");
      sum += announced;
    }
    return sum;
  }
}

/** A worker's side. */
export class GatePass {
  readonly #words: Int32Array;
  readonly #closed: number;
  readonly #mine: number;

  constructor({ words, at, count }: GateBlock, gate: number, worker: number) {
    assert(gate >= 0 && gate < count, "a gate of the block");
    assert(worker >= 0 && worker < MAX_EXPORT_WORKERS, "a gate has a word for each export worker");
    this.#words = words;
    this.#closed = at + gate;
    this.#mine = this.#closed + (1 + worker) * pitchOf(count);
  }

  /** Announce one request. False: the gate is closed; take the announcement back with `leave`, and wait for GateOpened. */
  enter(): boolean {
    Atomics.add(this.#words, this.#mine, 1);
    return Atomics.load(this.#words, this.#closed) === 0;
  }

  /** End one announcement. True: main waits for this gate, and this worker has nothing in it any more: send GateDrained. */
  leave(): boolean {
    const before = Atomics.sub(this.#words, this.#mine, 1);
    assert(before > 0, "who leaves a gate has entered it");
    return before === 1 && Atomics.load(this.#words, this.#closed) === 1;
  }
}
