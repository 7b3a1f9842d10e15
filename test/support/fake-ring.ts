/**
 * A batch ring over byte arrays, on one thread: the lying implementation of the port in src/device/port.ts.
 *
 * Fault model: an operation may fail with any error, or be short, by order of the test; completions come in the order of
 * submission, or reversed. Nothing is ever torn or lost here: that is for a disk model, not for a ring.
 */
import type { FileKind, IoRing, IoRingCounters } from "../../src/device/port.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS, IoFlag, IoOp } from "../../src/ring/io-descriptor.ts";

export interface FakeOperation {
  readonly op: number;
  readonly file: number;
  readonly user: number;
  readonly address: number;
  readonly length: number;
  readonly position: number;
  readonly argument: number;
  readonly linked: boolean;
}

/** Says what an operation does instead of its work: -errno, or a number of bytes at which it stops. */
export type Fault = (operation: FakeOperation) => number | undefined;

export class FakeRing implements IoRing {
  readonly kind = "fake";
  readonly capacity: number;
  readonly submissions: Int32Array;
  readonly completions: Int32Array;
  readonly arena: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly files = new Map<number, Uint8Array>();
  /** Every operation that was submitted, in order. */
  readonly log: FakeOperation[] = [];
  fault: Fault = () => undefined;
  reversed = false;
  turns = 0;

  constructor(arenaBytes: number, capacity = 4096) {
    this.capacity = capacity;
    this.submissions = new Int32Array(capacity * DESCRIPTOR_WORDS);
    this.completions = new Int32Array(capacity * COMPLETION_WORDS);
    this.arena = new SharedArrayBuffer(arenaBytes);
    this.bytes = new Uint8Array(this.arena);
  }

  setFile(_index: number, _fd: number, _kind: FileKind): void {}

  turn(count: number, _wait: boolean): number {
    this.turns += 1;
    const results: [number, number][] = [];
    let broken = false;
    for (let i = 0; i < count; i++) {
      const operation = this.#decode(i);
      this.log.push(operation);
      // A wake-up or a socket never completes by itself here.
      if (operation.op >= IoOp.Receive && operation.op <= IoOp.EventRead) continue;
      const result = broken ? -125 : this.#run(operation);
      const whole = result === (operation.op === IoOp.Sync ? 0 : operation.length);
      broken = operation.linked && (broken || !whole);
      results.push([operation.user, result]);
    }
    if (this.reversed) results.reverse();
    results.forEach(([user, result], i) => {
      this.completions[i * COMPLETION_WORDS] = user;
      this.completions[i * COMPLETION_WORDS + 1] = result;
    });
    return results.length;
  }

  copy(target: number, source: number, length: number): void {
    this.bytes.copyWithin(target, source, source + length);
  }

  zero(target: number, length: number): void {
    this.bytes.fill(0, target, target + length);
  }

  counters(): IoRingCounters {
    return { enters: this.turns, turns: this.turns, submitted: this.log.length, completed: 0, inline: 0 };
  }

  close(): void {}

  #decode(i: number): FakeOperation {
    const w = this.submissions.subarray(i * DESCRIPTOR_WORDS, (i + 1) * DESCRIPTOR_WORDS);
    const long = w[0] % 256 === IoOp.Allocate;
    const length = long ? (w[8] >>> 0) + w[9] * 2 ** 32 : w[4];
    return {
      op: w[0] & 255,
      file: w[1],
      user: w[2],
      address: w[3] >>> 0,
      length,
      position: (w[5] >>> 0) + w[6] * 2 ** 32,
      argument: w[7],
      linked: ((w[0] >> 8) & IoFlag.Link) !== 0,
    };
  }

  #run(operation: FakeOperation): number {
    const { op, file, address, position } = operation;
    const fault = this.fault(operation);
    if (fault !== undefined && fault < 0) return fault;
    if (op === IoOp.Sync || op === IoOp.Nop) return 0;
    const device = this.files.get(file);
    if (device === undefined) return -9;
    const length = Math.min(fault ?? operation.length, operation.length, Math.max(0, device.length - position));
    if (op === IoOp.Read) this.bytes.set(device.subarray(position, position + length), address);
    else if (op === IoOp.Write) device.set(this.bytes.subarray(address, address + length), position);
    else if (op === IoOp.Allocate) device.fill(0, position, position + length);
    else return -22;
    return op === IoOp.Allocate ? 0 : length;
  }
}
