/**
 * What all parts of one export worker share: its ring, the batch under construction, the way to main, the pools, and the volumes that it serves
 * (served-volume.ts).
 *
 * One thread, no locks: the loop (loop.ts) calls, everything here answers at once.
 */
import { assert } from "../../src/base/assert.ts";
import {
  MAX_CONNECTIONS_PER_WORKER,
  MAX_PIECES_PER_WORKER,
  MAX_REQUESTS_PER_WORKER,
} from "../../src/base/constants.ts";
import { Pool } from "../../src/base/pool.ts";
import type { IoRing } from "../../src/device/port.ts";
import type { GatePass } from "../../src/ring/gate.ts";
import { Message } from "../../src/ring/messages.ts";
import type { Outbox } from "../../src/ring/outbox.ts";
import { ExclusiveDone, GateDrained } from "../../src/ring/to-main.ts";
import { SlotFit } from "../../src/ring/slots.ts";
import { Submissions } from "../../src/ring/submissions.ts";
import { Connection } from "./connection.ts";
import { type OwnedSlots, pieceOwner, requestOwner } from "./owned-slots.ts";
import { type ExportShare, mayHave } from "./export-share.ts";
import type { ExportHandler } from "./handler.ts";
import { Piece } from "./piece.ts";
import { Request } from "./request.ts";
import type { ServedVolume } from "./served-volume.ts";
import { Stage } from "./stage.ts";

/** Slots are free, and the export, or the client, has as many as it may. */
export const SHARE_USED = -2;

/** Records that inherit the requests of clients who have gone (departed.ts). */
const HEIRS = 2;

export interface ContextParts {
  readonly ring: IoRing;
  readonly outbox: Outbox;
  readonly slots: OwnedSlots;
  /** Arena address and length of a region that is always zero. */
  readonly zeroAddress: number;
  readonly zeroBytes: number;
  /** Arena address of the connections' parts. */
  readonly connections: number;
  readonly counters: Float64Array;
}

export class ExportContext {
  readonly ring: IoRing;
  readonly submissions: Submissions;
  readonly outbox: Outbox;
  readonly slots: OwnedSlots;
  readonly zeroAddress: number;
  readonly zeroBytes: number;
  readonly counters: Float64Array;
  readonly requests: Pool<Request> = new Pool(MAX_REQUESTS_PER_WORKER, (i) => new Request(i));
  readonly pieces: Pool<Piece> = new Pool(MAX_PIECES_PER_WORKER, (i) => new Piece(i));
  readonly connections: readonly Connection[];
  readonly heirs: readonly Connection[];
  /** By number. */
  readonly volumes: (ServedVolume | undefined)[] = [];
  /** Clients with requests that found no piece, each once. */
  readonly starving: Connection[] = [];
  /** A slot or a record has come back. */
  returned = false;
  /** Milliseconds, taken once per turn. */
  now = 0;
  /** Connections and heirs, by the number that requests have. */
  readonly #clients: readonly Connection[];

