/**
 * One run: one server, one workload, from an empty snapshot to a record.
 *
 *   clean ▶ prepare ▶ start ▶ prefill ▶ warm-up ▶ settle ▶ sample ▶ fio ▶ sample ▶ stop ▶ clean
 *
 * Warm-up runs the same kind of load, where its writes cannot touch what is measured: a JIT compiles, caches of metadata fill, files
 * get their first extents, for every server alike. A run that fails is recorded with its reason; the bench goes on.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { run } from "./child.ts";
import { fioArguments, type FioJob, type Phase, prefillArguments, type Target } from "./fio-job.ts";
import { type FioResult, parseFioResult } from "./fio-result.ts";
import type { Place } from "./place.ts";
import { runCost } from "./run-cost.ts";
import type { MeasuredRun, RunKey, RunRecord } from "./run-record.ts";
import { openFilesBelow, takeSample } from "./sampler.ts";
import { exportsFor, needsPrefill, type ServerKind, uriOf } from "./server-kind.ts";
import { ServerProcess } from "./server-process.ts";
import { type ServerWork, workBetween } from "./statistics.ts";
import { type Extent, extentOfOne, mappedBytes, type Workload } from "./workload.ts";
import { writeList } from "./write-list.ts";

export interface Cell {
  readonly server: ServerKind;
  readonly workload: Workload;
  readonly round: number;
  readonly extent: Extent;
  readonly place: Place;
  readonly signal: AbortSignal;
}

/** fio's own end comes first, unless it hangs. */
const FIO_SECONDS_MORE = 60;
const FIO_SECONDS_FACTOR = 10;

/** Never throws for what a server, fio or a tool does: that is in the record. */
export async function runCell(cell: Cell): Promise<RunRecord> {
  const key: RunKey = { server: cell.server.name, workload: cell.workload.name, round: cell.round };
  try {
    cell.place.clean();
    await cell.server.prepare(cell.place);
    if (cell.server.role === "floor") return { ...key, ...(await onFile(cell)) };
    const record = await onServer(cell);
    return typeof record === "string" ? { ...key, outcome: "skipped", why: record } : { ...key, ...record };
  } catch (error) {
    return { ...key, outcome: "failed", why: error instanceof Error ? error.message : String(error) };
  } finally {
    cell.place.clean();
  }
}

type Measured = Omit<MeasuredRun, keyof RunKey>;

function onFile(cell: Cell): Promise<Measured> {
  const { origin, setting } = cell.place;
  return measure(cell, [{ kind: "file", path: origin, direct: setting.direct }], undefined);
}

/** The reason, where the workload has to be skipped. */
async function onServer(cell: Cell): Promise<Measured | string> {
  const { place, server, workload } = cell;
  const exports = exportsFor(server, workload, place);
  const process = new ServerProcess(server.command(place, server.program));
  let record: Measured | string;
  try {
    let why: string | undefined;
    for (const one of exports) {
      const facts = await process.ready(uriOf(one), one.socket, cell.signal);
      if (facts.sizeBytes !== place.originBytes / workload.volumes) {
        throw new Error(`the export has ${facts.sizeBytes} bytes`);
      }
      if (workload.connections > 1 && !facts.multiConn) why = "several connections are not offered";
      else if (workload.writes && facts.readOnly) why = "the export is read-only";
    }
    const targets = exports.map((one): Target => ({ kind: "nbd", uri: uriOf(one) }));
    record = why ?? (await measure(cell, targets, process));
  } catch (error) {
    // The first failure is the one to tell of.
    await process.stop().catch(() => {});
    throw error;
  }
  await process.stop();
  return record;
}

async function measure(cell: Cell, targets: readonly Target[], process: ServerProcess | undefined): Promise<Measured> {
  const { place, server, workload } = cell;
  const { folder } = place.setting;
  if (needsPrefill(server, workload)) await fio(cell, prefillArguments(targets, mappedBytes(workload)));
  await fioRun(cell, targets, "warm-up");
  await place.settle();
  const statsBefore = server.role === "ours" ? await process?.statistics() : undefined;
  const openFiles = process === undefined ? {} : openFilesBelow(process.pid, folder);
  const before = takeSample(process?.pid, folder);
  const result = await fioRun(cell, targets, "measured");
  const after = takeSample(process?.pid, folder);
  if (process?.hasEnded === true) throw new Error("the server ended during the run");
  let work: ServerWork | undefined;
  if (process !== undefined && statsBefore !== undefined) work = workBetween(statsBefore, await process.statistics());
  const cost = runCost(before, after, result, process !== undefined, cpus().length);
  return { outcome: "measured", ...result, ...cost, openFiles, ...(work === undefined ? {} : { work }) };
}

async function fioRun(cell: Cell, targets: readonly Target[], phase: Phase): Promise<FioResult> {
  const { extent, place, round, workload } = cell;
  const { listPath } = place;
  const [target] = targets;
  if (workload.load.kind === "list") {
    const fileName = target.kind === "file" ? target.path : "nbd";
    writeFileSync(listPath, writeList(workload.load, phase, extentOfOne(extent, workload), fileName));
  }
  const job: FioJob = { workload, phase, targets, extent, round, listPath };
  return parseFioResult(await fio(cell, fioArguments(job)), target.kind);
}

function fio(cell: Cell, args: readonly string[]): Promise<string> {
  const seconds = FIO_SECONDS_MORE + FIO_SECONDS_FACTOR * cell.extent.seconds;
  return run(["fio", ...args], { signal: cell.signal, seconds });
}
