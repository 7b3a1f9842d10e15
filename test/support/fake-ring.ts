/**
 * A batch ring over byte arrays, on one thread: the lying implementation of the port in src/device/port.ts.
 *
 * Fault model: an operation may fail with any error, or be short, by order of the test; completions come in the order of
 * submission, or reversed; one that the test holds stays under way. Nothing is ever torn or lost here: that is for a disk
 * model, not for a ring. Sockets are scripted (fake-socket.ts).
 */
import { errno, errnoName, type ErrnoName, SnapringError } from "../../src/base/errno.ts";
import { FileKind, type IoRing, type IoRingCounters } from "../../src/device/port.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS, IoFlag, IoOp } from "../../src/ring/io-descriptor.ts";
import type { FakeSocket } from "./fake-socket.ts";

export interface FakeOperation {
  readonly op: number;
  readonly file: number;
  readonly user: number;
  readonly address: number;
  readonly length: number;
  readonly position: number;
  readonly argument: number;
  readonly linked: boolean;
  readonly atOnce: boolean;
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
  /** By index in the file table. */
  readonly files = new Map<number, Uint8Array>();
  /** By descriptor number: what `setFile` puts into the file table. */
  readonly devices = new Map<number, Uint8Array>();
  readonly sockets = new Map<number, FakeSocket>();
  /** Direct devices, by index in the file table: reads and writes must be whole blocks of so many bytes, in memory too. */
  readonly blockBytes = new Map<number, number>();
  /** Every operation that was submitted, in order. */
  readonly log: FakeOperation[] = [];
  fault: Fault = () => undefined;
  /** A device operation of which this is true stays under way until it is not. */
  held: (operation: FakeOperation) => boolean = () => false;
  reversed = false;
  /** The machine refuses to hold a descriptor: why, or 0. */
  refuses: (fd: number) => number = () => 0;
  turns = 0;
  readonly #socketAt = new Map<number, FakeSocket>();
  /** Timeouts that are under way end. */
  #timeIsOver = false;
  /** Operations that wait for bytes, for a reader, or for the test. */
  #underWay: FakeOperation[] = [];

  /** `arena`: memory, or how much of it. */
  constructor(arena: SharedArrayBuffer | number, capacity = 4096) {
    this.capacity = capacity;
    this.submissions = new Int32Array(capacity * DESCRIPTOR_WORDS);
    this.completions = new Int32Array(capacity * COMPLETION_WORDS);
    this.arena = typeof arena === "number" ? new SharedArrayBuffer(arena) : arena;
    this.bytes = new Uint8Array(this.arena);
  }

  setFile(index: number, fd: number, kind: FileKind): void {
    const refusal = fd < 0 ? 0 : this.refuses(fd);
    if (refusal !== 0) throw new SnapringError(errnoName(refusal) as ErrnoName, "refused by the test");
    const socket = kind === FileKind.Socket ? this.sockets.get(fd) : undefined;
    const device = this.devices.get(fd);
    if (socket !== undefined) this.#socketAt.set(index, socket);
    else if (device !== undefined) this.files.set(index, device);
    else if (fd === -1 && !this.#socketAt.delete(index)) this.files.delete(index);
  }

  /** Operations that have not completed, of one kind. */
  underWay(op: IoOp): number {
    return this.#underWay.filter((operation) => operation.op === op).length;
  }

  /** The time of every timeout that is under way is over. */
  passTime(): void {
    this.#timeIsOver = true;
  }

  turn(count: number, _wait: boolean): number {
    this.turns += 1;
    const results: [number, number][] = [];
    const before = this.#underWay;
    this.#underWay = [];
    for (const operation of before) this.#attempt(operation, results);
    this.#timeIsOver = false;
    let broken = false;
    for (let i = 0; i < count; i++) {
      const operation = this.#decode(i);
      this.log.push(operation);
      if (broken) {
        results.push([operation.user, -errno.ECANCELED]);
        broken = operation.linked;
        continue;
      }
      const result = this.#attempt(operation, results);
      const whole = result === (operation.op === IoOp.Sync ? 0 : operation.length);
      broken = operation.linked && !whole;
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

  close(): boolean {
    return true;
  }

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
      atOnce: ((w[0] >> 8) & IoFlag.AtOnce) !== 0,
    };
  }

  /** Run an operation, or leave it under way. */
  #attempt(operation: FakeOperation, results: [number, number][]): number | undefined {
    const result = this.#resultOf(operation, results);
    if (result === undefined) this.#underWay.push(operation);
    else results.push([operation.user, result]);
    return result;
  }

  #resultOf(operation: FakeOperation, results: [number, number][]): number | undefined {
    switch (operation.op) {
      case IoOp.EventRead:
        return undefined;
      case IoOp.Timeout:
        return this.#timeIsOver ? -errno.ETIME : undefined;
      case IoOp.Cancel:
        return this.#cancel(operation.argument, results);
      case IoOp.Receive:
      case IoOp.ReceiveVector:
      case IoOp.Send:
      case IoOp.SendVector:
        return this.#socketOperation(operation);
      default:
        return this.held(operation) ? undefined : this.#run(operation);
    }
  }

  #cancel(user: number, results: [number, number][]): number {
    const at = this.#underWay.findIndex((operation) => operation.user === user);
    if (at < 0) return -errno.ENOENT;
    this.#underWay.splice(at, 1);
    results.push([user, -errno.ECANCELED]);
    return 0;
  }

  #socketOperation(operation: FakeOperation): number | undefined {
    const socket = this.#socketAt.get(operation.file);
    if (socket === undefined) return -errno.EBADF;
    const parts = this.#parts(operation);
    const receives = operation.op === IoOp.Receive || operation.op === IoOp.ReceiveVector;
    return receives ? socket.receive(parts) : socket.send(parts);
  }

  #parts(operation: FakeOperation): Uint8Array[] {
    const { op, address, length } = operation;
    if (op === IoOp.Receive || op === IoOp.Send) return [this.bytes.subarray(address, address + length)];
    const words = new Uint32Array(this.arena, address, 2 * length);
    return Array.from({ length }, (_, i) => this.bytes.subarray(words[2 * i], words[2 * i] + words[2 * i + 1]));
  }

  #run(operation: FakeOperation): number {
    const { op, file, address, position } = operation;
    const fault = this.fault(operation);
    if (fault !== undefined && fault < 0) return fault;
    if (op === IoOp.Sync || op === IoOp.Nop) return 0;
    const device = this.files.get(file);
    if (device === undefined) return -errno.EBADF;
    const block = op === IoOp.Allocate ? 1 : (this.blockBytes.get(file) ?? 1);
    if ((address | position | operation.length) % block !== 0) return -errno.EINVAL;
    const length = Math.min(fault ?? operation.length, operation.length, Math.max(0, device.length - position));
    if (op === IoOp.Read) this.bytes.set(device.subarray(position, position + length), address);
    else if (op === IoOp.Write) device.set(this.bytes.subarray(address, address + length), position);
    else if (op === IoOp.Allocate) device.fill(0, position, position + length);
    else return -22;
    return op === IoOp.Allocate ? 0 : length;
  }
}
