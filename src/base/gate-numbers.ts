/**
 * The numbers of a volume's gates, as the core, the shared words and the messages between threads carry them.
 *
 *   0 origin writes   1 origin reads   2, 3 writes and reads of snapshot 0   4, 5 … of snapshot 1   …
 */
import { MAX_SNAPSHOTS } from "./constants.ts";

export const ORIGIN_WRITE_GATE = 0;
export const ORIGIN_READ_GATE = 1;

export function snapshotWriteGate(snapshot: number): number {
  return 2 + 2 * snapshot;
}

export function snapshotReadGate(snapshot: number): number {
  return 3 + 2 * snapshot;
}

/** The snapshot whose gate it is; -1: the origin's. */
export function snapshotOfGate(gate: number): number {
  return (gate >> 1) - 1;
}

export function isWriteGate(gate: number): boolean {
  return (gate & 1) === 0;
}

export const GATE_COUNT: number = 2 + 2 * MAX_SNAPSHOTS;
