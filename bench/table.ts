/**
 * The report of one setting as Markdown: the goals, an overview, and a table for each workload.
 *
 * Pure: it is made from the results file alone, so that it can be made again from an old one.
 */
import { CPU_MAX, goalsSeen, type GoalSeen } from "./goal.ts";
import { spreadOf } from "./median.ts";
import { ratioTo } from "./ratio.ts";
import type { BenchResult } from "./result.ts";
import { DISTURBED_CPUS, disturbance, type MeasuredRun, measuredRuns } from "./run-record.ts";
import { type Summary, summaries } from "./summary.ts";
import type { Workload } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";

export function markdownReport(result: BenchResult, plots: readonly string[]): string {
  const runs = measuredRuns(result.records);
  const rows = summaries(runs);
  return [
    heading(result),
    ...plots.map((file) => `![${file.replace(/\.svg$/, "")}](${file})`),
    section("Goals", goalTable(goalsSeen(result.setting, runs))),
    section(
      "IOPS",
      overview(result, rows, (row) => row.iops.median.toFixed(0)),
    ),
    section(
      "Server CPU, µs per I/O",
      overview(result, rows, (row) => fixed(row.serverCpuUs, 1)),
    ),
    section(
      "Latency p50 / p99, µs",
      overview(result, rows, (row) => `${row.p50Us.toFixed(0)} / ${row.p99Us.toFixed(0)}`),
    ),
    ...result.workloads.map((name) => workloadSection(workloadNamed(name), result, runs, rows)),
    noise(runs, rows),
    unmeasured(result),
  ]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n");
}

/** A Markdown table; columns but the first are to the right if `right` says so. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: (column: number) => boolean = (column) => column > 0,
): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = header.map((_, column) => (right(column) ? "---:" : "---"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

function heading(result: BenchResult): string {
  const { extent, machine, rounds } = result;
  const mode = result.setting === "tmpfs" ? "each server's best mode" : result.direct ? "O_DIRECT" : "page cache";
  const facts = Object.entries({ ...machine.facts, ...machine.versions }).map(([name, value]) => `${name}: ${value}`);
  return [
    `# ${result.setting}: ${mode}, ${machine.facts["file system"] ?? "?"}`,
    `${result.date}; rounds: ${rounds}; ${extent.seconds} s each after ${extent.warmUpSeconds} s of warm-up; medians.`,
    `${facts.join("; ")}.`,
    result.servers.map((s) => `- \`${s.name}\`: ${s.text}`).join("\n"),
  ].join("\n\n");
}

function section(title: string, body: string): string {
  return body === "" ? "" : `## ${title}\n\n${body}`;
}

function goalTable(seen: readonly GoalSeen[]): string {
  if (seen.length === 0) return "";
  const rows = seen.map(({ goal, iops, cpu }) => [
    goal.workload,
    goal.server,
    goal.baselines.join(", "),
    goal.iopsMin.toFixed(1),
    fixed(iops?.median, 2),
    iops === undefined ? "–" : iops.median >= goal.iopsMin ? "reached" : "missed",
    goal.cpuBaseline === undefined ? "–" : `${CPU_MAX} × ${goal.cpuBaseline}`,
    fixed(cpu?.median, 2),
    cpu === undefined ? "–" : cpu.median <= CPU_MAX ? "reached" : "missed",
  ]);
  const header = ["workload", "server", "beside (best of)", "IOPS ≥", "seen", "", "CPU per I/O ≤", "seen", ""];
  return markdownTable(header, rows, (column) => [3, 4, 7].includes(column));
}

function overview(result: BenchResult, rows: readonly Summary[], cell: (row: Summary) => string): string {
  const servers = result.servers.filter((s) => rows.some((row) => row.server === s.name));
  const lines = result.workloads
    .filter((name) => rows.some((row) => row.workload === name))
    .map((name) => [
      name,
      ...servers.map((s) => {
        const row = rows.find((r) => r.workload === name && r.server === s.name);
        return row === undefined ? "–" : cell(row);
      }),
    ]);
  return lines.length === 0 ? "" : markdownTable(["workload", ...servers.map((s) => s.name)], lines);
}

function workloadSection(
  workload: Workload,
  result: BenchResult,
  runs: readonly MeasuredRun[],
  all: readonly Summary[],
): string {
  const rows = result.servers.flatMap((s) => all.filter((r) => r.workload === workload.name && r.server === s.name));
  if (rows.length === 0) return "";
  const baseline = workload.baselines.find((name) => rows.some((row) => row.server === name));
  const lines = rows.map((row) => {
    const to = baseline === undefined ? undefined : ratioTo(runs, workload.name, row.server, [baseline]);
    return [
      row.server,
      row.iops.median.toFixed(0),
      `${row.iops.min.toFixed(0)}–${row.iops.max.toFixed(0)}`,
      fixed(to?.median, 2),
      row.mibPerSecond.toFixed(0),
      row.p50Us.toFixed(0),
      row.p99Us.toFixed(0),
      fixed(row.flushP50Us, 0),
      fixed(row.serverCpuUs, 1),
      row.clientCpuUs.toFixed(1),
      fixed(row.peakRssMib, 0),
      fixed(row.serverCpus, 2),
      row.busyCpus.toFixed(2),
      fixed(row.diskBusy === undefined ? undefined : 100 * row.diskBusy, 0),
      row.limit,
    ];
  });
  const header = ["server", "IOPS", "range", `× ${baseline ?? "–"}`, "MiB/s", "p50 µs", "p99 µs", "flush p50 µs"];
  header.push("server CPU µs/I/O", "client CPU µs/I/O", "RSS MiB", "server CPUs", "busy CPUs", "disk busy %", "limit");
  const table = markdownTable(header, lines, (column) => column > 0 && column < header.length - 1);
  return `## ${workload.name}\n\n${workload.text}\n\n${table}`;
}

function noise(runs: readonly MeasuredRun[], rows: readonly Summary[]): string {
  const several = rows.filter((row) => row.rounds > 1);
  const disturbed = runs.filter((run) => disturbance(run) > DISTURBED_CPUS).length;
  const lost = `Runs that lost more than ${DISTURBED_CPUS} CPUs to others: ${disturbed} of ${runs.length}.`;
  if (several.length === 0) return lost;
  const spread = spreadOf(several.map((row) => (100 * (row.iops.max - row.iops.min)) / row.iops.median));
  return `${lost} Range of IOPS over the rounds, as a share of the median: median ${spread.median.toFixed(0)} %, worst ${spread.max.toFixed(0)} %.`;
}

function unmeasured(result: BenchResult): string {
  const lines = result.records
    .filter((record) => record.outcome !== "measured")
    .map((r) => `- ${r.outcome}: ${r.server} on ${r.workload}: ${r.why.replace(/\s*\n\s*/g, " ")}`);
  return lines.length === 0 ? "" : section("Not measured", [...new Set(lines)].join("\n"));
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}
