/**
 * Questions about snapring alone, each answered by runs beside each other in one bench:
 *
 *   reads       do lookups in a table of a million exceptions slow reads down?
 *   metadata    how often, and how much metadata, is written for an exception?
 *   groups      what do other bounds of a group's wait change (S-54)?
 *   busy-poll   what does it give one request at a time?
 */
import { closeSync, openSync, truncateSync } from "node:fs";
import type { Figures } from "./figures.ts";
import type { Place } from "./place.ts";
import { type Figure, IOPS, ratioTo, SERVER_CPU } from "./ratio.ts";
import type { MeasuredRun } from "./run-record.ts";
import type { SettingName } from "./setting.ts";
import { settingsKind, storeKind } from "./store-kinds.ts";
import { medianOf, runRounds, runsOf } from "./store-rounds.ts";
import { type Extent, GIB, MIB } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";

export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

const EXCEPTIONS = 1_000_000;
/** A quarter of its chunks has an exception. */
const READ_ORIGIN_BYTES: number = 64 * GIB;
const WRITE_ORIGIN_BYTES: number = 768 * MIB;
const WRITE_SCALE = 0.375;

const GROUPS = [
  { groupWaitMs: 50, groupCount: 1024 },
  { groupWaitMs: 5, groupCount: 1024 },
  { groupWaitMs: 50, groupCount: 64 },
  { groupWaitMs: 5, groupCount: 8 },
] as const;

const POLLS = [0, 25];

/** Random reads over mapped and unmapped chunks alike, beside the same reads of a snapshot that holds nothing. All files are holes: what is compared is the server's part. */
export async function measureReads(figures: Figures, effort: Effort): Promise<void> {
  const workload = workloadNamed("read-unmapped-4k-qd32");
  const kinds = [storeKind("none", 0), storeKind("many", EXCEPTIONS)];
  for (const setting of ["direct", "tmpfs"] as const) {
    const runs = await runRounds({
      setting,
      kinds,
      workloads: [workload],
      extent: extentOf(READ_ORIGIN_BYTES, effort, 1),
      rounds: effort.rounds,
      makeOrigin: holes,
    });
    const [none, many] = kinds.map((kind) => runsOf(runs, kind.name, workload.name));
    const ratio = (figure: Figure): number =>
      ratioTo(runs, workload.name, "many", ["none"], figure)?.median ?? Number.NaN;
    const where = setting === "direct" ? "O_DIRECT" : "tmpfs";
    figures.report(`reads with no exception, ${where}`, medianOf(none, iops), "IOPS");
    figures.report(`reads with ${EXCEPTIONS} exceptions, ${where}`, medianOf(many, iops), "IOPS");
    figures.report(`  ratio (median of ${effort.rounds} rounds)`, ratio(IOPS), "×");
    figures.report("  ratio of server CPU per I/O", ratio(SERVER_CPU), "×");
  }
}

/** First touches, 32 in flight: commits and bytes of metadata per exception. */
export async function measureMetadata(figures: Figures, effort: Effort): Promise<void> {
  const kinds = [settingsKind("default", {})];
  const workloads = ["cow-first-4k-qd32", "cow-first-4k-qd32-fsync", "origin-write-cow-4k-qd32"].map(workloadNamed);
  const extent = extentOf(WRITE_ORIGIN_BYTES, effort, WRITE_SCALE);
  const runs = await runRounds({ setting: "direct", kinds, workloads, extent, rounds: effort.rounds });
  for (const { name } of workloads) reportMetadata(figures, name, runsOf(runs, "default", name));
}

/** Origin writes always wait for their group, and flushes too: a bound on the time is for writes that nobody waits for. */
export async function measureGroups(figures: Figures, effort: Effort): Promise<void> {
  const kinds = GROUPS.map((group) => settingsKind(`wait-${group.groupWaitMs}-count-${group.groupCount}`, group));
  const workloads = ["origin-write-cow-4k-qd32", "cow-first-4k-qd32-fsync"].map(workloadNamed);
  const extent = extentOf(WRITE_ORIGIN_BYTES, effort, WRITE_SCALE);
  const runs = await runRounds({ setting: "direct", kinds, workloads, extent, rounds: effort.rounds });
  for (const { name } of workloads) {
    for (const [i, kind] of kinds.entries()) {
      const title = `${name}, ${GROUPS[i].groupWaitMs} ms, ${GROUPS[i].groupCount} exceptions`;
      figures.report(title, medianOf(runsOf(runs, kind.name, name), iops), "IOPS");
      reportMetadata(figures, "", runsOf(runs, kind.name, name));
    }
  }
}

export async function measureBusyPoll(figures: Figures, effort: Effort, setting: SettingName): Promise<void> {
  const kinds = POLLS.map((busyPoll) => settingsKind(`poll-${busyPoll}`, { busyPoll, workers: 1 }));
  const workload = workloadNamed("read-unmapped-4k-qd1");
  const extent = extentOf(WRITE_ORIGIN_BYTES, effort, 1);
  const runs = await runRounds({ setting, kinds, workloads: [workload], extent, rounds: effort.rounds });
  for (const [i, { name }] of kinds.entries()) {
    const seen = runsOf(runs, name, workload.name);
    figures.report(`${workload.name}, ${setting}, busy-poll ${POLLS[i]} µs`, medianOf(seen, iops), "IOPS");
    figures.report(
      "  p50",
      medianOf(seen, (run) => run.p50Us),
      "µs",
    );
    figures.report(
      "  p99",
      medianOf(seen, (run) => run.p99Us),
      "µs",
    );
    figures.report("  server CPU per I/O", medianOf(seen, cpu), "µs");
    figures.report("  turns that may sleep, per I/O", medianOf(seen, sleeps), "");
  }
  const ratio = ratioTo(runs, workload.name, kinds[1].name, [kinds[0].name]);
  figures.report("  busy-poll beside none", ratio?.median ?? Number.NaN, "×");
}

function reportMetadata(figures: Figures, name: string, runs: readonly MeasuredRun[]): void {
  const prefix = name === "" ? "  " : `${name}: `;
  figures.report(`${prefix}commits per exception`, medianOf(runs, commits), "");
  figures.report(`${prefix}bytes of metadata per exception`, medianOf(runs, metadataBytes), "bytes");
}

function extentOf(originBytes: number, effort: Effort, scale: number): Extent {
  return { originBytes, seconds: effort.seconds, warmUpSeconds: Math.min(1.5, effort.seconds), scale };
}

function holes(place: Place): void {
  closeSync(openSync(place.origin, "w"));
  truncateSync(place.origin, place.originBytes);
}

const iops = (run: MeasuredRun): number => run.iops;
const cpu = (run: MeasuredRun): number => run.serverCpuUs ?? 0;

function commits(run: MeasuredRun): number {
  return run.work === undefined ? 0 : run.work.commits / Math.max(1, run.work.exceptions);
}

function metadataBytes(run: MeasuredRun): number {
  return run.work === undefined ? 0 : run.work.metadataBytes / Math.max(1, run.work.exceptions);
}

function sleeps(run: MeasuredRun): number {
  const exports = run.work?.workers.filter((worker) => worker.role === "export") ?? [];
  return exports.reduce((sum, worker) => sum + worker.sleeps, 0) / run.ios;
}
