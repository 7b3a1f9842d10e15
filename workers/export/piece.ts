/**
 * A piece: the part of a request that one device operation serves, and where it stands on its way (stage.ts).
 *
 * One device operation covers a run of chunks that lie together. A piece that has just begun gives the rest of its bytes back
 * to the request (further pieces, at the same time); one that had to wait and then meets a shorter run goes on from there,
 * operation by operation, up to `end`. While a piece waits at main it is announced nowhere (C-11).
 *
 *   request (by its number) ◀── piece ──▶ announcement   the gate that it is in
 *                                    ├──▶ transfer       its device operation
 *                                    ├──▶ tracking       a snapshot read on its way to the origin
 *                                    ├──▶ fill, claim    the new chunk of a first write
 *
 * What stands above a record is named by number (piece, request, connection), what stands below is held.
 */
import { assert } from "../../src/base/assert.ts";
import { Announcement } from "./announcement.ts";
import { Claim } from "./claim.ts";
import { Fill } from "./fill.ts";
import { assertFollows, Stage } from "./stage.ts";
import { TrackedRead } from "./tracked-read.ts";
import { Durability, Transfer } from "./transfer.ts";

export const PieceKind = {
  Read: 0,
  Write: 1,
  Zero: 2,
  Trim: 3,
  Flush: 4,
  /** The end of a FUA write on a snapshot (C-14). */
  Durable: 5,
} as const;
export type PieceKind = (typeof PieceKind)[keyof typeof PieceKind];

/** How far a piece of several steps has come. */
export const Step = {
  First: 0,
  /** A flush on a snapshot: main has been asked to make its exceptions durable. */
  AskedDurable: 1,
  /** A trim on a snapshot: it is passed down to the origin, after what is under way. */
  PassDown: 2,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

/** What a piece takes over from its request. */
interface PieceOwner {
  readonly index: number;
  readonly volume: { readonly number: number };
  readonly slot: number;
  readonly durable: boolean;
  readonly noHole: boolean;
}

const NOBODY = -1;

export class Piece {
  readonly index: number;
  /** Number of its request, and of that one's volume. */
  request = NOBODY;
  volume = NOBODY;
  /** Of its request: the slot with the bytes (-1 for none), FUA, NO_HOLE. */
  slot = -1;
  durability: Durability = Durability.WhenFlushed;
  noHole = false;
  kind: PieceKind = PieceKind.Read;
  step: Step = Step.First;
  /** Volume bytes. */
  offset = 0;
  length = 0;
  /** Where the piece ends; what lies beyond `offset + length` comes in a further device operation of the same piece. */
  end = 0;
  /** Arena address of the byte at `offset`; -1 without data. */
  memory = -1;
  /** What it counts for among the bytes of zeroes and trims under way (long-requests.ts). */
  longBytes = 0;
  readonly announcement = new Announcement();
  readonly transfer = new Transfer();
  readonly tracking = new TrackedRead();
  readonly fill = new Fill();
  readonly claim = new Claim();
  #stage: Stage = Stage.Free;

  constructor(index: number) {
    this.index = index;
  }

  get stage(): Stage {
    return this.#stage;
  }

  moveTo(next: Stage): void {
    assertFollows(this.#stage, next);
    this.#stage = next;
  }

  get isFree(): boolean {
    return this.#stage === Stage.Free;
  }

  /** For so many bytes of a request, or for none: a flush, the last step of FUA. */
  begin(owner: PieceOwner, kind: PieceKind, offset: number, length: number, memory: number): void {
    this.moveTo(Stage.Handler);
    this.request = owner.index;
    this.volume = owner.volume.number;
    this.slot = owner.slot;
    this.durability = owner.durable ? Durability.AtOnce : Durability.WhenFlushed;
    this.noHole = owner.noHole;
    this.kind = kind;
    this.offset = offset;
    this.length = length;
    this.end = offset + length;
    this.memory = memory;
    this.#afresh();
  }

  /** To the bytes behind those that are done. */
  goOn(): void {
    assert(this.#stage === Stage.Handler, "a piece goes on before it is done");
    assert(this.length > 0 && this.offset + this.length < this.end, "a piece goes on beyond its end");
    this.offset += this.length;
    if (this.memory !== -1) this.memory += this.length;
    this.length = this.end - this.offset;
    this.#afresh();
  }

  /** What is left to do is its request's. */
  cutHere(): void {
    this.end = this.offset + this.length;
  }

  /** Back to the pool: it holds nothing. */
  over(): void {
    assert(this.announcement.isNowhere, "a piece ended inside of a gate");
    assert(!this.tracking.isTracked, "a read ended and is still tracked");
    assert(!this.fill.isUnderWay, "a piece ended before its chunk");
    assert(this.longBytes === 0, "a piece ended and still counts");
    this.moveTo(Stage.Free);
    this.claim.reset();
    this.transfer.reset();
    this.request = NOBODY;
    this.volume = NOBODY;
  }

  #afresh(): void {
    this.step = Step.First;
    this.claim.reset();
    this.transfer.reset();
  }
}
