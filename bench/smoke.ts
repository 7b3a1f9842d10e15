/**
 * `npm run bench:smoke`: in less than a minute, is the data path in order?
 *
 *   random 4k reads, 1 and 32 in flight     snapring beside qemu-nbd on the raw file
 *   first-touch 4k writes, 32 in flight     snapring beside qemu-nbd on a qcow2 overlay with 16 KiB clusters
 *
 * It prints IOPS and server CPU per I/O of both, medians of interleaved rounds, and their ratios. It fails (exit code 1) where
 * snapring is so slow that something must be broken, or where an export worker enters the kernel more than once per turn of
 * its loop. It judges no more than that: a shared machine in a short run is no place for it. On a slow machine it makes fewer rounds
 * rather than longer ones.
 */
import { driver } from "./driver.ts";
import { type HarnessOptions, installedServers, runTurns } from "./harness.ts";
import { abortOnSignals } from "./interrupt.ts";
import { onlyBench } from "./one-bench.ts";
import { Place } from "./place.ts";
import type { RunRecord } from "./run-record.ts";
import { schedule, type Turn } from "./schedule.ts";
import type { ServerKind } from "./server-kind.ts";
import { SERVERS } from "./servers.ts";
import { openSetting, type Setting } from "./setting.ts";
import { SMOKE_OURS, smokeReport, smokeFailures } from "./smoke-verdict.ts";
import { type Extent, MIB } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";

const ROUNDS_MAX = 3;
/** No round is begun that would not end by then. */
const SECONDS_MAX = 55;
const EXTENT: Extent = { originBytes: 768 * MIB, seconds: 1.2, warmUpSeconds: 0.6, scale: 0.375 };
const READ_SERVERS = [SMOKE_OURS, "qemu-raw"];
const WRITE_SERVERS = [SMOKE_OURS, "qcow2-16k"];

try {
  process.exitCode = await smoke();
} catch (error) {
  console.error(`bench:smoke: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function smoke(): Promise<number> {
  const { dir, verbose = false } = driver("bench:smoke", "In less than a minute: is the data path in order?")
    .option("--dir <FOLDER>", "on the file system to measure")
    .option("--verbose", "say what is run")
    .parse()
    .opts<{ dir?: string; verbose?: boolean }>();
  using _lock = await onlyBench();
  const signal = abortOnSignals();
  const turns = await smokeTurns();
  const setting = await openSetting("direct", dir);
  const place = new Place(setting, EXTENT.originBytes);
  const records: RunRecord[] = [];
  let rounds: number;
  try {
    place.makeOrigin();
    const say = (line: string): void => (verbose ? console.error(line) : undefined);
    rounds = await runRounds(turns, { place, extent: EXTENT, signal, say, keep: (record) => records.push(record) });
  } finally {
    place.remove();
  }
  if (signal.aborted) throw new Error("interrupted");
  console.log(`${describe(setting)}; rounds: ${rounds}; medians\n`);
  console.log(smokeReport(records));
  const failures = smokeFailures(records);
  for (const failure of failures) console.error(`bench:smoke: ${failure}`);
  return failures.length === 0 ? 0 : 1;
}

/** Returns how many rounds there was time for: one at least. */
async function runRounds(turns: readonly Turn[], options: HarnessOptions): Promise<number> {
  // The process's age counts: making the origin took its time, too.
  let longest = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const begin = process.uptime();
    if (round > 0 && begin + longest > SECONDS_MAX) return round;
    const ofRound = turns.filter((turn) => turn.round === round);
    await runTurns(ofRound, options);
    longest = Math.max(longest, process.uptime() - begin);
  }
  return ROUNDS_MAX;
}

async function smokeTurns(): Promise<Turn[]> {
  const missing: string[] = [];
  const wanted = SERVERS.filter(({ name }) => [...READ_SERVERS, ...WRITE_SERVERS].includes(name));
  const servers = await installedServers(wanted, (line) => missing.push(line));
  const named = (names: readonly string[]): ServerKind[] =>
    names.map((name) => {
      const server = servers.find((s) => s.name === name);
      if (server === undefined) throw new Error(`${missing.join("; ")} (npm run setup installs what is needed)`);
      return server;
    });
  const reads = ["read-unmapped-4k-qd1", "read-unmapped-4k-qd32"].map(workloadNamed);
  const writes = [workloadNamed("cow-first-4k-qd32")];
  return [...schedule(named(READ_SERVERS), reads, ROUNDS_MAX), ...schedule(named(WRITE_SERVERS), writes, ROUNDS_MAX)];
}

function describe(setting: Setting): string {
  const mode = setting.direct ? "O_DIRECT on both sides" : "no O_DIRECT here, page cache on both sides";
  return `${mode}, qemu with aio=${setting.qemuAio}`;
}
