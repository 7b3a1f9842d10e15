/**
 * `snapring serve`: an origin and its snapshots over NBD until a signal ends it.
 *
 * It opens the volume through the library, like any other program would, prints one line per address when clients may connect,
 * and then only waits. SIGINT or SIGTERM drains, commits and closes (exit code 0), also when it comes during the start; what happens
 * to further ones is `interrupt.ts`. Nothing that it prints can stop it: `terminal.live()`.
 */
import { openUntil } from "../opening.ts";
import { loadLibrary } from "../library.ts";
import { Command, Option } from "commander";
import { BUSY_POLL_US_MAX, MAX_EXPORT_WORKERS } from "../../base/constants.ts";
import { printableLine } from "../../base/printable.ts";
import type { SnapshotOptions, Volume, VolumeOptions } from "../../engine/volume.ts";
import { exportsJson } from "../exports-json.ts";
import { type PlacedFile, placedFile } from "../../device/placed-file.ts";
import { type Interrupt, onInterrupt } from "../interrupt.ts";
import {
  type AccessOptions,
  accessOf,
  DEFAULT_LISTEN,
  exposedWords,
  parseListenOption,
  unixPathOf,
  withAccess,
} from "../listen-option.ts";
import { collect, notEmpty, optionValue, wholeNumber } from "../option-value.ts";
import { UNLOCKED_HELP } from "../unlocked-option.ts";
import { formatSize } from "../../base/size-text.ts";
import { answerGrowth, answerStatistics } from "../serve-signals.ts";
import { parseSnapshotOptions } from "../snapshot-option.ts";
import type { Terminal } from "../terminal.ts";
import { type WordOptions, withWords, wordsOf } from "../word-options.ts";
import { closeVolume, endOf } from "../volume-end.ts";

interface ServeOptions extends WordOptions, AccessOptions {
  readonly snapshot?: readonly string[];
  readonly listen?: readonly string[];
  readonly direct?: boolean;
  readonly buffered?: boolean;
  readonly io: "auto" | "uring" | "sync";
  readonly readOnly?: boolean;
  readonly originReadOnly?: boolean;
  readonly trim: "keep" | "preserve";
  readonly workers?: number;
  readonly busyPoll?: number;
  readonly abandon?: readonly string[];
  /** False: --no-merge. */
  readonly merge?: boolean;
  readonly unlocked?: boolean;
  readonly json?: boolean;
}

const HELP = `
NBD exports: the empty name and 'origin' are the live volume, NAME is a snapshot. A volume remembers its snapshots (ORIGIN.snapshots) and does not open without them, for they would
miss what is written meanwhile. SIGINT or SIGTERM stops it in good order. SIGUSR1 prints statistics as JSON, SIGHUP takes over the new size of COW devices that have grown.

Settings of a snapshot, behind its COW file:
  chunk=SIZE               unit of copy-on-write of a new store, a power of two (default: 16K); a store that exists keeps its own
  size=SIZE                make the COW file where it does not exist, with all of its space reserved
  sparse                   … with no space reserved: slower, and the snapshot is lost when the file system runs full
  written                  … with every block written, which takes a while: first writes are fastest
  read_only                clients may not write the snapshot
  grow=SIZE                the COW file grows by itself by so much when grow_at=PERCENT of it are used (default: 80), up to grow_max=SIZE
  when_full=invalidate     when it is full the snapshot becomes invalid (the default of store=P)
  when_full=overflow       … its own writes fail until it has grown, as with store=PO
  when_full=stall          … requests that need room wait until there is some, for stall=SECONDS at most (default: without end)
  store=P                  persistent (default): it is there again at the next start; when it is full the snapshot becomes invalid
  store=PO                 persistent, with overflow: when it is full, writes to the snapshot fail until it has grown; reads go on
  store=N                  not persistent: kept in memory, gone when the server ends; needs chunk=
  discard_zeroes_cow       a discard (trim) of the snapshot zeroes what its store holds of the range; without it, it leaves the data as it is
  discard_passdown_origin  … and discards it on the origin, too, where nobody keeps it: it may be gone from every snapshot
A backslash before '=' or ',' makes it a part of NAME or COW. The live volume never suffers for a snapshot, whatever the store.

Examples:
  snapring serve disk.img --listen unix:/run/snapring.sock
  snapring serve disk.img --snapshot monday=mon.cow,size=10G,chunk=16K --snapshot tuesday=tue.cow
  snapring serve /dev/vg/data --snapshot before=/dev/vg/before --direct --listen tcp:127.0.0.1:10809`;

