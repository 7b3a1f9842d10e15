/**
 * What volumes of one engine cost each other, and the thread that decides for all of them.
 *
 *   beside   4 KiB reads of one volume, one at a time, alone and while another one is under first touches, 32 in flight: p99, in turns; both
 *            on one disk, then the one that is read in memory
 *   main     first touches of 16 volumes on a tmpfs: CPU time of main for each, and messages; what it could decide if it did nothing else
 *
 * This process is the server: main is its first thread, whose time the kernel tells.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Outbox } from "../src/ring/outbox.ts";
import { RingConsumer } from "../src/ring/spsc-ring.ts";
import { type Engine, openEngine } from "../src/index.ts";
import { run } from "./child.ts";
import type { Figures } from "./figures.ts";
import { fioArguments, type Target } from "./fio-job.ts";
import { type FioResult, parseFioResult } from "./fio-result.ts";
import { median } from "./median.ts";
import { writeRandom } from "./place.ts";
import { parseThreadSeconds } from "./proc-text.ts";
import { type Extent, GIB, KIB, MIB, randomWorkload, type Workload } from "./workload.ts";

const TMPFS = "/dev/shm/snapring-bench-engine";
const VOLUMES = 16;
const BYTES: number = 64 * MIB;
const CHUNK_BYTES: number = 4 * KIB;
const LARGE_BYTES: number = GIB;

const READS: Workload = randomWorkload("randread", 1);
/** Of an origin that is large beside what is written: nearly all are first touches. */
const FIRST_TOUCHES: Workload = randomWorkload("randwrite", 32);

/** Where the volume is that is read: beside the other one, so that both share a disk, and in memory, so that they share threads alone. */
export async function measureBeside(figures: Figures, folder: string, rounds: number, seconds: number): Promise<void> {
  await inTmpfs(async () => {
    writeRandom(join(folder, "a"), LARGE_BYTES);
    const places = { "on the same disk": folder, "in memory": TMPFS } as const;
    for (const [where, place] of Object.entries(places)) {
      writeRandom(join(place, "b"), LARGE_BYTES);
      await measureBesideIn(figures, { a: folder, b: place }, where, rounds, seconds);
    }
  });
}

async function measureBesideIn(
  figures: Figures,
  places: Readonly<Record<string, string>>,
  where: string,
  rounds: number,
  seconds: number,
): Promise<void> {
  const alone: FioResult[] = [];
  const beside: FioResult[] = [];
  for (let round = 0; round < rounds; round++) {
    const engine = await engineOn(places, LARGE_BYTES);
    try {
      alone.push(await drive(engine, "b", READS, seconds, round));
      const load = drive(engine, "a", FIRST_TOUCHES, seconds + 1, round);
      beside.push(await drive(engine, "b", READS, seconds, round));
      await load;
    } finally {
      await engine.close();
      forget(places);
    }
  }
  figures.report(`4 KiB reads of a volume ${where}, one at a time, alone: p99`, median(alone.map(p99)), "µs");
  figures.report("  while another volume is under first touches: p99", median(beside.map(p99)), "µs");
  const ratios = beside.map((result, round) => p99(result) / p99(alone[round]));
  figures.report(`  ratio (median of ${rounds} rounds)`, median(ratios), "×");
}

const p99 = (result: FioResult): number => result.p99Us;

/** A new snapshot of each, by name and folder; the origins are there. */
async function engineOn(places: Readonly<Record<string, string>>, bytes: number): Promise<Engine> {
  const engine = await openEngine({ listen: [`unix:${resolve(Object.values(places)[0], "s")}`] });
  for (const [name, folder] of Object.entries(places)) {
    const origin = join(folder, name);
    const snapshot = { name: "s", cow: `${origin}.cow`, size: bytes + bytes / 2, chunkSize: CHUNK_BYTES };
    await engine.openVolume({ name, origin, snapshots: [snapshot] });
  }
  return engine;
}

