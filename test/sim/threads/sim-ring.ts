/**
 * A batch ring over fake disks and scripted sockets, on one thread: what the kernel does, in an order that the seed chooses.
 *
 * Fault model: an operation runs at any time after its submission, and completes at any time after that, in any order; linked
 * ones run one after the other, and are cancelled behind one that fails or is short. A transfer may be short (`shortPercent`). A
 * durable write is first an ordinary one: a cut between the two may tear it. Bytes are taken from the arena when the operation
 * runs. A socket gives as many bytes as it likes. What a disk loses and fails is its own affair (fake-disk.ts).
 */
import { errno } from "../../../src/base/errno.ts";
import { FileKind, type IoRing, type IoRingCounters } from "../../../src/device/port.ts";
import {
  AllocateMode,
  COMPLETION_WORDS,
  DESCRIPTOR_WORDS,
  IoArg,
  IoFlag,
  IoOp,
} from "../../../src/ring/io-descriptor.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import type { SeededRandom } from "../../support/core/seeded-random.ts";
import type { FakeSocket } from "../../support/fake-socket.ts";

interface SimOperation {
  readonly op: number;
  readonly file: number;
  readonly user: number;
  readonly address: number;
  readonly length: number;
  readonly position: number;
  readonly argument: number;
  /** The operation that it is linked behind. */
  readonly behind: SimOperation | undefined;
  /** It does not run before this turn. */
  readonly heldUntil: number;
  /** A durable write that has been done once, as an ordinary one. */
  half: boolean;
  /** Undefined until it has run. */
  result: number | undefined;
}

/** What all rings of an engine have in common. */
export interface SimMachine {
  readonly random: SeededRandom;
  /** By descriptor number. */
  readonly disks: ReadonlyMap<number, FakeDisk>;
  readonly sockets: ReadonlyMap<number, FakeSocket>;
  /** fallocate is supported. */
  readonly allocates: boolean;
  /** Of no operation on these begins. */
  readonly stalled: Set<FakeDisk>;
  /** Percent of the operations on disks that are slow, each for itself. */
  readonly slowPercent: number;
  /** Turns of all rings so far. */
  turns: number;
}

/** Turns for which a slow operation does not run. */
export const SLOW_TURNS = 400;

export class SimRing implements IoRing {
  readonly kind = "fake";
  readonly capacity: number;
  readonly submissions: Int32Array;
  readonly completions: Int32Array;
  readonly #machine: SimMachine;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #shortPercent: number;
  readonly #disks = new Map<number, FakeDisk>();
  readonly #sockets = new Map<number, FakeSocket>();
  #pending: SimOperation[] = [];
  #finished: SimOperation[] = [];
  /** Somebody has written to the eventfd. */
  signaled = false;

  constructor(machine: SimMachine, arena: SharedArrayBuffer, capacity: number, shortPercent: number) {
    this.#machine = machine;
    this.#bytes = new Uint8Array(arena);
    this.#words = new Uint32Array(arena);
    this.#shortPercent = shortPercent;
    this.capacity = capacity;
    this.submissions = new Int32Array(capacity * DESCRIPTOR_WORDS);
    this.completions = new Int32Array(capacity * COMPLETION_WORDS);
  }