export function serveCommand(terminal: Terminal): Command {
  const command = new Command("serve")
    .description("serve a live volume and its snapshots over NBD")
    .argument("<ORIGIN>", "file or block device that holds the live volume", notEmpty)
    .option(
      "--snapshot <NAME=COW[,…]>",
      "a snapshot, and settings: chunk=SIZE, store=P|PO|N, size=SIZE, sparse, grow=SIZE, when_full=stall …",
      collect(String),
    )
    .option(
      "--listen <ADDRESS>",
      `unix:PATH, tcp:HOST:PORT or fd:N, an inherited socket (default: ${DEFAULT_LISTEN})`,
      collect(parseListenOption),
    )
    .addOption(new Option("--direct", "open the devices with O_DIRECT").conflicts("buffered"))
    .option("--buffered", "use the page cache")
    .addOption(new Option("--io <KIND>", "how to do I/O").choices(["auto", "uring", "sync"]).default("auto"))
    .option("--read-only", "clients may not write to the live volume or a snapshot")
    .option("--origin-read-only", "the origin is only read, and its snapshots can be written (evidence, live systems)")
    .addOption(
      new Option(
        "--trim <HOW>",
        "a discard (trim) of the live volume: keep leaves what a snapshot needs as it is and costs nothing, preserve copies it first",
      )
        .choices(["keep", "preserve"])
        .default("keep"),
    )
    .option("--workers <N>", "threads that serve clients", optionValue(wholeNumber(1, MAX_EXPORT_WORKERS)))
    .option(
      "--busy-poll <MICROSECONDS>",
      "an idle thread polls for so long before it sleeps: steadier with few requests in flight, for up to a processor each (default: 0)",
      optionValue(wholeNumber(0, BUSY_POLL_US_MAX)),
    )
    .option(
      "--abandon <NAME>",
      "give a registered snapshot up: it becomes invalid, the volume opens without it",
      collect(String),
    )
    .option("--no-merge", "do not go on with a merge that was under way: the origin stays half merged")
    .option("--unlocked", UNLOCKED_HELP)
    .option("--json", "print the exports as one line of JSON, errors as JSON");
  return withWords(withAccess(command), "the origin has no snapshots, whatever its mark says of a register elsewhere")
    .addHelpText("after", HELP)
    .action((origin: string, options: ServeOptions) => serve(terminal, origin, options));
}

async function serve(terminal: Terminal, origin: string, options: ServeOptions): Promise<void> {
  const snapshots = parseSnapshotOptions(options.snapshot ?? []);
  const leftovers: PlacedFile[] = [];
  terminal.live();
  const say = (line: string): void => terminal.err(`snapring serve: ${line}\n`);
  using interrupt = onInterrupt({ say, leftovers });
  const { openVolume } = await loadLibrary();
  // Nothing has been opened or made yet.
  if (interrupt.requested) return;
  const volume = await openUntil(interrupt, (how) =>
    openVolume({ ...volumeOptions(origin, options, snapshots), log: say }, how),
  );
  if (volume === undefined) return;
  leftovers.push(...socketFiles(options));
  try {
    for (const line of exposedWords(options.listen ?? [])) say(line);
    if (!interrupt.requested) await answerUntilEnd(terminal, volume, interrupt, options.json === true);
  } finally {
    await closeVolume(volume);
  }
}

async function answerUntilEnd(terminal: Terminal, volume: Volume, interrupt: Interrupt, json: boolean): Promise<void> {
  announce(terminal, volume, json);
  using _statistics = answerStatistics(terminal, volume);
  using _growth = answerGrowth(terminal, volume);
  await endOf(volume, interrupt);
}

function volumeOptions(origin: string, options: ServeOptions, snapshots: SnapshotOptions[]): VolumeOptions {
  return {
    origin,
    snapshots,
    listen: [...(options.listen ?? [DEFAULT_LISTEN])],
    direct: options.direct === true ? true : options.buffered === true ? false : "auto",
    io: options.io,
    readOnly: options.readOnly === true,
    originReadOnly: options.originReadOnly === true,
    trim: options.trim,
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.busyPoll === undefined ? {} : { busyPoll: options.busyPoll }),
    ...(options.abandon === undefined ? {} : { abandon: options.abandon }),
    noMerge: options.merge === false,
    ...accessOf(options),
    ...wordsOf(options),
    unlocked: options.unlocked === true,
  };
}

function socketFiles(options: ServeOptions): PlacedFile[] {
  const paths = (options.listen ?? []).map(unixPathOf).filter((path) => path !== undefined);
  return paths.map(placedFile).filter((file) => file !== undefined);
}

function announce(terminal: Terminal, volume: Volume, json: boolean): void {
  if (json) {
    terminal.out(exportsJson(volume.exports));
    return;
  }
  for (const { name, sizeBytes, readOnly, state, uris } of volume.exports) {
    const access = state === "invalid" ? "Invalid: every request fails" : readOnly ? "read-only" : "read-write";
    const what = `${name}, ${formatSize(sizeBytes)}, ${access}${state === "merging" ? ", merging" : ""}`;
    for (const uri of uris) terminal.out(`${uri}  ${printableLine(what)}\n`);
  }
}
