/**
 * One descriptor of the ring over node:fs: decoded, checked as the native rings check it, and where it is on its way.
 *
 *   descriptor words ──decode──▶ NodeRequest ──prepare──▶ file, and ranges of the arena
 *
 * The arena and its vectors can be written by others: each word is loaded once, and only the loaded value is checked and
 * used. Records are reused; a ring keeps as many as were ever under way at once.
 */
import { TRANSFER_BYTES_MAX, VECTOR_ENTRIES_MAX } from "../base/constants.ts";
import { errno } from "../base/errno.ts";
import { fromWords } from "../base/u64.ts";
import { AllocateMode, IoArg, IoFlag, IoOp } from "../ring/io-descriptor.ts";
import { FileKind } from "./port.ts";

/** One direction of a socket: who waits in it, and when it is tried again. */
export interface Direction {
  parked: number;
  retryAt: number;
  delay: number;
  /** The last pass over the parked requests in which it could not go on. */
  blockedIn: number;
}

export interface NodeFile {
  readonly fd: number;
  readonly kind: FileKind;
  readonly input: Direction;
  readonly output: Direction;
}

export function makeFile(fd: number, kind: FileKind): NodeFile {
  const direction = (): Direction => ({ parked: 0, retryAt: 0, delay: 0, blockedIn: 0 });
  return { fd, kind, input: direction(), output: direction() };
}

export const MSG_WAITALL = 0x100;
const MSG_MORE = 0x8000;
const MSG_NOSIGNAL = 0x4000;
const SEND_BITS: number = MSG_MORE | MSG_WAITALL | MSG_NOSIGNAL;

interface Rule {
  /** FileKinds that the operation works on; none: it needs no file. */
  readonly kinds: readonly FileKind[];
  readonly memory: "none" | "range" | "vector" | "eight bytes";
  /** Argument bits that are allowed. */
  readonly argument: number;
}

const DISK: readonly FileKind[] = [FileKind.Async, FileKind.Inline];
const STREAM: readonly FileKind[] = [FileKind.Socket];

/** By operation. */
const RULES: readonly Rule[] = [
  { kinds: [], memory: "none", argument: -1 },
  { kinds: DISK, memory: "range", argument: 0 },
  { kinds: DISK, memory: "range", argument: IoArg.Dsync },
  { kinds: DISK, memory: "none", argument: 0 },
  { kinds: DISK, memory: "none", argument: -1 },
  { kinds: STREAM, memory: "range", argument: MSG_WAITALL },
  { kinds: STREAM, memory: "range", argument: SEND_BITS },
  { kinds: STREAM, memory: "vector", argument: SEND_BITS },
  { kinds: [FileKind.Event], memory: "eight bytes", argument: 0 },
  { kinds: [], memory: "none", argument: -1 },
  { kinds: [], memory: "none", argument: -1 },
  { kinds: STREAM, memory: "vector", argument: MSG_WAITALL },
  { kinds: DISK, memory: "vector", argument: 0 },
  { kinds: DISK, memory: "vector", argument: IoArg.Dsync },
];

const ALLOCATE_MODES: readonly number[] = [
  0,
  AllocateMode.KeepSize,
  AllocateMode.PunchHole | AllocateMode.KeepSize,
  AllocateMode.ZeroRange,
  AllocateMode.ZeroRange | AllocateMode.KeepSize,
  AllocateMode.Discard,
];

export class NodeRequest {
  word0 = 0;
  op: IoOp = IoOp.Nop;
  link = false;
  user = 0;
  position = 0;
  argument = 0;
  length2 = 0;
  file: NodeFile | undefined;
  /** Ranges of the arena, `ranges` of them; `total` bytes together. */
  readonly starts: number[] = [];
  readonly lengths: number[] = [];
  ranges = 0;
  total = 0;
  /** Bytes moved so far. */
  done = 0;
  /** Of a timeout, in milliseconds of the ring's clock. */
  deadline = 0;
  /** The linked request behind this one. */
  next: NodeRequest | undefined;
  #file = 0;
  #offset = 0;
  #length = 0;