  /** A number is another file's when nothing but a flush is under way for the one that had it (ring/file-table.ts). */
  setFile(index: number, fd: number, kind: FileKind): void {
    if (this.#isUsed(index)) throw new Error(`file ${index} is taken away from what is under way on it`);
    this.#sockets.delete(index);
    this.#disks.delete(index);
    const socket = kind === FileKind.Socket ? this.#machine.sockets.get(fd) : undefined;
    const disk = this.#machine.disks.get(fd);
    if (socket !== undefined) this.#sockets.set(index, socket);
    else if (disk !== undefined) this.#disks.set(index, disk);
  }

  turn(count: number, _wait: boolean): number {
    this.#machine.turns += 1;
    let before: SimOperation | undefined;
    for (let i = 0; i < count; i++) {
      const operation = this.#decode(i, before);
      this.#pending.push(operation);
      const flags = (this.submissions[i * DESCRIPTOR_WORDS]! >> 8) & 255;
      before = (flags & IoFlag.Link) !== 0 ? operation : undefined;
    }
    this.#run();
    return this.#deliver();
  }

  /** Something can run or complete without a further submission. */
  get hasWork(): boolean {
    return this.#finished.length > 0 || this.#pending.some((operation) => this.#canRun(operation));
  }

  /** An operation is slow, and will run. */
  get isHeld(): boolean {
    return this.#pending.some((operation) => operation.heldUntil > this.#machine.turns);
  }

  /** The process is killed: some of what the kernel has of it is still carried out, in the order of its links. */
  die(): void {
    for (const operation of this.#pending) {
      const { file, behind } = operation;
      if (!this.#disks.has(file)) continue;
      if (behind !== undefined && behind.result === undefined) continue;
      if (this.#machine.random.chance(50)) operation.result = this.#resultOf(operation);
    }
  }

  copy(target: number, source: number, length: number): void {
    this.#bytes.copyWithin(target, source, source + length);
  }

  zero(target: number, length: number): void {
    this.#bytes.fill(0, target, target + length);
  }

  counters(): IoRingCounters {
    return { enters: 0, turns: 0, submitted: 0, completed: 0, inline: 0 };
  }

  close(): boolean {
    return true;
  }

  #isUsed(index: number): boolean {
    if (!this.#disks.has(index) && !this.#sockets.has(index)) return false;
    return this.#pending.some(({ file, op }) => file === index && op !== IoOp.Sync);
  }

  #decode(i: number, behind: SimOperation | undefined): SimOperation {
    const w = this.submissions.subarray(i * DESCRIPTOR_WORDS, (i + 1) * DESCRIPTOR_WORDS);
    const op = w[0]! & 255;
    const length = op === IoOp.Allocate ? (w[8]! >>> 0) + w[9]! * 2 ** 32 : w[4]! >>> 0;
    return {
      ...{ op, file: w[1]!, user: w[2]!, address: w[3]! >>> 0, length },
      ...{ position: (w[5]! >>> 0) + w[6]! * 2 ** 32, argument: w[7]! },
      ...{ behind, half: false, result: undefined, heldUntil: this.#hold(op, w[1]!) },
    };
  }

  /** A timeout comes at any time. */
  #hold(op: number, file: number): number {
    const { random, slowPercent, turns } = this.#machine;
    if (op === IoOp.Timeout) return turns + 1 + random.below(SLOW_TURNS);
    const slow = slowPercent > 0 && this.#disks.has(file) && random.chance(slowPercent);
    return slow ? turns + random.below(SLOW_TURNS) : 0;
  }

  /** Some of those that can run do. */
  #run(): void {
    const { random } = this.#machine;
    for (const operation of [...this.#pending]) {
      // Cancelled by one before it.
      if (operation.result !== undefined) continue;
      // A cancel is done when it is submitted: later it might meet another operation of the same user.
      const now = operation.op === IoOp.Cancel;
      if (!this.#canRun(operation) || (!now && !random.chance(60))) continue;
      const result = this.#resultOf(operation);
      if (result === undefined) continue;
      operation.result = result;
      this.#pending.splice(this.#pending.indexOf(operation), 1);
      this.#finished.push(operation);
    }
  }

  #canRun(operation: SimOperation): boolean {
    const { behind, op, file } = operation;
    if (behind !== undefined && behind.result === undefined) return false;
    if (op === IoOp.Cancel) return true;
    if (op === IoOp.EventRead) return this.signaled;
    if (op === IoOp.Receive || op === IoOp.ReceiveVector) return this.#sockets.get(file)?.readable ?? true;
    if (op === IoOp.Send || op === IoOp.SendVector) return this.#sockets.get(file)?.blocked !== true;
    if (operation.heldUntil > this.#machine.turns) return false;
    if (op === IoOp.Timeout) return true;
    const disk = this.#disks.get(file);
    return disk === undefined || !this.#machine.stalled.has(disk);
  }

  #deliver(): number {
    const { random } = this.#machine;
    let count = 0;
    const later: SimOperation[] = [];
    while (this.#finished.length > 0) {
      const [operation] = this.#finished.splice(random.below(this.#finished.length), 1);
      if (count === this.capacity || !random.chance(70)) {
        later.push(operation!);
        continue;
      }
      this.completions[count * COMPLETION_WORDS] = operation!.user;
      this.completions[count * COMPLETION_WORDS + 1] = operation!.result!;
      count += 1;
    }
    this.#finished = later;
    return count;
  }

  #resultOf(operation: SimOperation): number | undefined {
    const { op, behind } = operation;
    if (behind !== undefined) {
      const whole = behind.op === IoOp.Sync ? 0 : behind.length;
      if (behind.result !== whole) return -errno.ECANCELED;
    }
    switch (op) {
      case IoOp.Nop:
        return 0;
      case IoOp.Timeout:
        return -errno.ETIME;
      case IoOp.EventRead:
        this.signaled = false;
        return 8;
      case IoOp.Cancel:
        return this.#cancel(operation.argument);
      case IoOp.Receive:
      case IoOp.ReceiveVector:
      case IoOp.Send:
      case IoOp.SendVector:
        return this.#socketOperation(operation);
      default:
        return this.#diskOperation(operation);
    }
  }

  #cancel(user: number): number {
    const at = this.#pending.findIndex((operation) => operation.user === user);
    if (at < 0) return -errno.ENOENT;
    const [cancelled] = this.#pending.splice(at, 1);
    cancelled!.result = -errno.ECANCELED;
    this.#finished.push(cancelled!);
    return 0;
  }

