/**
 * What fio measured, from the JSON that it prints.
 *
 * fio may say something before the JSON begins (`connected to NBD server`). With group reporting one job stands for all connections. Where each
 * volume has a job of its own, I/Os are those of all, within the time of the longest; p50 is the median of theirs, and p99 that of the worst.
 * Latency is completion latency where the client is the nbd engine; for a plain file it is that of submission and completion,
 * because the I/O may be done inside the submission. Runs with a mixed report have one histogram for reads and writes.
 */
import { median } from "./median.ts";
import { MIB } from "./workload.ts";

export interface FioResult {
  readonly ios: number;
  readonly seconds: number;
  readonly iops: number;
  readonly mibPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly flushes?: number | undefined;
  readonly flushP50Us?: number | undefined;
  readonly flushP99Us?: number | undefined;
}

interface Latency {
  readonly N?: number;
  readonly percentile?: Readonly<Record<string, number>>;
}

interface Direction {
  readonly total_ios: number;
  readonly io_bytes: number;
  /** Milliseconds. */
  readonly runtime: number;
  readonly clat_ns: Latency;
  readonly lat_ns: Latency;
}

interface Job {
  readonly error: number;
  readonly read?: Direction;
  readonly write?: Direction;
  readonly mixed?: Direction;
  readonly sync?: { readonly total_ios: number; readonly lat_ns: Latency };
}

/** Throws an Error where there is no result, or fio met an error. */
export function parseFioResult(output: string, target: "nbd" | "file"): FioResult {
  return together(jobsOf(output).map((job) => resultOf(job, target)));
}

function together(results: readonly FioResult[]): FioResult {
  if (results.length === 1) return results[0];
  const sum = (figure: (result: FioResult) => number): number => results.reduce((total, r) => total + figure(r), 0);
  const most = (figure: (result: FioResult) => number): number => Math.max(...results.map(figure));
  const ios = sum((r) => r.ios);
  const seconds = most((r) => r.seconds);
  return {
    ios,
    seconds,
    iops: ios / seconds,
    mibPerSecond: sum((r) => r.mibPerSecond * r.seconds) / seconds,
    p50Us: median(results.map((r) => r.p50Us)),
    p99Us: most((r) => r.p99Us),
  };
}

function resultOf(job: Job, target: "nbd" | "file"): FioResult {
  if (job.error !== 0) throw new Error(`fio met errno ${job.error}`);
  const direction = job.mixed ?? busier(job.read, job.write);
  const ios = direction?.clat_ns.N ?? direction?.total_ios ?? 0;
  if (direction === undefined || ios === 0 || direction.runtime === 0) throw new Error("fio did no I/O");
  const seconds = direction.runtime / 1000;
  const latency = target === "file" ? direction.lat_ns : direction.clat_ns;
  return {
    ios,
    seconds,
    iops: ios / seconds,
    mibPerSecond: direction.io_bytes / MIB / seconds,
    p50Us: percentileUs(latency, "50.000000"),
    p99Us: percentileUs(latency, "99.000000"),
    ...flushes(job),
  };
}

function jobsOf(output: string): readonly Job[] {
  const begin = output.indexOf("{");
  if (begin < 0) throw new Error(`fio printed no result: ${output.slice(-300)}`);
  const report = JSON.parse(output.slice(begin)) as { readonly jobs?: readonly Job[] };
  const jobs = report.jobs ?? [];
  if (jobs.length === 0) throw new Error("fio ran no job");
  return jobs;
}

function busier(a: Direction | undefined, b: Direction | undefined): Direction | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.total_ios > a.total_ios ? b : a;
}

function flushes(job: Job): Partial<FioResult> {
  if (job.sync === undefined || job.sync.total_ios === 0) return {};
  const { total_ios, lat_ns } = job.sync;
  return {
    flushes: total_ios,
    flushP50Us: percentileUs(lat_ns, "50.000000"),
    flushP99Us: percentileUs(lat_ns, "99.000000"),
  };
}

function percentileUs(latency: Latency, key: string): number {
  return (latency.percentile?.[key] ?? 0) / 1000;
}