  /** Take the words at index `at`. False: an operation or flag that does not exist; `user` and `link` are set all the same. */
  decode(words: Int32Array, at: number): boolean {
    this.word0 = words[at];
    this.op = (this.word0 & 0xff) as IoOp;
    const flags = this.word0 >>> 8;
    this.link = (flags & IoFlag.Link) !== 0;
    this.#file = words[at + 1] >>> 0;
    this.user = words[at + 2];
    this.#offset = words[at + 3] >>> 0;
    this.#length = words[at + 4] >>> 0;
    this.position = fromWords(words[at + 5], words[at + 6]);
    this.argument = words[at + 7];
    this.length2 = fromWords(words[at + 8], words[at + 9]);
    this.file = undefined;
    this.next = undefined;
    this.ranges = 0;
    this.total = 0;
    this.done = 0;
    return this.op < RULES.length && (flags & ~(IoFlag.Link | IoFlag.AtOnce)) === 0;
  }

  /** 0, or -EINVAL or -EBADF: it must not be started. */
  prepare(files: readonly (NodeFile | undefined)[], arena: Uint32Array): number {
    const rule = RULES[this.op];
    if (rule.kinds.length > 0) {
      this.file = files[this.#file];
      if (this.file === undefined) return -errno.EBADF;
      if (!rule.kinds.includes(this.file.kind)) return -errno.EINVAL;
    }
    if ((this.argument & ~rule.argument) !== 0) return -errno.EINVAL;
    if (!this.#takeMemory(rule.memory, arena)) return -errno.EINVAL;
    if (this.op === IoOp.Allocate) return this.#checkAllocate();
    // A receive of nothing would complete with 0, which means that the peer has closed.
    if ((this.op === IoOp.Receive || this.op === IoOp.ReceiveVector) && this.total === 0) return -errno.EINVAL;
    const positioned = this.file !== undefined && DISK.includes(this.file.kind) && this.op !== IoOp.Sync;
    return positioned && !Number.isSafeInteger(this.position + this.total) ? -errno.EINVAL : 0;
  }

  /** Whether this result means that everything was done, so that a linked request may start. */
  isWhole(result: number): boolean {
    if (result < 0) return false;
    switch (this.op) {
      case IoOp.Nop:
      case IoOp.Sync:
      case IoOp.Allocate:
      case IoOp.Cancel:
        return true;
      case IoOp.Receive:
      case IoOp.ReceiveVector:
        return !this.waitsForAll || result === this.total;
      default:
        return result === this.total;
    }
  }

  get isSend(): boolean {
    return this.op === IoOp.Send || this.op === IoOp.SendVector;
  }

  get waitsForAll(): boolean {
    return this.isSend || (this.argument & MSG_WAITALL) !== 0;
  }

  #takeMemory(memory: Rule["memory"], arena: Uint32Array): boolean {
    switch (memory) {
      case "none":
        return true;
      case "range":
        return this.#takeRange(this.#offset, this.#length, arena);
      case "eight bytes":
        return this.#takeRange(this.#offset, 8, arena);
      case "vector":
        return this.#takeVector(arena);
    }
  }

  #takeRange(offset: number, length: number, arena: Uint32Array): boolean {
    if (offset + length > arena.byteLength || this.total + length > TRANSFER_BYTES_MAX) return false;
    this.starts[this.ranges] = offset;
    this.lengths[this.ranges++] = length;
    this.total += length;
    return true;
  }

  #takeVector(arena: Uint32Array): boolean {
    const count = this.#length;
    if (count === 0 || count > VECTOR_ENTRIES_MAX || this.#offset % 4 !== 0) return false;
    if (this.#offset + count * 8 > arena.byteLength) return false;
    const first = this.#offset / 4;
    for (let i = 0; i < count; i++) {
      if (!this.#takeRange(Atomics.load(arena, first + 2 * i), Atomics.load(arena, first + 2 * i + 1), arena))
        return false;
    }
    return true;
  }

  #checkAllocate(): number {
    if (!ALLOCATE_MODES.includes(this.argument) || this.length2 === 0) return -errno.EINVAL;
    return Number.isSafeInteger(this.position + this.length2) ? 0 : -errno.EINVAL;
  }
}
