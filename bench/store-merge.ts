/**
 * What a merge costs: by itself, beside another snapshot that has to keep what it overwrites, and for a client that writes meanwhile.
 *
 *   merge ORDER            in batches (S-69) beside run by run (S-60…S-64); all files are holes
 *   beside another one     the same merge alone and with a second snapshot, in turns
 *   writes meanwhile       random 4 KiB writes, one at a time, of an origin without snapshots, of one that is merged, and of one that is merged in a quarter
 *                          of the time (E-26), in turns; all blocks of the files have been written before, so that each writes in place
 */
import { closeSync, openSync, rmSync, truncateSync } from "node:fs";
import { join, resolve } from "node:path";
import { openVolume, type SnapshotOptions, type VolumeOptions } from "../src/index.ts";
import { run } from "./child.ts";
import type { Figures } from "./figures.ts";
import { fioArguments } from "./fio-job.ts";
import { type FioResult, parseFioResult } from "./fio-result.ts";
import { median } from "./median.ts";
import { removeMark } from "../src/register/mark.ts";
import { writeRandom } from "./place.ts";
import { type StoreImage, writeStoreImage } from "./store-image.ts";
import { KIB, randomWorkload, type Workload } from "./workload.ts";

const CHUNK: number = 16 * KIB;
const ORIGIN_CHUNKS: number = 2 ** 18;
/** Of the origin whose blocks are written: so many gigabytes are written for it. */
const WRITTEN_CHUNKS: number = 2 ** 17;

const WRITES: Workload = randomWorkload("randwrite", 1);
/** Of the time: what a merge beside clients is given. */
const THROTTLED_PERCENT = 25;

interface Effort {
  readonly exceptions: number;
  readonly rounds: number;
  readonly seconds: number;
}

export async function measureMerges(figures: Figures, folder: string, quick: boolean): Promise<void> {
  const effort = quick
    ? { exceptions: 20_000, rounds: 1, seconds: 0.5 }
    : { exceptions: 100_000, rounds: 5, seconds: 2.5 };
  for (const order of ["scattered", "sequential"] as const) await measureOrder(figures, folder, effort, order);
  await measureBeside(figures, folder, effort);
  await measureWrites(figures, folder, effort);
}

export function sparse(path: string, bytes: number): string {
  closeSync(openSync(path, "w"));
  truncateSync(path, bytes);
  return path;
}

async function measureOrder(
  figures: Figures,
  folder: string,
  effort: Effort,
  order: StoreImage["order"],
): Promise<void> {
  const few = order === "scattered" ? Math.min(effort.exceptions, 5000) : effort.exceptions;
  const batches = await mergeRate(folder, effort.exceptions, order, {});
  figures.report(`merge ${effort.exceptions} ${order} exceptions, batches`, batches, "exceptions/s");
  const runs = await mergeRate(folder, few, order, { mergeBatches: false });
  figures.report(`merge ${few} ${order} exceptions, run by run`, runs, "exceptions/s");
  figures.report(`merge ${order}: batches beside run by run`, batches / runs, "×");
}

/** In turns: what the machine does besides changes both. */
async function measureBeside(figures: Figures, folder: string, { exceptions, rounds }: Effort): Promise<void> {
  const path = join(folder, "other");
  const size = (exceptions + ORIGIN_CHUNKS / 64) * CHUNK;
  const other: SnapshotOptions = { name: "other", cow: path, size, chunkSize: CHUNK };
  const alone: number[] = [];
  const beside: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await mergeRate(folder, exceptions, "scattered", {}));
    beside.push(await mergeRate(folder, exceptions, "scattered", {}, [other]));
    ratios.push(beside[round] / alone[round]);
    rmSync(path);
  }
  const title = `merge ${exceptions} scattered exceptions`;
  figures.report(`${title}, alone (median of ${rounds})`, median(alone), "exceptions/s");
  figures.report(`${title}, beside another snapshot`, median(beside), "exceptions/s");
  figures.report(`  ratio (median of ${rounds} rounds)`, median(ratios), "×");
}

