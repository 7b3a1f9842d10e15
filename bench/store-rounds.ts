/**
 * Rounds of a few kinds of snapring beside each other, and the medians of what was seen: the small sister of the whole bench, for
 * questions about snapring alone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { runCell } from "./cell.ts";
import { median } from "./median.ts";
import { Place } from "./place.ts";
import type { MeasuredRun } from "./run-record.ts";
import { schedule } from "./schedule.ts";
import type { ServerKind } from "./server-kind.ts";
import { openSetting, type SettingName } from "./setting.ts";
import type { Extent, Workload } from "./workload.ts";

export interface Rounds {
  readonly setting: SettingName;
  readonly kinds: readonly ServerKind[];
  readonly workloads: readonly Workload[];
  readonly extent: Extent;
  readonly rounds: number;
  /** Makes the origin, where random data is not what is wanted. */
  readonly makeOrigin?: (place: Place) => void;
}

/** Throws an Error for a run that failed. Nothing is left on the disk. */
export async function runRounds(options: Rounds): Promise<MeasuredRun[]> {
  const { setting, kinds, workloads, extent, rounds } = options;
  const folder = mkdtempSync(resolve(setting === "tmpfs" ? "/dev/shm" : "var", "stores-"));
  const place = new Place(await openSetting(setting, folder), extent.originBytes);
  const runs: MeasuredRun[] = [];
  try {
    if (options.makeOrigin === undefined) place.makeOrigin();
    else options.makeOrigin(place);
    for (const { server, workload, round } of schedule(kinds, workloads, rounds)) {
      const record = await runCell({ server, workload, round, extent, place, signal: new AbortController().signal });
      if (record.outcome !== "measured") throw new Error(`${server.name}, ${workload.name}: ${record.why}`);
      runs.push(record);
    }
  } finally {
    place.remove();
    rmSync(folder, { recursive: true, force: true });
  }
  return runs;
}

/** The median of what was seen of one kind under one workload. */
export function medianOf(runs: readonly MeasuredRun[], value: (run: MeasuredRun) => number): number {
  return median(runs.map(value));
}

export function runsOf(runs: readonly MeasuredRun[], kind: string, workload: string): MeasuredRun[] {
  return runs.filter((run) => run.server === kind && run.workload === workload);
}
