/**
 * The command line of one fio run, from a workload and a target.
 *
 * A run is bounded by time (random loads) or by count (mixed loads and lists). fio's JSON goes to standard output. The client is
 * one process with a thread per connection, so that its CPU time can be told from the server's; where there are several volumes, the connection of
 * each is a job of its own.
 */
import { type Extent, extentOfOne, mappedBytes, type Workload } from "./workload.ts";

/** Where fio goes: a server, or the origin file itself. */
export type Target =
  | { readonly kind: "nbd"; readonly uri: string }
  | { readonly kind: "file"; readonly path: string; readonly direct: boolean };

export type Phase = "warm-up" | "measured";

export interface FioJob {
  readonly workload: Workload;
  readonly phase: Phase;
  /** One for each volume: its client is a job of the same fio. */
  readonly targets: readonly Target[];
  readonly extent: Extent;
  readonly round: number;
  /** The iolog, for loads of kind list. */
  readonly listPath: string;
}

/** Ends a run by count that goes on for far too long, in multiples of `Extent.seconds`. */
const COUNTED_SECONDS_FACTOR = 8;
const COUNTED_SECONDS_MIN = 10;

/** Arguments for fio. */
export function fioArguments(job: FioJob): string[] {
  const { workload } = job;
  return [
    ...common(job.targets[0]),
    // Another order in each round; a list has its own.
    `--randseed=${1000 + job.round + (job.phase === "warm-up" ? 500 : 0)}`,
    `--iodepth=${workload.depth}`,
    ...(workload.connections === 1 ? [] : [`--numjobs=${workload.connections}`, "--group_reporting"]),
    ...load(job),
    ...jobs(job.phase, job.targets),
  ];
}

/** Writes the first `bytes` of each in order and flushes. */
export function prefillArguments(targets: readonly Target[], bytes: number): string[] {
  return [
    ...common(targets[0]),
    "--rw=write",
    "--bs=1m",
    "--iodepth=4",
    `--size=${bytes}`,
    "--end_fsync=1",
    ...jobs("warm-up", targets),
  ];
}

/** What stands before the first job holds for all. */
function common(target: Target): string[] {
  const engine =
    target.kind === "nbd"
      ? ["--ioengine=nbd"]
      : // A file's I/O may complete inside its submission: lat is both, as clat is with the nbd engine.
        ["--ioengine=io_uring", `--direct=${target.direct ? 1 : 0}`, "--lat_percentiles=1"];
  return ["--thread", "--output-format=json", "--eta=never", ...engine];
}

function jobs(phase: Phase, targets: readonly Target[]): string[] {
  return targets.flatMap((target) => [
    `--name=${phase}`,
    target.kind === "nbd" ? `--uri=${target.uri}` : `--filename=${target.path}`,
  ]);
}

function load(job: FioJob): string[] {
  const { load, writes } = job.workload;
  const { phase } = job;
  const extent = extentOfOne(job.extent, job.workload);
  switch (load.kind) {
    case "random":
      return [
        `--rw=${load.operation}`,
        `--bs=${load.blockBytes}`,
        "--norandommap",
        `--size=${load.regionBytes ?? extent.originBytes}`,
        ...timed(phase === "warm-up" ? extent.warmUpSeconds : extent.seconds),
        // What the warm-up has written is on the medium, and its metadata too, before the clock starts.
        ...(writes && phase === "warm-up" ? ["--end_fsync=1"] : []),
      ];
    case "mixed":
      return [
        "--rw=randrw",
        `--rwmixread=${load.readPercent}`,
        `--bs=${load.blockBytes}`,
        "--norandommap",
        "--unified_rw_reporting=mixed",
        // The warm-up stays where nothing is a first touch.
        ...(phase === "warm-up"
          ? [`--size=${mappedBytes(job.workload)}`, ...timed(extent.warmUpSeconds), "--end_fsync=1"]
          : [
              `--size=${load.regionBytes}`,
              `--number_ios=${Math.round(load.count * extent.scale)}`,
              `--runtime=${Math.max(COUNTED_SECONDS_MIN, COUNTED_SECONDS_FACTOR * extent.seconds)}s`,
            ]),
      ];
    case "list":
      // With number_ios fio 3.33 does not drop the last writes in flight at the end of a list; it bounds nothing here.
      return [`--read_iolog=${job.listPath}`, "--number_ios=1", ...(phase === "warm-up" ? ["--end_fsync=1"] : [])];
  }
}

function timed(seconds: number): string[] {
  return ["--time_based", `--runtime=${Math.round(seconds * 1000)}ms`];
}
