/**
 * What is known of a store when it has been opened: the facts from which the engine starts.
 *
 * `StoreLoader` makes it from a COW device (S-30…S-39), `transientStore` for a store without metadata (S-13). The
 * exceptions themselves are not in it: they went to the loader's sink, normally straight into the exception table.
 */
import { assert } from "../base/assert.ts";
import type { Area, Chunk, Sector } from "../base/units.ts";

export interface LoadedStore {
  /** new: nothing is on the device yet, it must be formatted (S-31). invalid: it has been dropped (S-35). */
  readonly state: "new" | "active" | "invalid";
  readonly persistent: boolean;
  readonly chunkSectors: Sector;
  readonly cowSectors: Sector;
  /** How many exceptions the sink got. */
  readonly exceptions: number;
  /** S-36: 1 + the largest new chunk, at least 2, never a metadata chunk. */
  readonly nextFree: Chunk;
  /** The first area that is not full, and how many exceptions it has. */
  readonly currentArea: Area;
  readonly committed: number;
  /** The exceptions of the current area, and nothing of what is behind the last one; empty for a transient store. */
  readonly area: Uint8Array;
  /** Stale bytes stand behind the end marker on disk: rewrite before the first exception is added (S-7). */
  readonly staleTail: boolean;
  /** The current area does not lie on the device: zero it once the device has grown (S-42). */
  readonly areaMissing: boolean;
  /** For every full area the largest new chunk in it and in all areas before it. */
  readonly highWater: readonly Chunk[];
  /** For the user: S-33. */
  readonly warnings: readonly string[];
}

/** A store whose exceptions live in memory only: data from chunk 0 on, no header, no areas (S-13). */
export function transientStore(chunkSectors: Sector, cowSectors: Sector): LoadedStore {
  assert(chunkSectors > 0, "chunk size is set");
  return {
    state: "new",
    persistent: false,
    chunkSectors,
    cowSectors,
    exceptions: 0,
    nextFree: 0,
    currentArea: 0,
    committed: 0,
    area: new Uint8Array(0),
    staleTail: false,
    areaMissing: false,
    highWater: [],
    warnings: [],
  };
}
