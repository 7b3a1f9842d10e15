/**
 * `npm run bench:stores`: what large stores cost, and what snapring's own settings change. Prints one line for each figure, or JSON.
 *
 *   open       a store of 10 million scattered exceptions, 16 KiB chunks: seconds, bytes of table per exception, memory; and beside another
 *              volume: how long main does nothing else
 *   merge      100 000 scattered exceptions, O_DIRECT: in batches (S-69) beside run by run (S-60…S-64); sequential ones likewise; beside
 *              another snapshot; and what a client that writes meanwhile has to wait, also where the merge is throttled
 *   reads      random reads with a million exceptions beside the same with none
 *   queue      memory of the server under 10 000 queued first-touch writes
 *   metadata   commits, and bytes of metadata, per exception
 *   bound      what one durable first touch costs the disk, without any server
 *   beside     reads of one volume while another one of the same engine is under first touches
 *   main       what the one thread that decides takes for each first touch
 *
 * What it takes: `npm run bench:stores -- --help`. Images are sparse and made for the run, in folders of their own that are removed at the end.
 */
import { InvalidArgumentError } from "commander";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openEngine, openVolume, type Volume } from "../src/index.ts";
import { driver } from "./driver.ts";
import { Figures } from "./figures.ts";
import { median } from "./median.ts";
import { type StoreImage, writeStoreImage } from "./store-image.ts";
import { type Effort, measureBusyPoll, measureGroups, measureMetadata, measureReads } from "./store-questions.ts";
import { measureQueue } from "./store-queue.ts";
import { measureBound } from "./store-bound.ts";
import { measureBeside } from "./store-beside.ts";
import { measureMain } from "./store-main.ts";
import { measureMerges, sparse } from "./store-merge.ts";

const CHUNK = 16 * 1024;
const MILLION = 1_000_000;
const PARTS = ["open", "merge", "reads", "queue", "metadata", "bound", "beside", "main"];

const values = driver("bench:stores", "What large stores cost, and what snapring's own settings change")
  .option("--only <PARTS>", `some of ${PARTS.join(", ")}, separated by commas`, partsOf, PARTS)
  .option("--groups", "measure the settings of groups instead")
  .option("--busy-poll", "measure busy polling instead")
  .option("--quick", "with less of everything")
  .option("--json", "one line of JSON")
  .parse()
  .opts<{ only: readonly string[]; groups?: boolean; busyPoll?: boolean; quick?: boolean; json?: boolean }>();
const figures = new Figures(values.json ?? false, (line) => process.stdout.write(`${line}\n`));
const effort: Effort = values.quick ? { rounds: 1, seconds: 1 } : { rounds: 5, seconds: 4 };

async function main(): Promise<void> {
  mkdirSync("var", { recursive: true });
  if (values.groups) await measureGroups(figures, effort);
  if (values.busyPoll) await measureBusyPoll(figures, effort, "tmpfs");
  if (!values.groups && !values.busyPoll) await measureParts(values.only, values.quick ?? false);
  figures.end();
}

function partsOf(text: string): readonly string[] {
  const parts = text.split(",");
  const unknown = parts.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is none of ${PARTS.join(", ")}.`);
  return parts;
}

async function measureParts(parts: readonly string[], quick: boolean): Promise<void> {
  if (parts.includes("open")) await inFolder((folder) => measureOpen(folder, quick ? MILLION : 10 * MILLION));
  if (parts.includes("merge")) await inFolder((folder) => measureMerges(figures, folder, quick));
  if (parts.includes("reads")) await measureReads(figures, effort);
  if (parts.includes("queue")) await measureQueue(figures, quick ? 4 : 10);
  if (parts.includes("metadata")) await measureMetadata(figures, effort);
  if (parts.includes("bound")) await inFolder((folder) => measureBound(figures, folder, quick ? 200 : 1000));
  if (parts.includes("beside")) {
    await inFolder((folder) => measureBeside(figures, folder, effort.rounds, effort.seconds));
  }
  if (parts.includes("main")) await measureMain(figures);
}

/** A folder on the project's disk that is gone afterwards. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join("var", "bench-stores-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface TimedOpening {
  readonly volume: Volume;
  readonly seconds: number;
  /** The longest time for which main did nothing else. */
  readonly heldMs: number;
}

async function openTimed(open: () => Promise<Volume>): Promise<TimedOpening> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  const volume = await open();
  const seconds = (performance.now() - began) / 1000;
  delay.disable();
  return { volume, seconds, heldMs: delay.max / 1e6 };
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
  const store = { origin, snapshots: [{ name: "s", cow: image.path }] };
  const what = `open ${exceptions} scattered exceptions`;
  const before = process.memoryUsage().rss;
  const alone: TimedOpening[] = [];
  for (let round = 0; round < 3; round++) {
    const opening = await openTimed(() => openVolume(store));
    alone.push(opening);
    if (round === 0) {
      const [snapshot] = opening.volume.stats().snapshots;
      figures.report(`${what}: table`, snapshot.tableBytes / exceptions, "bytes per exception");
      const memory = process.memoryUsage().rss - before;
      figures.report("  memory of the process beyond an empty one", memory / 2 ** 20, "MiB");
    }
    await opening.volume.close();
  }
  figures.report(`${what}, warm cache (median of 3)`, median(alone.map(({ seconds }) => seconds)), "s");
  await using engine = await openEngine();
  await engine.openVolume({ name: "other", origin: sparse(join(folder, "other"), 2 ** 20) });
  const beside: TimedOpening[] = [];
  for (let round = 0; round < 3; round++) {
    const opening = await openTimed(() => engine.openVolume({ name: "large", ...store }));
    beside.push(opening);
    await opening.volume.close();
  }
  figures.report(
    "  beside another volume of the engine (median of 3)",
    median(beside.map(({ seconds }) => seconds)),
    "s",
  );
  figures.report("  main held at a time, at most (of 3)", Math.max(...beside.map(({ heldMs }) => heldMs)), "ms");
  rmSync(image.path);
  rmSync(origin);
  rmSync(`${origin}.snapshots`, { force: true });
}

try {
  await main();
} catch (error) {
  console.error(`bench:stores: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
