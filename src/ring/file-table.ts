/**
 * Who stands where in a ring's file table: the same indices in every worker.
 *
 *   0                 the origin               (DeviceId of the core)
 *   1 + snapshot      that snapshot's COW device
 *   257               the worker's wake-up eventfd
 *   258 …             the export worker's connections
 *
 * Places are used again. A descriptor goes into its place, or out of it, at once, but a turn's operations are submitted at its end: so nothing may be
 * posted for a place that changes. A connection's has no operation then (Connection.isPosted); a COW device's is given up when its snapshot's
 * gates are closed and empty and nothing of it is under way, and what comes late is refused by the snapshot's state.
 */
import { assert } from "../base/assert.ts";
import { MAX_CONNECTIONS_PER_WORKER, MAX_SNAPSHOTS } from "../base/constants.ts";

export const ORIGIN_FILE = 0;

export function cowFile(snapshot: number): number {
  assert(snapshot >= 0 && snapshot < MAX_SNAPSHOTS, "each snapshot has its place");
  return 1 + snapshot;
}

export const WAKE_FILE: number = 1 + MAX_SNAPSHOTS;
export const FIRST_CONNECTION_FILE: number = WAKE_FILE + 1;
export const FILE_COUNT: number = FIRST_CONNECTION_FILE + MAX_CONNECTIONS_PER_WORKER;
