/**
 * Who stands where in a ring's file table: the same indices in every worker.
 *
 *   0                 the origin               (DeviceId of the core)
 *   1 + snapshot      that snapshot's COW device
 *   257               the worker's wake-up eventfd
 *   258 …             the export worker's connections
 */
import { MAX_CONNECTIONS_PER_WORKER, MAX_SNAPSHOTS } from "../base/constants.ts";

export const ORIGIN_FILE = 0;

export function cowFile(snapshot: number): number {
  return 1 + snapshot;
}

export const WAKE_FILE: number = 1 + MAX_SNAPSHOTS;
export const FIRST_CONNECTION_FILE: number = WAKE_FILE + 1;
export const FILE_COUNT: number = FIRST_CONNECTION_FILE + MAX_CONNECTIONS_PER_WORKER;
