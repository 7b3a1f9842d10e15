/**
 * The room that a snapshot has, wants, and waits for (E-47, E-48): what the shell has been asked for, and what its user has said of a full store.
 *
 *   Nobody ── so many percent are used ──▶ Soon ── a need has found none ──▶ Now
 *      ▲               wantRoom                          wantRoom             │ the shell: refused
 *      │                                                                      ▼
 *      └── it has grown ─────────────────────────────────────────────── stalled, or the end (room.ts)
 *
 * The shell is asked once, and goes on trying by itself until it can say that there is room: what it was asked for is asked again only where it
 * has become urgent. Who waits is in the lists of waiters.ts; while anybody does, it is asked for now, or stalled.
 *
 * A store may have room and its file system none: that is known only when the data of an exception has been written (overflow.ts). Then it stalls, too, and
 * nobody is given a chunk, for he would fail; now and then one exception is tried, and the others follow it when it is there.
 *
 *   stalled ── tryAgain ──▶ offered ── the next that needs a chunk has it ──▶ under way ─┬─ its data is there ──▶ everybody looks again
 *      ▲                                                                                 └─ no room ──┐
 *      └──────────────────────────────────────────────────────────────────────────────────────────────┘
 */
import type { Allocator } from "./allocator.ts";
import type { SnapshotCounters } from "./counters.ts";
import { FillLevel, type FillPercent, isAt } from "./fill-level.ts";
import type { Effects } from "./ports.ts";
import type { RoomPolicy } from "./room-policy.ts";

const Asked = { Nobody: 0, Soon: 1, Now: 2 } as const;
type Asked = (typeof Asked)[keyof typeof Asked];

const Trial = { None: 0, Offered: 1, UnderWay: 2 } as const;
type Trial = (typeof Trial)[keyof typeof Trial];

export class SnapshotRoom {
  policy: RoomPolicy;
  /** Nothing but room that somebody adds helps those who wait, and they have been told to wait for that. */
  isStalled = false;
  readonly #index: number;
  readonly #chunkSectors: number;
  readonly #allocator: Allocator;
  readonly #counters: SnapshotCounters;
  readonly #effects: Effects;
  readonly #level: FillLevel;
  #asked: Asked = Asked.Nobody;
  #trial: Trial = Trial.None;
  readonly #tell: (percent: FillPercent, rising: boolean) => void;

  constructor(
    { index, chunkSectors, policy }: { index: number; chunkSectors: number; policy: RoomPolicy },
    allocator: Allocator,
    counters: SnapshotCounters,
    effects: Effects,
  ) {
    this.policy = policy;
    this.#index = index;
    this.#chunkSectors = chunkSectors;
    this.#allocator = allocator;
    this.#counters = counters;
    this.#effects = effects;
    this.#level = new FillLevel(chunkSectors);
    this.#tell = (percent, rising) => effects.level(index, percent, rising);
    this.#level.look(allocator);
  }

  /** Chunks have been taken, or come back: levels are told, and room is asked for where there is little. */
  look(): void {
    this.#level.look(this.#allocator, this.#tell);
    const { growAt } = this.policy;
    if (growAt === 0 || this.#asked !== Asked.Nobody) return;
    const chunks = Math.floor(this.#allocator.cowSectors / this.#chunkSectors);
    if (isAt(this.#allocator.used, growAt, chunks)) this.#ask(Asked.Soon);
  }

  /** Who needs room may wait for it: the device has none, or its file system, not the table, and there is somebody to wait for. */
  get mayCome(): boolean {
    const { growAt, stalls } = this.policy;
    return (growAt > 0 || stalls) && (this.isStalled || !this.#allocator.hasSpace());
  }

  /** A need waits. False: nobody will grow the store by itself. */
  askNow(): boolean {
    if (this.policy.growAt === 0) return false;
    if (this.#asked !== Asked.Now) this.#ask(Asked.Now);
    return true;
  }

  /** Has it been asked for at once, and no answer come? */
  get isAwaited(): boolean {
    return this.#asked === Asked.Now;
  }

  /** The shell cannot make any now, and goes on trying: what becomes urgent again is asked for again. */
  refused(): void {
    if (this.#asked === Asked.Now) this.#asked = Asked.Soon;
  }

  /** Those who need room wait until somebody adds some. `error`: what the file system has said, where the store itself has room. */
  stall(error = 0): void {
    if (this.isStalled) return;
    this.isStalled = true;
    this.#counters.stalls += 1;
    this.#effects.notice(this.#index, "stalled", error);
  }

  /** Nobody waits any more; they have been told, or are about to be. */
  endStall(): void {
    if (!this.isStalled) return;
    this.forgetStall();
    this.#effects.notice(this.#index, "resumed", 0);
  }

  /** … and what becomes of the snapshot tells so. */
  forgetStall(): void {
    this.isStalled = false;
    if (this.#trial === Trial.Offered) this.#trial = Trial.None;
  }

  /** False: there is nothing to try, or one exception is being tried. */
  offerTrial(): boolean {
    if (!this.isStalled || this.#trial === Trial.UnderWay) return false;
    this.#trial = Trial.Offered;
    return true;
  }

  /** Chunks are handed out: none while it stalls, but for the one that is tried. */
  get gives(): boolean {
    return !this.isStalled || this.#trial === Trial.Offered;
  }

  /** An exception begins. True: it is the one that is tried. */
  takeTrial(): boolean {
    if (this.#trial !== Trial.Offered) return false;
    this.#trial = Trial.UnderWay;
    return true;
  }

  /** The one that was tried has its data, or has none. */
  endTrial(): void {
    this.#trial = Trial.None;
  }

  /** The device has another size, or the policy is another one: what was asked for is asked anew. */
  forgetAsked(): void {
    this.#asked = Asked.Nobody;
  }

  #ask(asked: Asked): void {
    this.#asked = asked;
    this.#effects.wantRoom(this.#index);
  }
}
