/**
 * The shared words of a volume: its gates, the list of snapshots that an origin write must look at, and the snapshot that
 * is presented in place of the origin.
 *
 *   word 0            list count        word 1 … 256     list: snapshot indices
 *   word 257          merging: snapshot index + 1, 0 for none
 *   word 272 …        a block of gates: origin writes, origin reads, then writes and reads of snapshot 0, 1, …
 *
 * `list` changes only while the origin's write gate is closed and drained (C-30), `merging` only while both of the
 * origin's gates are (C-32, C-38): a request that has entered its gate may read them without a further check.
 */
import { assert } from "../base/assert.ts";
import { MAX_SNAPSHOTS } from "../base/constants.ts";
import { GATE_COUNT } from "../base/gate-numbers.ts";
import { Gate, type GateBlock, gateBlockWords, GatePass } from "./gate.ts";

const LIST_COUNT = 0;
const LIST = 1;
const MERGING = LIST + MAX_SNAPSHOTS;
const GATES = 272;

export function createVolumeWords(): SharedArrayBuffer {
  return new SharedArrayBuffer((GATES + gateBlockWords(GATE_COUNT)) * 4);
}

function gatesOf(words: Int32Array): GateBlock {
  return { words, at: GATES, count: GATE_COUNT };
}

/** Main's side. */
export class VolumeWords {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  gate(number: number): Gate {
    assert(number >= 0 && number < GATE_COUNT, "a volume has this gate");
    return new Gate(gatesOf(this.#words), number);
  }

  setList(snapshots: readonly number[]): void {
    assert(snapshots.length <= MAX_SNAPSHOTS, "the list holds every snapshot");
    for (const [i, snapshot] of snapshots.entries()) {
      assert(snapshot >= 0 && snapshot < MAX_SNAPSHOTS, "the list holds indices of snapshots");
      Atomics.store(this.#words, LIST + i, snapshot);
    }
    Atomics.store(this.#words, LIST_COUNT, snapshots.length);
  }

  setMerging(snapshot: number): void {
    assert(snapshot >= -1 && snapshot < MAX_SNAPSHOTS, "a snapshot merges, or none");
    assert(snapshot < 0 || Atomics.load(this.#words, MERGING) === 0, "one snapshot merges at a time (E-31)");
    Atomics.store(this.#words, MERGING, snapshot + 1);
  }
}

/** A worker's side. */
export class VolumeReader {
  readonly #words: Int32Array;
  readonly #worker: number;

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#words = new Int32Array(memory);
    this.#worker = worker;
  }

  pass(gate: number): GatePass {
    assert(gate >= 0 && gate < GATE_COUNT, "a volume has this gate");
    return new GatePass(gatesOf(this.#words), gate, this.#worker);
  }

  listCount(): number {
    return Atomics.load(this.#words, LIST_COUNT);
  }

  listed(i: number): number {
    assert(i >= 0 && i < MAX_SNAPSHOTS, "a place of the list");
    return Atomics.load(this.#words, LIST + i);
  }

  /** -1: none. */
  merging(): number {
    return Atomics.load(this.#words, MERGING) - 1;
  }
}
