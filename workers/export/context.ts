/**
 * What all parts of one export worker share: its ring, the batch under construction, the way to main, the pools, the
 * devices and snapshots it knows, and the requests that are parked at a gate.
 *
 * One thread, no locks: the loop (loop.ts) calls, everything here answers at once.
 */
import { MAX_PIECES_PER_WORKER, MAX_REQUESTS_PER_WORKER } from "../../src/base/constants.ts";
import { Pool } from "../../src/base/pool.ts";
import type { IoRing } from "../../src/device/port.ts";
import { Message } from "../../src/ring/messages.ts";
import type { Outbox } from "../../src/ring/outbox.ts";
import type { Slots } from "../../src/ring/slots.ts";
import { Submissions } from "../../src/ring/submissions.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../src/base/gate-numbers.ts";
import type { VolumeReader } from "../../src/ring/volume-words.ts";
import type { GatePass } from "../../src/ring/gate.ts";
import type { DeviceView } from "./device-view.ts";
import { Piece, Stage } from "./piece.ts";
import { Request } from "./request.ts";
import type { SnapshotView } from "./snapshot-view.ts";

/**
 * The upper bits of a user word say who gets the completion; the lower ones its number. Numbers are used again:
 *
 *   connection   index and generation (Connection.tag): its receive may be under way when it ends, and a cancel be late
 *   piece        index: it is given back only by the last completion of its operations, or by main's one answer to its token; operations of devices
 *                are never cancelled, and of a main that has ended no answer is taken any more (ExportLoop)
 *   request      never in a user word: its pieces, or a send that has it in its list, keep it until they have ended
 */
export const User = {
  Piece: 1 << 24,
  EdgeHead: 2 << 24,
  EdgeTail: 3 << 24,
  Receive: 4 << 24,
  Send: 5 << 24,
  Wake: 6 << 24,
  Cancel: 7 << 24,
  Ask: 8 << 24,
} as const;
export const USER_INDEX_MASK: number = (1 << 24) - 1;

export interface ContextParts {
  readonly ring: IoRing;
  readonly outbox: Outbox;
  readonly volume: VolumeReader;
  readonly slots: Slots;
  readonly origin: DeviceView;
  readonly originBytes: number;
  /** Arena address and length of a region that is always zero. */
  readonly zeroAddress: number;
  readonly zeroBytes: number;
  readonly counters: Float64Array;
}

export class ExportContext {
  readonly ring: IoRing;
  readonly submissions: Submissions;
  readonly outbox: Outbox;
  readonly volume: VolumeReader;
  readonly slots: Slots;
  readonly origin: DeviceView;
  readonly originBytes: number;
  readonly zeroAddress: number;
  readonly zeroBytes: number;
  readonly counters: Float64Array;
  readonly originWritePass: GatePass;
  readonly originReadPass: GatePass;
  readonly requests: Pool<Request> = new Pool(MAX_REQUESTS_PER_WORKER, (i) => new Request(i));
  readonly pieces: Pool<Piece> = new Pool(MAX_PIECES_PER_WORKER, (i) => new Piece(i));
  /** By snapshot index. */
  readonly snapshots: (SnapshotView | undefined)[] = [];
  /** Requests that found no piece, each once, oldest first. */
  readonly starved: Request[] = [];
  /** A slot or a record has come back. */
  returned = false;
  /** Milliseconds, taken once per turn. */
  now = 0;
  readonly #parked = new Map<number, Piece[]>();

  constructor(parts: ContextParts) {
    this.ring = parts.ring;
    this.submissions = new Submissions(parts.ring.submissions);
    this.outbox = parts.outbox;
    this.volume = parts.volume;
    this.slots = parts.slots;
    this.origin = parts.origin;
    this.originBytes = parts.originBytes;
    this.zeroAddress = parts.zeroAddress;
    this.zeroBytes = parts.zeroBytes;
    this.counters = parts.counters;
    this.originWritePass = parts.volume.pass(ORIGIN_WRITE_GATE);
    this.originReadPass = parts.volume.pass(ORIGIN_READ_GATE);
  }

  snapshot(index: number): SnapshotView {
    return this.snapshots[index] as SnapshotView;
  }

  /**
   * Announce the piece in a gate (C-10.1 and C-10.2). False: the gate is closed, the piece is parked until it opens, and its
   * handler looks again. A piece that is the gate's only write passes through the closed gate.
   */
  enter(piece: Piece, pass: GatePass, gate: number): boolean {
    if (piece.exclusive) return true;
    piece.pass = pass;
    piece.gate = gate;
    if (pass.enter()) return true;
    this.leave(piece);
    piece.stage = Stage.Gate;
    const parked = this.#parked.get(gate);
    if (parked === undefined) this.#parked.set(gate, [piece]);
    else parked.push(piece);
    return false;
  }

  /** Announce the piece in a gate if that is open; it is never parked. */
  tryEnter(piece: Piece, pass: GatePass, gate: number): boolean {
    piece.pass = pass;
    piece.gate = gate;
    if (pass.enter()) return true;
    this.leave(piece);
    return false;
  }

  /** End the announcement, if there is one. */
  leave(piece: Piece): void {
    if (piece.exclusive) {
      piece.exclusive = false;
      this.outbox.send(Message.ExclusiveDone, piece.index, piece.gate);
      return;
    }
    if (piece.pass === null) return;
    if (piece.pass.leave()) this.outbox.send(Message.GateDrained, 0, piece.gate);
    piece.pass = null;
  }

  /** A request is over: its slot and its record. */
  giveBack(request: Request): void {
    this.giveBackSlot(request);
    request.next = null;
    request.connection = null;
    this.requests.give(request);
    this.returned = true;
  }

  giveBackSlot(request: Request): void {
    if (request.slot === -1) return;
    this.slots.give(request.slot);
    if (request.connection !== null) request.connection.heldBytes -= request.slotBytes;
    request.slot = -1;
    this.returned = true;
  }

  /** The piece waits no more for a grant, or has used it. */
  giveBackFill(piece: Piece): void {
    if (piece.fillSlot === -1) return;
    this.slots.give(piece.fillSlot);
    piece.fillSlot = -1;
    this.returned = true;
  }

  /** The pieces that were parked at a gate; it has opened. */
  unpark(gate: number): readonly Piece[] {
    const parked = this.#parked.get(gate) ?? [];
    this.#parked.delete(gate);
    return parked;
  }
}
