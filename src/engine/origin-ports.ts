/**
 * The origin as the core sees it: its gates, its words, and whether clients are about (core/ports.ts). Runs on main.
 *
 *   core: gates, list, merging ──▶ shared words ──▶ export workers
 *   core: requests? ◀── counters of what has ended ── export workers
 */
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../base/gate-numbers.ts";
import type { OriginPorts } from "../core/ports.ts";
import { requestsIn } from "../ring/counters.ts";
import type { VolumeWords } from "../ring/volume-words.ts";
import type { Channel } from "./channel.ts";
import { gatePort } from "./snapshot-handle.ts";

/** Row 0 of the counters is the origin's. */
const ORIGIN_EXPORT = 0;

export function originPorts(words: VolumeWords, exportWorkers: readonly Channel[]): OriginPorts {
  let listed: readonly number[] = [];
  return {
    writeGate: gatePort(words, ORIGIN_WRITE_GATE, exportWorkers),
    readGate: gatePort(words, ORIGIN_READ_GATE, exportWorkers),
    setList: (snapshots) => {
      listed = snapshots;
      words.setList(snapshots);
    },
    setMerging: (snapshot) => words.setMerging(snapshot),
    requests: () => exportWorkers.reduce((total, { counters }) => total + requestsOf(counters, listed), 0),
  };
}

function requestsOf(counters: Float64Array, snapshots: readonly number[]): number {
  let requests = requestsIn(counters, ORIGIN_EXPORT);
  for (const index of snapshots) requests += requestsIn(counters, 1 + index);
  return requests;
}
