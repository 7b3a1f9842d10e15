/**
 * `npm run bench`: measures snapring beside its peers and leaves results and reports in bench/results.
 *
 *   options ▶ setting ▶ servers that are there ▶ schedule ▶ runs, one record each ▶ JSON ▶ Markdown and SVG
 *
 * An interrupt ends the run under way and makes the report of what there is; `--resume` goes on from there.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Figures } from "./figures.ts";
import { matchesAny } from "./glob.ts";
import { installedServers, runTurns } from "./harness.ts";
import { abortOnSignals } from "./interrupt.ts";
import { describeMachine } from "./machine.ts";
import { onlyBench } from "./one-bench.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import { measurePauses, SNAPSHOT_PAUSE } from "./pause.ts";
import { Place } from "./place.ts";
import { writeReport } from "./report.ts";
import { type BenchResult, difference, readResult, resumed, writeResult } from "./result.ts";
import { schedule, withoutDone } from "./schedule.ts";
import type { ServerKind } from "./server-kind.ts";
import { openSetting, SETTING_NAMES, type Setting, type SettingName } from "./setting.ts";
import { SERVERS } from "./servers.ts";
import { type Extent, GIB, type Workload } from "./workload.ts";
import { WORKLOADS } from "./workloads.ts";

const ORIGIN_BYTES = 2 * GIB;

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function main(options: BenchOptions): Promise<number> {
  const settings = options.setting === "all" ? SETTING_NAMES : [options.setting];
  if (options.list === true) {
    list();
    return 0;
  }
  if (options.dir !== undefined && settings.length > 1) throw new Error("--dir needs one --setting");
  mkdirSync(options.out, { recursive: true });
  if (options.report === true) {
    for (const name of settings) reportAgain(options.out, name);
    return 0;
  }
  using _lock = await onlyBench();
  const signal = abortOnSignals();
  let failed = false;
  if (isPauseAsked(options.only)) for (const name of settings) await benchPause(name, options, signal);
  for (const name of settings) failed = !(await benchSetting(name, options, signal)) || failed;
  return failed || signal.aborted ? 1 : 0;
}

/** By its name: it is no workload, and makes no report. */
function isPauseAsked(patterns: readonly string[]): boolean {
  return matchesAny(SNAPSHOT_PAUSE, patterns) && !patterns.includes("*");
}

async function benchPause(name: SettingName, options: BenchOptions, signal: AbortSignal): Promise<void> {
  const setting = await openSetting(name, options.dir);
  const place = new Place(setting, ORIGIN_BYTES);
  const { facts, versions } = await describeMachine(setting.folder);
  say(`${name}: ${SNAPSHOT_PAUSE} in ${setting.folder}; ${JSON.stringify({ ...facts, ...versions })}`);
  try {
    place.makeOrigin();
    await measurePauses(place, options, new Figures(false, (line) => console.log(line)), signal);
  } finally {
    place.remove();
  }
}

/** Whether every run went well. */
async function benchSetting(name: SettingName, options: BenchOptions, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  if (isPauseAsked(options.only) && !WORKLOADS.some((w) => matchesAny(w.name, options.only))) return true;
  const setting = await openSetting(name, options.dir);
  if (name === "direct" && !setting.direct) say(`${setting.folder} takes no O_DIRECT: page cache everywhere`);
  const chosen = SERVERS.filter((s) => s.settings.includes(name) && matchesAny(s.name, options.servers));
  const servers = await installedServers(chosen, say);
  const workloads = WORKLOADS.filter((w) => matchesAny(w.name, options.only));
  const path = join(options.out, `${name}.json`);
  let result = begin(path, await emptyResult(setting, options, servers, workloads), options.resume === true);
  const turns = withoutDone(schedule(servers, workloads, options.rounds), result.records);
  const place = new Place(setting, ORIGIN_BYTES);
  try {
    say(`${name}: ${turns.length} runs in ${setting.folder}`);
    place.makeOrigin();
    await runTurns(turns, {
      place,
      extent: result.extent,
      signal,
      say,
      keep: (record) => {
        result = { ...result, records: [...result.records, record] };
        writeResult(path, result);
      },
    });
  } finally {
    place.remove();
  }
  if (result.records.length > 0) say(`wrote ${[path, ...writeReport(options.out, result)].join(", ")}`);
  return !signal.aborted && result.records.every((record) => record.outcome !== "failed");
}

async function emptyResult(
  setting: Setting,
  options: BenchOptions,
  servers: readonly ServerKind[],
  workloads: readonly Workload[],
): Promise<BenchResult> {
  const extent: Extent = {
    originBytes: ORIGIN_BYTES,
    seconds: options.seconds,
    warmUpSeconds: options.warmUp,
    scale: options.scale,
  };
  return {
    version: 1,
    date: new Date().toISOString().slice(0, 10),
    setting: setting.name,
    direct: setting.direct,
    rounds: options.rounds,
    extent,
    machine: await describeMachine(setting.folder),
    servers: servers.map(({ name, role, text }) => ({ name, role, text })),
    workloads: workloads.map((w) => w.name),
    records: [],
  };
}

/** With --resume: what is there, gone on with. */
function begin(path: string, fresh: BenchResult, resume: boolean): BenchResult {
  const old = resume ? readResult(path) : undefined;
  if (old === undefined) return fresh;
  const why = difference(old, fresh);
  if (why !== undefined) throw new Error(`cannot go on with ${path}: ${why}`);
  return resumed(old, fresh);
}

function reportAgain(folder: string, name: SettingName): void {
  const result = readResult(join(folder, `${name}.json`));
  if (result === undefined) say(`there is no ${join(folder, `${name}.json`)}`);
  else say(`wrote ${writeReport(folder, result).join(", ")}`);
}

function list(): void {
  console.log(`settings: ${SETTING_NAMES.join(", ")}\n`);
  for (const s of SERVERS) console.log(`${s.name.padEnd(30)} ${s.text} (${s.settings.join(", ")})`);
  console.log();
  for (const w of WORKLOADS) console.log(`${w.name.padEnd(30)} ${w.text}`);
  console.log(`${SNAPSHOT_PAUSE.padEnd(30)} how long clients are held up while snapshots are made (by its name only)`);
}

function say(line: string): void {
  console.error(line);
}
