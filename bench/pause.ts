/**
 * `npm run bench -- --only snapshot-pause`: for how long are clients held up when a snapshot is made of the volume that they write?
 *
 *   fio       4 clients, 32 random writes of 4 KiB in flight each, all the time
 *   a probe   one more, who writes one at a time: his longest write while a snapshot is made (write-probe.ts)
 *   snapshots made, and dropped (ours), again and again; beside it qemu-storage-daemon, in the same run
 *
 * What a server says of its own pause is beside what the probe has felt, in which the load has its part: the same figure for spans in which nothing is made is printed, too.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isInstalled, run } from "./child.ts";
import type { Figures } from "./figures.ts";
import type { BenchOptions } from "./options.ts";
import { SnapringMaker, type SnapshotMaker, StorageDaemonMaker } from "./pause-makers.ts";
import type { Place } from "./place.ts";
import { WriteProbe } from "./write-probe.ts";

export const SNAPSHOT_PAUSE = "snapshot-pause";

const CLIENTS = 4;
const DEPTH = 32;
/** Milliseconds before a snapshot is made, and before it is dropped. */
const REST_MS = 100;

interface Spans {
  /** Milliseconds: what the server says; what the probe has felt, of a creation, and of a rest before it. */
  readonly said: number[];
  readonly felt: number[];
  readonly without: number[];
}

export async function measurePauses(
  place: Place,
  options: Pick<BenchOptions, "rounds" | "seconds">,
  figures: Figures,
  signal: AbortSignal,
): Promise<void> {
  const seconds = 2 * options.rounds * options.seconds;
  for (const maker of await makers(place)) {
    if (signal.aborted) return;
    place.clean();
    await place.settle();
    await maker.start();
    try {
      report(figures, maker.name, await underLoad(place, maker, seconds, signal));
    } finally {
      await maker.stop();
      place.clean();
    }
  }
}

async function makers(place: Place): Promise<readonly SnapshotMaker[]> {
  const there = await isInstalled("qemu-storage-daemon");
  return [new SnapringMaker(place), ...(there ? [new StorageDaemonMaker(place)] : [])];
}

async function underLoad(place: Place, maker: SnapshotMaker, seconds: number, signal: AbortSignal): Promise<Spans> {
  const load = run(fio(place, maker, seconds), { signal, seconds: 2 * seconds + 60 });
  let over = false;
  const ended = load.finally(() => (over = true));
  ended.catch(() => {});
  const probe = await WriteProbe.start(place.socket, maker.exportName, place.originBytes);
  const spans: Spans = { said: [], felt: [], without: [] };
  await delay(1000);
  for (let i = 0; i < maker.most && !over; i++) {
    const rest = performance.now();
    await delay(REST_MS);
    const before = performance.now();
    const said = await maker.make();
    const made = performance.now();
    if (said !== undefined) spans.said.push(said / 1000);
    spans.without.push(await probe.longest(rest, before - 1));
    spans.felt.push(await probe.longest(before, made));
    await delay(REST_MS);
    await maker.drop();
  }
  await ended;
  await probe.stop();
  return spans;
}

function fio({ socket, originBytes }: Place, { exportName }: SnapshotMaker, seconds: number): string[] {
  return [
    ...["fio", "--thread", "--output-format=json", "--eta=never", "--ioengine=nbd", "--name=load"],
    ...[`--uri=nbd+unix:///${exportName}?socket=${socket}`, `--iodepth=${DEPTH}`, `--numjobs=${CLIENTS}`],
    ...["--rw=randwrite", "--bs=4096", "--norandommap", `--size=${originBytes}`],
    ...["--time_based", `--runtime=${seconds}s`, "--randseed=1000"],
  ];
}

function report(figures: Figures, name: string, { said, felt, without }: Spans): void {
  figures.report(`${name}: snapshots made under ${CLIENTS} clients × ${DEPTH} writes`, felt.length, "");
  const each = (what: string, all: readonly number[]): void => {
    if (all.length === 0) return;
    figures.report(`  ${what}, median`, percentile(all, 0.5), "ms");
    figures.report(`  ${what}, p99`, percentile(all, 0.99), "ms");
    figures.report(`  ${what}, longest`, Math.max(...all), "ms");
  };
  each("pause, as the server says", said);
  each("longest write of a client while one is made", felt);
  each(`longest write of a client in ${REST_MS} ms before`, without);
}

function percentile(all: readonly number[], share: number): number {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}