  constructor(parts: ContextParts) {
    this.ring = parts.ring;
    this.submissions = new Submissions(parts.ring.submissions);
    this.outbox = parts.outbox;
    this.slots = parts.slots;
    this.zeroAddress = parts.zeroAddress;
    this.zeroBytes = parts.zeroBytes;
    this.counters = parts.counters;
    this.#clients = Array.from(
      { length: MAX_CONNECTIONS_PER_WORKER + HEIRS },
      (_, i) => new Connection(i, parts.connections),
    );
    this.connections = this.#clients.slice(0, MAX_CONNECTIONS_PER_WORKER);
    this.heirs = this.#clients.slice(MAX_CONNECTIONS_PER_WORKER);
  }

  /** By the number that main has for it. */
  volume(number: number): ServedVolume {
    const volume = this.volumes[number];
    assert(volume !== undefined, "main names a volume that the worker was not told of");
    return volume;
  }

  volumeOf(piece: Piece): ServedVolume {
    const volume = this.volumes[piece.volume];
    assert(volume !== undefined, "a piece of a volume that has gone");
    return volume;
  }

  requestOf(piece: Piece): Request {
    const request = this.requests.all[piece.request];
    assert(request !== undefined, "a piece of no request");
    return request;
  }

  clientOf(request: Request): Connection {
    const client = this.#clients[request.connection];
    assert(client !== undefined, "a request of nobody");
    return client;
  }

  /**
   * Announce the piece in a gate (C-10.1 and C-10.2). False: the gate is closed, the piece is parked until it opens, and its
   * handler looks again. A piece that is the gate's only write passes through the closed gate.
   */
  enter(piece: Piece, pass: GatePass, gate: number): boolean {
    if (piece.announcement.exclusive) {
      assert(piece.announcement.gate === gate, "alone in one gate, and it enters another");
      return true;
    }
    if (this.tryEnter(piece, pass, gate)) return true;
    piece.moveTo(Stage.Gate);
    this.volumeOf(piece).park(piece, gate);
    return false;
  }

  /** Announce the piece in a gate if that is open; it is never parked. */
  tryEnter(piece: Piece, pass: GatePass, gate: number): boolean {
    if (piece.announcement.enter(pass, gate)) return true;
    this.leave(piece);
    return false;
  }

  /** End the announcement, if there is one. */
  leave(piece: Piece): void {
    const { announcement } = piece;
    if (announcement.isNowhere) return;
    if (announcement.exclusive) {
      announcement.leaveExclusive();
      const at = this.outbox.begin(Message.ExclusiveDone, piece.volume, piece.index);
      ExclusiveDone.gate.set(this.outbox.words, at, announcement.gate);
      return;
    }
    if (announcement.leave()) this.#tellDrained(piece.volume, announcement.gate);
  }

  #tellDrained(volume: number, gate: number): void {
    const at = this.outbox.begin(Message.GateDrained, volume, 0);
    GateDrained.gate.set(this.outbox.words, at, gate);
  }

  /** A request is over: its slot and its record. */
  giveBack(request: Request): void {
    this.giveBackSlot(request);
    const { share, volume } = handlerOf(request);
    share.requests -= 1;
    volume.requests -= 1;
    assert(share.requests >= 0 && volume.requests >= 0, "more requests of an export ended than began");
    request.over();
    this.requests.give(request);
    this.returned = true;
  }

  giveBackSlot(request: Request): void {
    if (request.slot === -1) return;
    assert(request.pieces === 0, "a slot was given back under a request's pieces");
    const client = this.clientOf(request);
    this.#giveSlot(request.slot, requestOwner(request.index), request, client);
    client.heldBytes -= request.slotBytes;
    assert(client.heldBytes >= 0, "a client gave back more than it held");
    request.slot = -1;
    this.returned = true;
  }

  /** A slot for a request, or for one of its pieces, of `client` and of this export: -1: none is free, SHARE_USED: of those that are they may have none. */
  takeSlot(bytes: number, owner: number, fit: SlotFit, share: ExportShare, client: Connection): number {
    const { slots } = this;
    let classes = 0;
    let isFree = false;
    const first = slots.sizeClass(bytes);
    const last = Math.min(fit === SlotFit.NextLarger ? first + 1 : first, slots.sizeClasses - 1);
    for (let k = first; k <= last; k++) {
      const free = slots.free(k);
      if (free > 0) isFree = true;
      if (mayHave(free, share.slots[k], client.slots[k])) classes |= 1 << k;
    }
    if (classes === 0) return isFree ? SHARE_USED : -1;
    const slot = slots.take(bytes, owner, fit, classes);
    const k = slots.classOf(slot);
    share.slots[k] += 1;
    client.slots[k] += 1;
    return slot;
  }

  #giveSlot(slot: number, owner: number, request: Request, client: Connection): void {
    const { share } = handlerOf(request);
    const k = this.slots.classOf(slot);
    this.slots.give(slot, owner);
    share.slots[k] -= 1;
    client.slots[k] -= 1;
    assert(share.slots[k] >= 0 && client.slots[k] >= 0, "more slots came back than were taken");
  }

  /** The piece has done with its chunk: the slot comes back. */
  endFill(piece: Piece): void {
    const { fill } = piece;
    if (fill.slot !== -1) {
      const request = this.requestOf(piece);
      this.#giveSlot(fill.slot, pieceOwner(piece.index), request, this.clientOf(request));
      fill.slot = -1;
      this.returned = true;
    }
    fill.end();
  }
}

export function handlerOf(request: Request): ExportHandler {
  assert(request.handler !== null, "a request of no export");
  return request.handler;
}
