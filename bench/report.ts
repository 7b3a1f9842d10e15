/**
 * Writes what a reader looks at, beside the results file: a Markdown report and its plots.
 *
 *   NAME.json ──▶ NAME.md, NAME-iops.svg, NAME-cpu.svg
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { spreadOf } from "./median.ts";
import { type Bar, barPlot, type Panel } from "./plot.ts";
import { type Figure, IOPS, SERVER_CPU } from "./ratio.ts";
import type { BenchResult } from "./result.ts";
import { type MeasuredRun, measuredRuns } from "./run-record.ts";
import { markdownReport } from "./table.ts";

/** Returns the paths of what was written. */
export function writeReport(folder: string, result: BenchResult): string[] {
  const name = result.setting;
  const runs = measuredRuns(result.records);
  const files: Record<string, string> = {
    [`${name}-iops.svg`]: barPlot(`${name}: IOPS (more is better)`, panels(result, runs, IOPS), 0),
    [`${name}-cpu.svg`]: barPlot(
      `${name}: server CPU, µs per I/O (less is better)`,
      panels(result, runs, SERVER_CPU),
      1,
    ),
  };
  files[`${name}.md`] = markdownReport(result, Object.keys(files));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return Object.keys(files).map((file) => join(folder, file));
}

/** One panel for each workload, bars in the order of the servers; a server without the figure has no bar. */
export function panels(result: BenchResult, runs: readonly MeasuredRun[], figure: Figure): Panel[] {
  return result.workloads.map((workload) => ({
    title: workload,
    bars: result.servers.flatMap((server): Bar[] => {
      const values = runs
        .filter((run) => run.workload === workload && run.server === server.name)
        .map(figure)
        .filter((value) => value !== undefined);
      if (values.length === 0) return [];
      const { median, min, max } = spreadOf(values);
      return [{ label: server.name, value: median, min, max, strong: server.role === "ours" }];
    }),
  }));
}