  #socketOperation(operation: SimOperation): number | undefined {
    const socket = this.#sockets.get(operation.file);
    if (socket === undefined) return -errno.EBADF;
    const parts = this.#parts(operation);
    if (operation.op === IoOp.Send || operation.op === IoOp.SendVector) return socket.send(parts);
    return socket.receive(
      this.#machine.random.chance(20)
        ? parts.slice(0, 1).map((part) => part.subarray(0, 1 + this.#machine.random.below(100)))
        : parts,
    );
  }

  #parts({ op, address, length }: SimOperation): Uint8Array[] {
    if (op === IoOp.Receive || op === IoOp.Send) return [this.#bytes.subarray(address, address + length)];
    const at = address / 4;
    return Array.from({ length }, (_, i) => {
      const from = this.#words[at + 2 * i]!;
      return this.#bytes.subarray(from, from + this.#words[at + 2 * i + 1]!);
    });
  }

  #diskOperation(operation: SimOperation): number | undefined {
    const { op, address, position, argument } = operation;
    const disk = this.#disks.get(operation.file);
    if (disk === undefined) return -errno.EBADF;
    const length = this.#moved(operation, disk.blockBytes);
    const moves = op === IoOp.Read || op === IoOp.Write;
    if (moves && address % disk.blockBytes !== 0) throw new Error(`direct I/O of memory at ${address}`);
    switch (op) {
      case IoOp.Sync:
        return -disk.flush();
      case IoOp.Read: {
        const { error, bytes } = disk.read(position, length);
        this.#bytes.set(bytes, address);
        return error === 0 ? length : -error;
      }
      case IoOp.Write: {
        const durable = (argument & IoArg.Dsync) !== 0;
        const error = disk.write(position, this.#bytes.slice(address, address + length), durable && operation.half);
        if (error !== 0 || !durable || operation.half) return error === 0 ? length : -error;
        operation.half = true;
        return undefined;
      }
      case IoOp.Allocate:
        if (!this.#machine.allocates) return -errno.EOPNOTSUPP;
        if ((argument & AllocateMode.Discard) !== 0 && this.#machine.random.chance(30)) return 0;
        return -disk.zero(position, length);
      default:
        throw new Error(`operation ${op} on a disk`);
    }
  }

  /** Bytes that are moved: all of them, or whole blocks. */
  #moved({ op, length, half }: SimOperation, blockBytes: number): number {
    const { random } = this.#machine;
    const may = (op === IoOp.Read || op === IoOp.Write) && length > blockBytes && !half;
    if (!may || !random.chance(this.#shortPercent)) return length;
    return blockBytes * (1 + random.below(Math.floor(length / blockBytes) - 1));
  }
}
