/**
 * What snapring wants to reach beside its peers, in one and the same run.
 *
 * A goal is a ratio of IOPS in one workload, at least so large, and of server CPU time per I/O, at most so large. A report shows each
 * with what was seen. Nothing fails over a goal: a figure that is missed is to be explained, not hidden.
 */
import type { Spread } from "./median.ts";
import { NEWER_SUFFIX } from "./newer-programs.ts";
import { ratioTo, SERVER_CPU } from "./ratio.ts";
import type { MeasuredRun } from "./run-record.ts";
import type { SettingName } from "./setting.ts";

export interface Goal {
  readonly setting: SettingName;
  readonly workload: string;
  readonly server: string;
  /** The best of these: the system's, and the newer ones where they are there. */
  readonly baselines: readonly string[];
  readonly iopsMin: number;
  /** Whose server CPU time per I/O is the measure; undefined: none. */
  readonly cpuBaseline: string | undefined;
}

/** Of a peer's CPU time per I/O. */
export const CPU_MAX = 0.6;

export interface GoalSeen {
  readonly goal: Goal;
  readonly iops: Spread | undefined;
  readonly cpu: Spread | undefined;
}

function goal(
  setting: SettingName,
  server: string,
  baselines: readonly string[],
  cpuBaseline: string | undefined,
  iopsMin: Readonly<Record<string, number>>,
): Goal[] {
  return Object.entries(iopsMin).map(([workload, min]) => ({
    setting,
    workload,
    server,
    baselines,
    iopsMin: min,
    cpuBaseline,
  }));
}

export const GOALS: readonly Goal[] = [
  ...goal("direct", "snapring-16k", ["qemu-raw"], "qemu-raw", {
    "read-unmapped-4k-qd1": 1.2,
    "read-unmapped-4k-qd32": 1.3,
    "read-unmapped-4k-qd32x4": 1.5,
  }),
  ...goal("direct", "snapring-16k", ["qcow2-16k"], "qcow2-16k", {
    "write-mapped-4k-qd32": 1.2,
    "cow-first-4k-qd1": 1.5,
    "cow-first-4k-qd32": 1.7,
    "cow-first-4k-qd32-fsync": 2,
  }),
  ...goal("direct", "snapring-4k", ["qcow2-el2"], "qcow2-el2", {
    "cow-first-4k-qd32": 1.2,
    "cow-first-4k-qd32-fsync": 1.5,
  }),
  ...goal("direct", "snapring-16k", ["qsd-cbw"], "qsd-cbw", {
    "origin-write-cow-4k-qd1": 1.3,
    "origin-write-cow-4k-qd32": 2.5,
  }),
  ...goal("direct", "snapring-x16", ["qsd-qcow2-x16"], "qsd-qcow2-x16", { "many-read-4k-qd8": 1.5 }),
  // Eight snapshots cost at most twice what one costs.
  ...goal("direct", "snapring-16k-x8", ["snapring-16k"], undefined, { "origin-write-cow-4k-qd32": 0.5 }),
  ...goal("tmpfs", "snapring-16k", ["nbdkit-file", "qemu-raw"], "qemu-raw", {
    "read-unmapped-4k-qd1": 1,
    "read-unmapped-4k-qd32": 1.1,
    "read-unmapped-4k-qd32x4": 1.3,
  }),
  ...goal("tmpfs", "snapring-16k", ["nbdkit-file"], "qcow2-16k", { "write-mapped-4k-qd32": 1 }),
];

function withNewer(server: string): string[] {
  return [server, server + NEWER_SUFFIX];
}

/** The goals of a setting for which something was measured. */
export function goalsSeen(setting: SettingName, runs: readonly MeasuredRun[]): GoalSeen[] {
  return GOALS.filter((g) => g.setting === setting)
    .map((g) => ({
      goal: g,
      iops: ratioTo(runs, g.workload, g.server, g.baselines.flatMap(withNewer)),
      cpu: g.cpuBaseline === undefined ? undefined : ratioTo(runs, g.workload, g.server, [g.cpuBaseline], SERVER_CPU),
    }))
    .filter((seen) => seen.iops !== undefined);
}