/** Exceptions per second. */
async function mergeRate(
  folder: string,
  exceptions: number,
  order: StoreImage["order"],
  options: Pick<VolumeOptions, "mergeBatches">,
  others: readonly SnapshotOptions[] = [],
): Promise<number> {
  const origin = sparse(join(folder, "origin"), ORIGIN_CHUNKS * CHUNK);
  const image = { path: join(folder, "cow"), chunkBytes: CHUNK, originChunks: ORIGIN_CHUNKS, exceptions, order };
  writeStoreImage(image);
  const volume = await openVolume({ origin, snapshots: [{ name: "s", cow: image.path }, ...others], ...options });
  try {
    const began = performance.now();
    await volume.merge("s");
    return exceptions / ((performance.now() - began) / 1000);
  } finally {
    await volume.close();
    forget(origin, image.path);
  }
}

/** Neither file has had to do with the other one: the next round begins with both. */
function forget(origin: string, cow: string): void {
  rmSync(`${origin}.snapshots`, { force: true });
  for (const path of [origin, cow]) {
    const fd = openSync(path, "r+");
    removeMark(fd);
    closeSync(fd);
  }
}

async function measureWrites(figures: Figures, folder: string, effort: Effort): Promise<void> {
  const { exceptions, rounds } = effort;
  const origin = join(folder, "written-origin");
  const path = join(folder, "written-cow");
  const image = { path, chunkBytes: CHUNK, originChunks: WRITTEN_CHUNKS, exceptions, order: "scattered" } as const;
  writeRandom(origin, WRITTEN_CHUNKS * CHUNK);
  writeRandom(path, writeStoreImage(image));
  const written = { folder, origin, image, effort };
  const [none, merging, throttled]: FioResult[][] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    none.push(await writesOf(written, round, undefined));
    merging.push(await writesOf(written, round, 100));
    throttled.push(await writesOf(written, round, THROTTLED_PERCENT));
  }
  figures.report("4 KiB writes at depth 1, no snapshot: p99", median(none.map(p99)), "µs");
  const beside = (title: string, results: readonly FioResult[]): void => {
    const ratio = (figure: (result: FioResult) => number): number =>
      median(results.map((result, round) => figure(result) / figure(none[round])));
    figures.report(`4 KiB writes at depth 1, ${title}: p99`, median(results.map(p99)), "µs");
    figures.report(`  ratio (median of ${rounds} rounds)`, ratio(p99), "×");
    figures.report("  ratio of p50", ratio(p50), "×");
  };
  beside("while a snapshot is merged", merging);
  beside(`while a snapshot is merged in ${THROTTLED_PERCENT} % of the time`, throttled);
}

/** Files of which every block has been written. */
interface Written {
  readonly folder: string;
  readonly origin: string;
  readonly image: StoreImage;
  readonly effort: Effort;
}

/** What a client sees, while the snapshot is merged in so much of the time; undefined: there is none. */
async function writesOf(
  { folder, origin, image, effort }: Written,
  round: number,
  mergePercent: number | undefined,
): Promise<FioResult> {
  const snapshots = mergePercent === undefined ? [] : [{ name: "s", cow: image.path }];
  writeStoreImage({ ...image, over: true });
  await run(["sync", "-f", folder]);
  const socket = resolve(folder, "s");
  const volume = await openVolume({ origin, snapshots, mergePercent, listen: [`unix:${socket}`] });
  try {
    for (const { name } of snapshots) await volume.startMerge(name);
    const target = { kind: "nbd", uri: `nbd+unix:///origin?socket=${socket}` } as const;
    const extent = { originBytes: WRITTEN_CHUNKS * CHUNK, seconds: effort.seconds, warmUpSeconds: 0, scale: 1 };
    const job = { workload: WRITES, phase: "measured", targets: [target], extent, round, listPath: "" } as const;
    const result = parseFioResult(await run(["fio", ...fioArguments(job)]), "nbd");
    const left = snapshots.map(({ name }) => volume.status(name).state);
    if (left.some((state) => state !== "merging")) throw new Error("the merge ended before the writes did");
    return result;
  } finally {
    await volume.close();
    if (snapshots.length > 0) forget(origin, image.path);
  }
}

const p99 = (result: FioResult): number => result.p99Us;
const p50 = (result: FioResult): number => result.p50Us;
