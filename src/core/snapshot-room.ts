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
 */
import type { Allocator } from "./allocator.ts";
import type { SnapshotCounters } from "./counters.ts";
import { FillLevel, type FillPercent, isAt } from "./fill-level.ts";
import type { Effects } from "./ports.ts";
import type { RoomPolicy } from "./room-policy.ts";

const Asked = { Nobody: 0, Soon: 1, Now: 2 } as const;
type Asked = (typeof Asked)[keyof typeof Asked];

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

  /** Who needs room may wait for it: the device has none, not the table, and there is somebody to wait for. */
  get mayCome(): boolean {
    const { growAt, stalls } = this.policy;
    return (growAt > 0 || stalls) && !this.#allocator.hasSpace();
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

  /** Those who need room wait until somebody adds some. */
  stall(): void {
    if (this.isStalled) return;
    this.isStalled = true;
    this.#counters.stalls += 1;
    this.#effects.notice(this.#index, "stalled", 0);
  }

  /** Nobody waits any more; they have been told, or are about to be. */
  endStall(): void {
    if (!this.isStalled) return;
    this.isStalled = false;
    this.#effects.notice(this.#index, "resumed", 0);
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
