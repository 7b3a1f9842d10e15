/**
 * What the requests of one export have of a worker's records and memory, and how much an export, or a client, may have: so that one whose
 * device hangs, and whose requests come to no end, leaves the others enough to go on (E-28).
 *
 *   ├────────────── a ───────────────┤ free ────┤        alone: until it has three times what is left
 *   ├────────────── a ───────────────┤─ b ──┤───┤        the next one: the same, of the rest
 *
 * A share is not fixed: it is measured by what is free, so whoever is alone has nearly all, and there is always something left. Of what its
 * export may have a client has twice what is left, for a client of the origin may wait for a snapshot that hangs, and others not.
 */
import { EXPORT_SLOTS } from "../../src/ring/export-arena.ts";

/** Times what is free. */
const OF_EXPORT = 3;
const OF_CLIENT = 2;

export class ExportShare {
  requests = 0;
  pieces = 0;
  /** Zeroes and trims under way. */
  longBytes = 0;
  longPieces = 0;
  /** Slots, by size class. */
  readonly slots = new Int32Array(EXPORT_SLOTS.length);
  /** Clients that have none, and wait until the export has fewer of this class. */
  readonly waiting = new Int32Array(EXPORT_SLOTS.length);
}

/** One more, where so many are free, and the export and the client have so many. */
export function mayHave(free: number, ofExport: number, ofClient: number): boolean {
  if (free <= 0) return false;
  if (ofExport === 0) return true;
  const left = (OF_EXPORT * free - ofExport) / (1 + OF_EXPORT);
  return left >= 1 && ofClient < OF_CLIENT * left;
}
