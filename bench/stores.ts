/**
 * `npm run bench:stores`: what large stores cost. Prints one line for each figure, and JSON with `--json`.
 *
 *   open    a store of 10 million scattered exceptions, 16 KiB chunks: seconds, bytes of table per exception, memory
 *   merge   100 000 scattered exceptions, O_DIRECT: in batches (S-69) beside run by run (S-60…S-64); sequential ones likewise
 *
 * Images are sparse and made for the run, in a folder of their own that is removed at the end.
 */
import { mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, closeSync } from "node:fs";
import { join } from "node:path";
import { openVolume, type Volume, type VolumeOptions } from "../src/index.ts";
import { type StoreImage, writeStoreImage } from "./store-image.ts";

const CHUNK = 16 * 1024;
const MILLION = 1_000_000;

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const figures: Figure[] = [];

async function main(): Promise<void> {
  const json = process.argv.includes("--json");
  const quick = process.argv.includes("--quick");
  mkdirSync("var", { recursive: true });
  const folder = mkdtempSync(join("var", "bench-stores-"));
  try {
    await measureOpen(folder, quick ? MILLION : 10 * MILLION);
    const merged = quick ? 2000 : 100_000;
    for (const order of ["scattered", "sequential"] as const) {
      const batches = await measureMerge(folder, merged, order, true);
      const runs = await measureMerge(folder, order === "scattered" ? Math.min(merged, 5000) : merged, order, false);
      report(`merge ${order}: batches beside run by run`, batches / runs, "×");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
}

function report(name: string, value: number, unit: string): void {
  figures.push({ name, value, unit });
  if (process.argv.includes("--json")) return;
  process.stdout.write(`${name.padEnd(60)} ${value.toFixed(value < 100 ? 2 : 0)} ${unit}\n`);
}

function sparse(path: string, bytes: number): string {
  closeSync(openSync(path, "w"));
  truncateSync(path, bytes);
  return path;
}

async function openTimed(options: VolumeOptions): Promise<[Volume, number]> {
  const began = performance.now();
  const volume = await openVolume(options);
  return [volume, (performance.now() - began) / 1000];
}

async function measureOpen(folder: string, exceptions: number): Promise<void> {
  const originChunks = 2 ** 25;
  const origin = sparse(join(folder, "origin"), originChunks * CHUNK);
  const image: StoreImage = {
    path: join(folder, "cow"),
    chunkBytes: CHUNK,
    originChunks,
    exceptions,
    order: "scattered",
  };
  writeStoreImage(image);
  const before = process.memoryUsage().rss;
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const [volume, seconds] = await openTimed({ origin, snapshots: [{ name: "s", cow: image.path }] });
    times.push(seconds);
    if (round === 0) {
      const [snapshot] = volume.stats().snapshots;
      report(`open ${exceptions} scattered exceptions: table`, snapshot.tableBytes / exceptions, "bytes per exception");
      report("  memory of the process beyond an empty one", (process.memoryUsage().rss - before) / 2 ** 20, "MiB");
    }
    await volume.close();
  }
  times.sort((a, b) => a - b);
  report(`open ${exceptions} scattered exceptions, warm cache (median of 3)`, times[1], "s");
  rmSync(image.path);
  rmSync(origin);
  rmSync(`${origin}.snapshots`, { force: true });
}

/** Exceptions per second. */
async function measureMerge(
  folder: string,
  exceptions: number,
  order: StoreImage["order"],
  mergeBatches: boolean,
): Promise<number> {
  const originChunks = 2 ** 18;
  const origin = sparse(join(folder, "origin"), originChunks * CHUNK);
  const image: StoreImage = { path: join(folder, "cow"), chunkBytes: CHUNK, originChunks, exceptions, order };
  writeStoreImage(image);
  const volume = await openVolume({ origin, snapshots: [{ name: "s", cow: image.path }], mergeBatches });
  try {
    const ended = new Promise<string>((resolve) => {
      volume.on("snapshot", (_name, event) => {
        if (event === "merged" || event === "merge-failed") resolve(event);
      });
    });
    const began = performance.now();
    await volume.startMerge("s");
    if ((await ended) !== "merged") throw new Error("the merge has failed");
    const rate = exceptions / ((performance.now() - began) / 1000);
    report(`merge ${exceptions} ${order} exceptions, ${mergeBatches ? "batches" : "run by run"}`, rate, "exceptions/s");
    return rate;
  } finally {
    await volume.close();
    rmSync(`${origin}.snapshots`, { force: true });
  }
}

await main();
