/**
 * The status line of a snapshot, as device-mapper prints it (S-71, S-72).
 *
 *   ALLOCATED/TOTAL METADATA        or one word: Invalid, Merge failed, Overflow, Unknown
 *
 * All in sectors. The words have an order of precedence; a store that cannot say what it uses is Unknown.
 */
import type { Sector } from "../base/units.ts";

export interface StoreUsage {
  readonly allocatedSectors: Sector;
  readonly totalSectors: Sector;
  readonly metadataSectors: Sector;
}

export interface StatusFacts {
  readonly invalid: boolean;
  readonly mergeFailed: boolean;
  readonly overflow: boolean;
  /** Undefined for a store without usage. */
  readonly usage: StoreUsage | undefined;
}

export function formatStatus(facts: StatusFacts): string {
  if (facts.invalid) return "Invalid";
  if (facts.mergeFailed) return "Merge failed";
  if (facts.overflow) return "Overflow";
  if (facts.usage === undefined) return "Unknown";
  return `${facts.usage.allocatedSectors}/${facts.usage.totalSectors} ${facts.usage.metadataSectors}`;
}
