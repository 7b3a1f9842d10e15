/**
 * The room of one snapshot's store, as the engine sees to it: it grows by itself, it stalls for a time, and what its user wants of it may change.
 *
 *   core                          main                                             opening thread
 *   wantRoom ───────────────────▶ may it grow? ── yes ───────────────────────────▶ growFile
 *     grow ◀──────────────────────────────────────────────── "grown" ◀────────────┘   │ no room
 *     room: refused ◀──────────── no, or it cannot now: "grow-failed" ◀───────────────┘
 *                                 └─ once more after a while, then after twice that …
 *   "stalled" ──────────────────▶ stallSeconds ── over ──▶ room: stallOver
 *     its file system is full:    └─ room-watch.ts: room: tryAgain, until "resumed"
 *
 * The core asks once (core/snapshot-room.ts), so it is tried again here until it succeeds: a store that could not grow at 80 % does so as soon as its
 * file system has room. Who waits has its own try at once. One growth at a time, in turn with `growSnapshot`: an older size never comes
 * after a newer one. Where the greatest size is reached nothing is tried any more until the policy changes. Runs on main.
 */
import { GROWTH_RETRY_MAX_MS, GROWTH_RETRY_MIN_MS } from "../base/constants.ts";
import { errno, errnoOf, SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { RoomNews } from "../core/room-policy.ts";
import type { Openings } from "./opening-pool.ts";
import { changedPolicy, corePolicy, type FullPolicy } from "./room-options.ts";
import { RoomWatch } from "./room-watch.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { SnapshotPolicy } from "./volume-options.ts";

export interface GrowingStore {
  readonly cow: Pick<VolumeDevice, "file" | "grow" | "freeBytes">;
  readonly chunkBytes: number;
  /** One order about its size after the other. */
  inTurn(order: () => Promise<void>): Promise<void>;
}

/** Bytes of a COW file, before and now. */
export interface Grown {
  readonly from: number;
  readonly to: number;
}

/** The core's side, and who is told. */
export interface GrowthParts {
  readonly openings: Openings;
  readonly readOnly: boolean;
  /** The core has the snapshot. */
  isThere(): boolean;
  /** Sectors that the core knows of. */
  sectors(): number;
  /** The COW device has so many: 0, an error number, or undefined where the core has failed. */
  grow(sectors: number): number | undefined;
  room(news: RoomNews): void;
  grown(growth: Grown): void;
  growFailed(error: number): void;
}

export class StoreGrowth {
  readonly #store: GrowingStore;
  readonly #parts: GrowthParts;
  #policy: FullPolicy;
  /** The core has asked, and has had no try yet. */
  #isWanted = false;
  #isGrowing = false;
  #growing: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #retryMs = GROWTH_RETRY_MIN_MS;
  #stall: NodeJS.Timeout | undefined;
  #isStalled = false;
  readonly #watch: RoomWatch;
  /** What has been told of growth that failed; it is not told again and again. */
  #toldError = 0;
  #hasEnded = false;

  constructor(store: GrowingStore, policy: FullPolicy, parts: GrowthParts) {
    this.#store = store;
    this.#policy = policy;
    this.#parts = parts;
    this.#watch = new RoomWatch({
      free: () => store.cow.freeBytes(parts.openings),
      tryAgain: () => {
        if (parts.isThere()) parts.room({ kind: "tryAgain" });
      },
    });
  }

  get policy(): FullPolicy {
    return this.#policy;
  }

  /** Throws a SnapringError (EINVAL): a block device does not grow by itself. */
  change(change: SnapshotPolicy): void {
    const policy = changedPolicy(this.#policy, change);
    refuseGrowth(policy, this.#store.cow.file);
    this.#policy = policy;
    this.#toldError = 0;
    this.#retryMs = GROWTH_RETRY_MIN_MS;
    this.#clear();
    this.#parts.room({ kind: "policy", policy: corePolicy(policy, this.#parts.readOnly) });
    if (this.#isStalled) this.#limitStall();
  }

  /** The core asks for room. */
  wanted(): void {
    this.#isWanted = true;
    if (!this.#isGrowing && !this.#hasEnded) this.#growing = this.#grow();
  }

  /** The core has been told of another size, by whomever: what it wants beyond that it asks for. */
  changed(): void {
    clearTimeout(this.#retry);
    this.#retryMs = GROWTH_RETRY_MIN_MS;
  }

  /** `error`: what its file system has said, where the store itself has room. */
  stalled(error: number): void {
    this.#isStalled = true;
    this.#limitStall();
    if (error !== 0 && !this.#hasEnded) this.#watch.start();
  }

  /** It has room again, or is no more: nobody waits. */
  resumed(): void {
    this.#isStalled = false;
    clearTimeout(this.#stall);
    this.#watch.stop();
  }

  /** Nothing of it goes on by itself any more. Resolves when nothing is under way. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#clear();
    this.#watch.stop();
    await this.#growing;
  }

  #clear(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#stall);
  }

  #limitStall(): void {
    const { stallSeconds } = this.#policy;
    clearTimeout(this.#stall);
    if (!Number.isFinite(stallSeconds)) return;
    this.#stall = setTimeout(() => this.#parts.room({ kind: "stallOver" }), stallSeconds * 1000);
    this.#stall.unref();
  }

  /** Until the core has what it wants. */
  async #grow(): Promise<void> {
    this.#isGrowing = true;
    while (this.#isWanted && !this.#hasEnded) {
      this.#isWanted = false;
      clearTimeout(this.#retry);
      await this.#store.inTurn(() => this.#growOnce()).catch((error: unknown) => this.#failed(errnoOf(error)));
    }
    this.#isGrowing = false;
  }

  async #growOnce(): Promise<void> {
    const { cow, chunkBytes } = this.#store;
    const parts = this.#parts;
    const { grow } = this.#policy;
    if (grow === undefined || this.#hasEnded || !parts.isThere()) return this.#refuse();
    const from = parts.sectors() * SECTOR_BYTES;
    const to = Math.min(from + whole(grow.by, chunkBytes), grow.max);
    if (to <= from) return this.#atMost();
    const sectors = await cow.grow(parts.openings, to, this.#policy.sparse);
    if (!parts.isThere()) return;
    this.#toldError = 0;
    this.changed();
    if (parts.grow(sectors) === 0) parts.grown({ from, to: sectors * SECTOR_BYTES });
  }

  /** It is as large as it may be. */
  #atMost(): void {
    this.#say(errno.EFBIG);
    this.#refuse();
  }

  #failed(error: number): void {
    this.#say(error);
    this.#refuse();
    if (this.#hasEnded || !this.#parts.isThere()) return;
    this.#retry = setTimeout(() => this.wanted(), this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(2 * this.#retryMs, GROWTH_RETRY_MAX_MS);
  }

  #say(error: number): void {
    if (this.#toldError === error) return;
    this.#toldError = error;
    this.#parts.growFailed(error);
  }

  #refuse(): void {
    this.#parts.room({ kind: "refused" });
  }
}

/** Throws a SnapringError (EINVAL). */
export function refuseGrowth(
  { grow }: FullPolicy,
  { path, isBlockDevice }: { readonly path: string; readonly isBlockDevice: boolean },
): void {
  if (grow === undefined || !isBlockDevice) return;
  throw new SnapringError(
    "EINVAL",
    `${path} is a block device, which cannot grow by itself: grow it, then growSnapshot`,
  );
}

/** A chunk at least. */
function whole(by: number, chunkBytes: number): number {
  return by * Math.ceil(chunkBytes / by);
}