/** None of them has had to do with the other one. */
function forget(places: Readonly<Record<string, string>>): void {
  for (const [name, folder] of Object.entries(places))
    for (const what of [".cow", ".snapshots"]) rmSync(join(folder, `${name}${what}`), { force: true });
}

async function inTmpfs(body: () => Promise<void>): Promise<void> {
  rmSync(TMPFS, { recursive: true, force: true });
  mkdirSync(TMPFS);
  try {
    await body();
  } finally {
    rmSync(TMPFS, { recursive: true, force: true });
  }
}

async function drive(
  engine: Engine,
  name: string,
  workload: Workload,
  seconds: number,
  round: number,
): Promise<FioResult> {
  const extent: Extent = { originBytes: LARGE_BYTES, seconds, warmUpSeconds: 0, scale: 1 };
  const targets: Target[] = [{ kind: "nbd", uri: engine.uris(name)[0] }];
  const args = fioArguments({ workload, phase: "measured", targets, extent, round, listPath: "" });
  return parseFioResult(await run(["fio", ...args]), "nbd");
}

export async function measureMain(figures: Figures): Promise<void> {
  const places = Object.fromEntries(Array.from({ length: VOLUMES }, (_, i) => [`v${i}`, TMPFS]));
  await inTmpfs(async () => {
    for (const side of ["snapshot", "origin"] as const) {
      for (const name of Object.keys(places)) writeRandom(join(TMPFS, name), BYTES);
      const engine = await engineOn(places, BYTES);
      try {
        await measureSide(figures, engine, Object.keys(places), side);
      } finally {
        await engine.close();
        forget(places);
      }
    }
  });
}

async function measureSide(
  figures: Figures,
  engine: Engine,
  names: readonly string[],
  side: "snapshot" | "origin",
): Promise<void> {
  const exports = names.map((name) => (side === "origin" ? name : `${name}@s`));
  const quarter = BYTES / 4;
  await firstTouches(engine, exports, 0, quarter);
  using messages = new MessageCount();
  const before = mainSeconds();
  const { ios, iops } = await firstTouches(engine, exports, quarter, BYTES - quarter);
  const seconds = mainSeconds() - before;
  figures.report(`first touches of the ${side}s of ${VOLUMES} volumes on a tmpfs`, iops, "/s");
  figures.report("  messages to and from main for each", messages.count / ios, "");
  figures.report("  CPU time of main for each", (seconds * 1e6) / ios, "µs");
  figures.report("  CPU time of main for each message", (seconds * 1e6) / messages.count, "µs");
  figures.report("  what main could decide, if it did nothing else", ios / seconds, "/s");
}

/** Each block of a region once, in random order, eight in flight for each volume. */
async function firstTouches(
  engine: Engine,
  exports: readonly string[],
  offset: number,
  bytes: number,
): Promise<FioResult> {
  const args = ["--thread", "--output-format=json", "--eta=never", "--ioengine=nbd", "--rw=randwrite", "--bs=4k"];
  args.push("--iodepth=8", `--offset=${offset}`, `--size=${bytes}`);
  for (const name of exports) args.push("--name=writes", `--uri=${engine.uris(name)[0]}`);
  return parseFioResult(await run(["fio", ...args]), "nbd");
}

/** CPU time of this process's first thread. */
function mainSeconds(): number {
  return parseThreadSeconds(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8"));
}

/** Counts what main takes from its rings and puts into them, as long as it is there. */
class MessageCount implements Disposable {
  count = 0;
  readonly #advance = RingConsumer.prototype.advance;
  readonly #begin = Outbox.prototype.begin;

  constructor() {
    const counter = this;
    const [advance, begin] = [this.#advance, this.#begin];
    RingConsumer.prototype.advance = function count(): void {
      counter.count += 1;
      advance.call(this);
    };
    Outbox.prototype.begin = function count(kind: number, volume: number, token: number): number {
      counter.count += 1;
      return begin.call(this, kind, volume, token);
    };
  }

  [Symbol.dispose](): void {
    RingConsumer.prototype.advance = this.#advance;
    Outbox.prototype.begin = this.#begin;
  }
}
