/**
 * What can be said of a store from its device alone (S-71…S-73). Reads only.
 *
 * Overflow and "Merge failed" live in the memory of a running engine, so a store at rest is active or invalid. Of an invalid
 * one no exception is loaded (S-35): its counts are unknown, not zero.
 */
import type { Sector } from "../base/units.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import { SNAPSHOT_DISK_VERSION } from "../format/disk-header.ts";
import { formatStatus, type StoreUsage } from "../format/status-line.ts";
import { formatTableLine } from "../format/table-line.ts";
import { DeviceFile } from "../device/device-file.ts";
import { tailWarnings } from "./device-warnings.ts";
import { loadStore } from "./load-store.ts";

export interface StoreStatusOptions {
  readonly cow: string;
  readonly origin?: string | undefined;
  readonly chunkSectors?: Sector | undefined;
}

export interface StoreStatus {
  /** As device-mapper prints it. */
  readonly status: string;
  readonly state: "active" | "invalid";
  /** The table line; `-` where the origin is not known. */
  readonly table: string;
  readonly chunkSectors: Sector;
  readonly version: number;
  readonly totalSectors: Sector;
  /** Null for an invalid store. */
  readonly exceptions: number | null;
  /** Areas that hold exceptions or will hold the next one. */
  readonly areas: number | null;
  readonly allocatedSectors: Sector | null;
  readonly metadataSectors: Sector | null;
  readonly warnings: readonly string[];
}

/** Throws a SnapringError where there is no store, or one that cannot be opened. */
export function storeStatus(options: StoreStatusOptions): StoreStatus {
  const origin = options.origin === undefined ? undefined : DeviceFile.open(options.origin, "look", "origin");
  try {
    using cow = DeviceFile.open(options.cow, "look", "COW file", origin);
    const loaded = loadStore(cow, { chunkSectors: options.chunkSectors, origin }, () => undefined);
    return describe(loaded, options, cow);
  } finally {
    origin?.[Symbol.dispose]();
  }
}

/** The sectors that the status line names (S-71). */
function usageOf(loaded: LoadedStore): StoreUsage {
  return {
    allocatedSectors: loaded.nextFree * loaded.chunkSectors,
    totalSectors: loaded.cowSectors,
    metadataSectors: (loaded.currentArea + 2) * loaded.chunkSectors,
  };
}

function describe(loaded: LoadedStore, options: StoreStatusOptions, cow: DeviceFile): StoreStatus {
  const invalid = loaded.state === "invalid";
  const usage = invalid ? undefined : usageOf(loaded);
  return {
    status: formatStatus({ invalid, mergeFailed: false, overflow: false, usage }),
    state: invalid ? "invalid" : "active",
    table: formatTableLine({
      origin: options.origin ?? "-",
      cow: options.cow,
      store: "P",
      chunkSectors: loaded.chunkSectors,
      discardZeroesCow: false,
      discardPassdownOrigin: false,
    }),
    chunkSectors: loaded.chunkSectors,
    version: SNAPSHOT_DISK_VERSION,
    totalSectors: loaded.cowSectors,
    exceptions: invalid ? null : loaded.exceptions,
    areas: invalid ? null : loaded.currentArea + 1,
    allocatedSectors: usage?.allocatedSectors ?? null,
    metadataSectors: usage?.metadataSectors ?? null,
    warnings: [...loaded.warnings, ...tailWarnings(cow)],
  };
}
