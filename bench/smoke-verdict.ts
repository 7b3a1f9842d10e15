/**
 * What the smoke bench prints and when it fails, from its records alone. Pure.
 */
import { summaries } from "./summary.ts";
import { ratioTo, SERVER_CPU } from "./ratio.ts";
import { measuredRuns, type RunRecord } from "./run-record.ts";
import { tooManyEnters } from "./statistics.ts";
import { workloadNamed } from "./workloads.ts";

/** The server under test. */
export const SMOKE_OURS = "snapring-16k";
/** Less than this times the IOPS of qemu-nbd means that something is broken. */
const RATIO_MIN = 0.5;
const JUDGED = "read-unmapped-4k-qd32";

/** A table of plain text. */
export function smokeReport(records: readonly RunRecord[]): string {
  const runs = measuredRuns(records);
  const lines = [row("workload", "server", "IOPS", "ratio", "CPU µs/I/O", "ratio", "p50 µs", "p99 µs")];
  const order = [...new Set(runs.map((run) => run.workload))];
  const rows = summaries(runs).sort(
    (a, b) => order.indexOf(a.workload) - order.indexOf(b.workload) || (a.server < b.server ? -1 : 1),
  );
  for (const { workload, server, iops, serverCpuUs, p50Us, p99Us } of rows) {
    const { baselines } = workloadNamed(workload);
    const faster = ratioTo(runs, workload, server, baselines);
    const cheaper = ratioTo(runs, workload, server, baselines, SERVER_CPU);
    const figures = [
      iops.median.toFixed(0),
      fixed(faster?.median, 2),
      fixed(serverCpuUs, 1),
      fixed(cheaper?.median, 2),
    ];
    lines.push(row(workload, server, ...figures, p50Us.toFixed(0), p99Us.toFixed(0)));
  }
  return `${lines.join("\n")}\n`;
}

/** Why the smoke bench fails, a line each; none: it does not. */
export function smokeFailures(records: readonly RunRecord[]): string[] {
  const runs = measuredRuns(records);
  const failures = new Set<string>();
  for (const record of records) {
    if (record.outcome !== "measured") failures.add(`${record.server} on ${record.workload}: ${record.why}`);
  }
  const ratio = ratioTo(runs, JUDGED, SMOKE_OURS, workloadNamed(JUDGED).baselines);
  if (ratio === undefined) failures.add(`${JUDGED} was not measured`);
  else if (ratio.median < RATIO_MIN) {
    failures.add(`${JUDGED}: ${ratio.median.toFixed(3)} × qemu-nbd is less than ${RATIO_MIN}`);
  }
  for (const run of runs.filter((r) => r.server === SMOKE_OURS)) {
    if (run.work === undefined) failures.add(`${run.workload}: the server gave no counters`);
    else for (const enters of tooManyEnters(run.work)) failures.add(`${run.workload}: ${enters}`);
  }
  return [...failures];
}

function row(workload: string, server: string, ...figures: string[]): string {
  return `${workload.padEnd(23)} ${server.padEnd(14)}${figures.map((f) => f.padStart(11)).join("")}`;
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}
