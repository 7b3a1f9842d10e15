/**
 * The room of all stores of a volume: who has a policy for a full one, what the core asks and tells of it, and who is told (store-growth.ts).
 *
 *   core ── wantRoom, level, "stalled" … ──▶ by its number ──▶ StoreGrowth ──▶ core, events of the volume
 *
 * A store is here as long as the core has its snapshot. Runs on main.
 */
import type { NoticeKind } from "../core/ports.ts";
import type { CoreShell } from "./core-shell.ts";
import type { Openings } from "./opening-pool.ts";
import type { FullPolicy } from "./room-options.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import { type Grown, StoreGrowth } from "./store-growth.ts";
import type { SnapshotPolicy } from "./volume-options.ts";

export interface GrowthEvents {
  grown(snapshot: number, growth: Grown): void;
  growFailed(snapshot: number, error: number): void;
}

export interface StoreGrowthsParts {
  readonly openings: Openings;
  readonly readOnly: boolean;
  readonly shell: CoreShell;
  readonly events: GrowthEvents;
}

export class StoreGrowths {
  readonly #parts: StoreGrowthsParts;
  readonly #growths = new Map<number, StoreGrowth>();

  constructor(parts: StoreGrowthsParts) {
    this.#parts = parts;
  }

  /** The core is about to have it. */
  add({ index, cow, description, full, inTurn }: SnapshotHandle): void {
    const { openings, readOnly, shell, events } = this.#parts;
    const store = { cow, chunkBytes: description.chunkBytes, inTurn };
    const growth: StoreGrowth = new StoreGrowth(store, full, {
      openings,
      readOnly,
      isThere: () => this.#growths.get(index) === growth && shell.core.snapshots().includes(index),
      sectors: () => shell.core.status(index).totalSectors,
      grow: (sectors) => shell.tell((core) => core.grow(index, sectors)),
      room: (news) => shell.tell((core) => core.room(index, news)),
      grown: (growth) => events.grown(index, growth),
      growFailed: (error) => events.growFailed(index, error),
    });
    this.#growths.set(index, growth);
  }

  /** The core does not have it any more. Resolves when nothing of it is under way. */
  async forget({ index }: SnapshotHandle): Promise<void> {
    const growth = this.#growths.get(index);
    this.#growths.delete(index);
    await growth?.end();
  }

  policyOf({ index, full }: SnapshotHandle): FullPolicy {
    return this.#growths.get(index)?.policy ?? full;
  }

  change({ index }: SnapshotHandle, change: SnapshotPolicy): void {
    this.#growths.get(index)?.change(change);
  }

  /** Its size is another one. */
  changed({ index }: SnapshotHandle): void {
    this.#growths.get(index)?.changed();
  }

  wanted(snapshot: number): void {
    this.#growths.get(snapshot)?.wanted();
  }

  notice(snapshot: number, event: NoticeKind, error: number): void {
    const growth = this.#growths.get(snapshot);
    if (event === "stalled") growth?.stalled(error);
    if (event === "resumed" || event === "overflow" || event === "invalid") growth?.resumed();
    if (event === "invalid") void growth?.end();
  }

  /** Nothing grows any more. Resolves when nothing is under way. */
  async end(): Promise<void> {
    await Promise.all([...this.#growths.values()].map((growth) => growth.end()));
  }
}
