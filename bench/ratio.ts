/**
 * Ratios of one server to others, round by round.
 *
 * Two servers are compared within a round only, where they ran within seconds of each other: a slow drift of the machine cancels.
 * The median of the rounds' ratios is not the ratio of the medians.
 */
import { type Spread, spreadOf } from "./median.ts";
import type { MeasuredRun } from "./run-record.ts";

export type Figure = (run: MeasuredRun) => number | undefined;

export const IOPS: Figure = (run) => run.iops;
export const SERVER_CPU: Figure = (run) => run.serverCpuUs;

/**
 * Figure of `server` over the best (largest) of `baselines` in the same round. Undefined where no round has both.
 */
export function ratioTo(
  runs: readonly MeasuredRun[],
  workload: string,
  server: string,
  baselines: readonly string[],
  figure: Figure = IOPS,
): Spread | undefined {
  const ratios: number[] = [];
  for (const run of runs) {
    if (run.workload !== workload || run.server !== server) continue;
    const against = runs
      .filter((r) => r.workload === workload && r.round === run.round && baselines.includes(r.server))
      .map(figure)
      .filter((value) => value !== undefined && value > 0) as number[];
    const mine = figure(run);
    if (mine !== undefined && against.length > 0) ratios.push(mine / Math.max(...against));
  }
  return ratios.length === 0 ? undefined : spreadOf(ratios);
}
