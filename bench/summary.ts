/**
 * One row of a report: the medians of one server's rounds on one workload.
 *
 * Every figure is a median of its own: p99 of a row may come from another round than its IOPS.
 */
import { median, mostFrequent, type Spread, spreadOf } from "./median.ts";
import type { MeasuredRun } from "./run-record.ts";

export interface Summary {
  readonly server: string;
  readonly workload: string;
  readonly rounds: number;
  readonly iops: Spread;
  readonly mibPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly flushP50Us: number | undefined;
  readonly flushP99Us: number | undefined;
  readonly serverCpuUs: number | undefined;
  readonly clientCpuUs: number;
  readonly peakRssMib: number | undefined;
  readonly serverCpus: number | undefined;
  readonly busyCpus: number;
  readonly foreignCpus: number;
  readonly diskBusy: number | undefined;
  readonly limit: string;
}

/** One summary for each pair of server and workload that was measured at least once. */
export function summaries(runs: readonly MeasuredRun[]): Summary[] {
  const groups = new Map<string, MeasuredRun[]>();
  for (const run of runs) {
    const key = `${run.workload} ${run.server}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map(summary);
}

function summary(runs: readonly MeasuredRun[]): Summary {
  const of = (figure: (run: MeasuredRun) => number): number => median(runs.map(figure));
  const ofKnown = (figure: (run: MeasuredRun) => number | undefined): number | undefined => {
    const known = runs.map(figure).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : median(known);
  };
  return {
    server: runs[0].server,
    workload: runs[0].workload,
    rounds: runs.length,
    iops: spreadOf(runs.map((run) => run.iops)),
    mibPerSecond: of((run) => run.mibPerSecond),
    p50Us: of((run) => run.p50Us),
    p99Us: of((run) => run.p99Us),
    flushP50Us: ofKnown((run) => run.flushP50Us),
    flushP99Us: ofKnown((run) => run.flushP99Us),
    serverCpuUs: ofKnown((run) => run.serverCpuUs),
    clientCpuUs: of((run) => run.clientCpuUs),
    peakRssMib: ofKnown((run) => run.peakRssMib),
    serverCpus: ofKnown((run) => run.serverCpus),
    busyCpus: of((run) => run.busyCpus),
    foreignCpus: of((run) => run.foreignCpus),
    diskBusy: ofKnown((run) => run.diskBusy),
    limit: mostFrequent(runs.map((run) => run.limit)),
  };
}
