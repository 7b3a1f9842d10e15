/**
 * The record of one run: one server, one workload, one round. The JSON file of a bench is a list of these, and everything that a
 * report shows is made from it.
 */
import type { FioResult } from "./fio-result.ts";
import type { ServerWork } from "./statistics.ts";

export interface RunKey {
  readonly server: string;
  readonly workload: string;
  readonly round: number;
}

/** Figures about CPUs are in CPUs: 1 is one CPU all the time. */
export interface RunCost {
  /** Microseconds of the server's CPU time per I/O; undefined without a server. */
  readonly serverCpuUs?: number | undefined;
  readonly clientCpuUs: number;
  /** Of the server, warm-up included; the page cache is not in it. */
  readonly peakRssMib?: number | undefined;
  readonly serverCpus?: number | undefined;
  /** Of the server's busiest thread. */
  readonly topThreadCpus?: number | undefined;
  readonly busyCpus: number;
  /** Used by neither server nor client: other programs and kernel threads. */
  readonly foreignCpus: number;
  /** Given to others by the host. */
  readonly stealCpus: number;
  readonly diskReadMibPerSecond?: number | undefined;
  readonly diskWriteMibPerSecond?: number | undefined;
  /** Share of the time with a request in flight. */
  readonly diskBusy?: number | undefined;
  /** What bounded the run, guessed from the figures above. */
  readonly limit: string;
}

export interface MeasuredRun extends RunKey, FioResult, RunCost {
  readonly outcome: "measured";
  /** Files that the server had open, and whether with O_DIRECT. */
  readonly openFiles: Readonly<Record<string, boolean>>;
  readonly work?: ServerWork | undefined;
}

export interface UnmeasuredRun extends RunKey {
  /** Skipped: the server does not offer what the workload needs. */
  readonly outcome: "failed" | "skipped";
  readonly why: string;
}

export type RunRecord = MeasuredRun | UnmeasuredRun;

export function measuredRuns(records: readonly RunRecord[]): MeasuredRun[] {
  return records.filter((record) => record.outcome === "measured");
}

/** A run that lost more CPUs than this to others is counted as disturbed. */
export const DISTURBED_CPUS = 0.5;

/** CPUs that were taken from a run by others, in this machine or on its host. */
export function disturbance(run: RunCost): number {
  return Math.max(0, run.foreignCpus) + run.stealCpus;
}
