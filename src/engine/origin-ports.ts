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

export interface OriginParts {
  /** The volume's number. */
  readonly volume: number;
  readonly words: VolumeWords;
  readonly exportWorkers: readonly Channel[];
  /** Of the live volume's export, in each export worker. */
  readonly counters: readonly Float64Array[];
  /** Of a snapshot's export. */
  readonly countersOf: (snapshot: number) => readonly Float64Array[];
}

export function originPorts({ volume, words, exportWorkers, counters, countersOf }: OriginParts): OriginPorts {
  let listed: readonly number[] = [];
  return {
    writeGate: gatePort(volume, words, ORIGIN_WRITE_GATE, exportWorkers),
    readGate: gatePort(volume, words, ORIGIN_READ_GATE, exportWorkers),
    setList: (snapshots) => {
      listed = snapshots;
      words.setList(snapshots);
    },
    setMerging: (snapshot) => words.setMerging(snapshot),
    requests: () => listed.reduce((sum, snapshot) => sum + requestsOf(countersOf(snapshot)), requestsOf(counters)),
  };
}

function requestsOf(workers: readonly Float64Array[]): number {
  return workers.reduce((sum, counters) => sum + requestsIn(counters), 0);
}
