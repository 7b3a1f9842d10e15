/**
 * Who stands where in a ring's file table: the same numbers in every worker.
 *
 *   0                 the worker's wake-up eventfd
 *   1 … 256           the export worker's connections
 *   257 …             devices: the origins and COW devices of every volume, as main has numbered them (engine/device-files.ts)
 *
 * Places are used again. A descriptor goes into its place, or out of it, at once, but a turn's operations are submitted at its end: so nothing may be
 * posted for a place that changes. A connection's has no operation then (Connection.isPosted); a COW device's is given up when its snapshot's
 * gates are closed and empty and nothing of it is under way but a client's flush, which writes nothing wherever it comes, and whose snapshot is no more
 * (what else comes late is refused by the snapshot's state); an origin's when its volume has no client, no request, no copy and no metadata job left.
 */
import { MAX_CONNECTIONS_PER_WORKER, MAX_DEVICE_FILES } from "../base/constants.ts";

export const WAKE_FILE = 0;
export const FIRST_CONNECTION_FILE = 1;
export const FIRST_DEVICE_FILE: number = FIRST_CONNECTION_FILE + MAX_CONNECTIONS_PER_WORKER;
export const FILE_COUNT: number = FIRST_DEVICE_FILE + MAX_DEVICE_FILES;

export function isDeviceFile(file: number): boolean {
  return file >= FIRST_DEVICE_FILE && file < FILE_COUNT;
}
