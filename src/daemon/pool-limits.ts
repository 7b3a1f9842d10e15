/**
 * Holds files that grow by themselves to what their pool may have: the engine knows the greatest size of each, and not of all together.
 *
 *   a store is made, grows, goes, is treated otherwise ─▶ what is left of the pool ─▶ each of its growing stores: at most what it has, and what is left
 *
 * Several may grow at the same time, each into what is left: then the pool is over its limit by what the others have taken, once, and nothing of it grows any more.
 */
import type { DaemonEvent } from "./daemon-event.ts";
import type { Journal } from "./journal.ts";
import { boundedGrowth } from "./policy.ts";
import type { Pools } from "./pools.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Volumes } from "./volumes.ts";

export interface PoolLimitsParts {
  readonly journal: Journal;
  readonly volumes: Volumes;
  readonly snapshots: Snapshots;
  readonly pools: Pools;
  readonly log: (line: string) => void;
}

const LOOKS_AT: readonly string[] = ["volume-open", "snapshot-created", "snapshot-dropped", "operation-ended"];

export class PoolLimits {
  readonly #parts: PoolLimitsParts;
  readonly #end: () => void;
  #looking: Promise<void> | undefined;
  #again = false;

  constructor(parts: PoolLimitsParts) {
    this.#parts = parts;
    this.#end = parts.journal.listen((event) => {
      if (changesRoom(event)) this.look();
    });
  }

  /** Soon. */
  look(): void {
    this.#again = true;
    this.#looking ??= this.#look();
  }

  /** Resolves when nothing is being looked at. */
  async close(): Promise<void> {
    this.#end();
    await this.#looking;
  }

  async #look(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#apply().catch((error: Error) => this.#parts.log(`the limits of pools: ${error.message}`));
    }
    this.#looking = undefined;
  }

  async #apply(): Promise<void> {
    const { snapshots, volumes, pools, log } = this.#parts;
    const rooms = new Map<string | undefined, number | undefined>();
    for (const { volume, name, pool, grow, sizeBytes } of snapshots.list()) {
      if (grow === undefined) continue;
      if (!rooms.has(pool)) rooms.set(pool, await pools.room(pool));
      const room = rooms.get(pool);
      // It may have gone meanwhile, or be treated otherwise.
      const now = snapshots.growth(volume, name);
      if (room === undefined || now === undefined) continue;
      await volumes
        .find(volume)
        ?.opened?.setSnapshotPolicy(name, { grow: boundedGrowth(now, sizeBytes + room) })
        .catch((error: Error) => log(`${volume}@${name}: ${error.message}`));
    }
  }
}

function changesRoom({ type, data }: DaemonEvent): boolean {
  return LOOKS_AT.includes(type) || (type === "snapshot" && data?.["event"] === "grown");
}
