/**
 * `snapring top`: what the daemon's volumes do, drawn anew each second: rates, latencies, how full stores are, copies and merges.
 *
 *   counters now − counters a moment ago ─▶ rates       histograms' difference ─▶ the median and the slowest hundredth
 */
import { setTimeout } from "node:timers/promises";
import type { Command } from "commander";
import { formatSize } from "../../base/size-text.ts";
import type { ExportStats, Histogram, VolumeStats } from "../../engine/volume.ts";
import { type ControlClient, ControlError, pathOf } from "../control-client.ts";
import { clientOf, controlCommand, type ControlOptions } from "../control-option.ts";
import { optionValue, wholeNumber } from "../option-value.ts";
import { type Column, tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface TopOptions extends ControlOptions {
  readonly rounds?: number;
}

interface Look {
  readonly at: number;
  readonly volumes: ReadonlyMap<string, VolumeStats>;
  readonly failed: readonly string[];
}

export interface Row {
  readonly name: string;
  readonly reads: number;
  readonly writes: number;
  readonly bytes: number;
  readonly median: number | undefined;
  readonly slowest: number | undefined;
  readonly full: string | undefined;
  readonly copies: number | undefined;
  readonly merge: string | undefined;
}

const INTERVAL_MS = 1000;
const CLEAR = "\x1b[H\x1b[2J";

const COLUMNS: readonly Column<Row>[] = [
  { title: "EXPORT", value: ({ name }) => name },
  { title: "READS/s", value: ({ reads }) => Math.round(reads), right: true },
  { title: "WRITES/s", value: ({ writes }) => Math.round(writes), right: true },
  { title: "DATA/s", value: ({ bytes }) => formatSize(Math.round(bytes)), right: true },
  { title: "p50 <", value: ({ median }) => microseconds(median), right: true },
  { title: "p99 <", value: ({ slowest }) => microseconds(slowest), right: true },
  { title: "FULL", value: ({ full }) => full, right: true },
  { title: "COPIES/s", value: ({ copies }) => (copies === undefined ? undefined : Math.round(copies)), right: true },
  { title: "MERGE", value: ({ merge }) => merge },
];

export function topCommand(terminal: Terminal): Command {
  return controlCommand("top", "what the volumes do, drawn anew each second, until Ctrl-C")
    .option("--rounds <N>", "end after so many", optionValue(wholeNumber(1, 1_000_000)))
    .action((options: TopOptions) => top(terminal, options));
}

async function top(terminal: Terminal, options: TopOptions): Promise<void> {
  const client = clientOf(options);
  let before = await look(client);
  for (let round = 0; round < (options.rounds ?? Number.POSITIVE_INFINITY); round++) {
    await setTimeout(INTERVAL_MS);
    const now = await look(client);
    const rows = rowsOf(before, now);
    if (options.json === true) terminal.out(`${JSON.stringify({ rows, failed: now.failed })}\n`);
    else
      terminal.out(
        `${terminal.outIsTerminal ? CLEAR : ""}${tableText(COLUMNS, rows)}${now.failed.map((line) => `${line}\n`).join("")}`,
      );
    before = now;
  }
}

async function look(client: ControlClient): Promise<Look> {
  const { volumes: all } = (await client.ask("GET", pathOf("volumes"))).body as {
    volumes: { name: string; state: string; problem?: { detail: string } }[];
  };
  const volumes = new Map<string, VolumeStats>();
  const failed = [];
  for (const { name, state, problem } of all) {
    if (state !== "open") {
      failed.push(`${name}: ${state}${problem === undefined ? "" : `: ${problem.detail}`}`);
      continue;
    }
    try {
      volumes.set(name, (await client.ask("GET", `${pathOf("volumes", name)}/stats`)).body as VolumeStats);
    } catch (error) {
      // It has just gone.
      if (!(error instanceof ControlError)) throw error;
    }
  }
  return { at: performance.now(), volumes, failed };
}

/** A row for each export. */
export function rowsOf(before: Look, now: Look): Row[] {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const rows: Row[] = [];
  for (const [volume, stats] of now.volumes) {
    const had = before.volumes.get(volume);
    for (const one of stats.exports) rows.push(rowOf(volume, one, stats, had, seconds));
  }
  return rows;
}

function rowOf(
  volume: string,
  one: ExportStats,
  stats: VolumeStats,
  had: VolumeStats | undefined,
  seconds: number,
): Row {
  const was = had?.exports.find(({ name }) => name === one.name);
  const perSecond = (count: (of: ExportStats) => number): number =>
    Math.max(0, count(one) - (was === undefined ? 0 : count(was))) / seconds;
  const snapshot = stats.snapshots.find(({ name }) => name === one.name);
  const copiesBefore = had?.snapshots.find(({ name }) => name === one.name)?.copies ?? 0;
  const latencies = [one.readLatency, one.writeLatency].map((histogram, i) =>
    less(histogram, [was?.readLatency, was?.writeLatency][i]),
  );
  const all = latencies[0].map((count, i) => count + latencies[1][i]);
  const { merge } = stats;
  const isMerging = merge !== undefined && merge.snapshot === one.name;
  return {
    name: one.name === "origin" ? volume : `${volume}@${one.name}`,
    reads: perSecond(({ reads }) => reads),
    writes: perSecond(({ writes }) => writes),
    bytes: perSecond(({ readBytes, writtenBytes }) => readBytes + writtenBytes),
    median: percentile(all, 0.5),
    slowest: percentile(all, 0.99),
    full: snapshot === undefined ? undefined : fullness(snapshot),
    copies: snapshot === undefined ? undefined : Math.max(0, snapshot.copies - copiesBefore) / seconds,
    merge: isMerging
      ? `${Math.floor((snapshot?.mergeFraction ?? 0) * 100)} %${merge.paused ? " paused" : ""}`
      : undefined,
  };
}

function fullness({ state, allocatedSectors, totalSectors }: VolumeStats["snapshots"][number]): string {
  if (state === "invalid" || totalSectors === 0) return state;
  return `${((100 * allocatedSectors) / totalSectors).toFixed(1)} %`;
}

function less(histogram: Histogram, before: Histogram | undefined): number[] {
  return histogram.map((count, i) => count - (before?.[i] ?? 0));
}

/** Microseconds below which so many of them took; undefined: there were none. */
export function percentile(histogram: Histogram, share: number): number | undefined {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let seen = 0;
  const at = histogram.findIndex((count) => {
    seen += count;
    return seen >= total * share;
  });
  return 2 ** at;
}

function microseconds(us: number | undefined): string | undefined {
  if (us === undefined) return undefined;
  return us < 1000 ? `${us} us` : us < 1_000_000 ? `${Math.round(us / 1000)} ms` : `${Math.round(us / 1_000_000)} s`;
}
