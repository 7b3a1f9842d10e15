/**
 * `snapring daemon`: owns volumes for years, and is spoken to through its control socket.
 *
 *   state, engine, control socket ─▶ every volume is opened ─▶ ready: clients are served ─▶ … a signal ─▶ drained, flushed, closed
 *
 * What it needs beside the engine (the HTTP server and its like) is loaded when the command runs: who embeds the engine, or serves one volume, never loads it.
 */
import { Command, Option } from "commander";
import { BUSY_POLL_US_MAX, MAX_EXPORT_WORKERS } from "../../base/constants.ts";
import { SnapringError } from "../../base/errno.ts";
import type { ControlServer } from "../../control/control-server.ts";
import type { Daemon } from "../../daemon/daemon.ts";
import type { LogFormat, LogLevel } from "../../daemon/log.ts";
import { type PlacedFile, placedFile } from "../../device/placed-file.ts";
import { type ListenAddress, readAddress } from "../../engine/listen-address.ts";
import { controlPath, DEFAULT_CONTROL } from "../control-option.ts";
import { endOfDaemon } from "../daemon-end.ts";
import type { DaemonSurroundings } from "../daemon-surroundings.ts";
import { onInterrupt } from "../interrupt.ts";
import { loadControl, loadDaemon, loadSurroundings } from "../library.ts";
import {
  type AccessOptions,
  accessOf,
  exposedWords,
  isExposed,
  parseListenOption,
  unixPathOf,
  withAccess,
} from "../listen-option.ts";
import { collect, notEmpty, optionValue, wholeNumber } from "../option-value.ts";
import { packageVersion } from "../package-version.ts";
import type { Terminal } from "../terminal.ts";

interface DaemonCommandOptions extends AccessOptions {
  readonly state: string;
  readonly control?: string;
  readonly listen?: readonly string[];
  readonly metrics?: ListenAddress;
  readonly io: "auto" | "uring" | "sync";
  readonly workers?: number;
  readonly busyPoll?: number;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
  readonly pidFile?: string;
}

const HELP = `
It remembers its volumes in DIR and opens them at its start, each with the snapshots that are registered beside its origin. Clients that come meanwhile wait. NBD exports are
VOLUME and VOLUME@SNAPSHOT. SIGINT or SIGTERM stops it in good order, SIGHUP takes over the new size of COW devices that have grown. An upgrade is a stop and a start: clients that connect
again go on. Sockets that systemd has bound are used by their names, control and nbd.

Examples:
  snapring daemon --state /var/lib/snapring --listen unix:/run/snapring/nbd.sock
  snapring volume add data /dev/vg/data
  snapring pool create default /var/lib/snapring/cow
  snapring snapshot create data@monday --size 10G`;

export function daemonCommand(terminal: Terminal): Command {
  const command = new Command("daemon")
    .description("own volumes for years: serve them, and be told what to do through a control socket")
    .requiredOption("--state <DIR>", "folder of its state; made where it is not there", notEmpty)
    .option("--control <ADDRESS>", `unix:PATH of its control socket (default: SNAPRING_CONTROL, or ${DEFAULT_CONTROL})`)
    .option("--listen <ADDRESS>", "unix:PATH, tcp:HOST:PORT or fd:N for NBD clients", collect(parseListenOption))
    .option("--metrics <ADDRESS>", "tcp:HOST:PORT for Prometheus", optionValue(parseMetrics))
    .addOption(new Option("--io <KIND>", "how to do I/O").choices(["auto", "uring", "sync"]).default("auto"))
    .option("--workers <N>", "threads that serve clients", optionValue(wholeNumber(1, MAX_EXPORT_WORKERS)))
    .option(
      "--busy-poll <MICROSECONDS>",
      "an idle thread polls for so long before it sleeps",
      optionValue(wholeNumber(0, BUSY_POLL_US_MAX)),
    )
    .addOption(
      new Option("--log-format <FORMAT>", "of its log, on standard error").choices(["text", "json"]).default("text"),
    )
    .addOption(
      new Option("--log-level <LEVEL>", "lower ones are left out")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .option("--pid-file <PATH>", "holds its process number while it runs", notEmpty);
  return withAccess(command)
    .addHelpText("after", HELP)
    .action((options: DaemonCommandOptions) => runDaemon(terminal, options));
}

async function runDaemon(terminal: Terminal, options: DaemonCommandOptions): Promise<void> {
  const leftovers: PlacedFile[] = [];
  terminal.live();
  using interrupt = onInterrupt({ say: (line) => terminal.err(`snapring daemon: ${line}\n`), leftovers });
  const { DaemonSurroundings } = await loadSurroundings();
  const around = new DaemonSurroundings(terminal, options);
  try {
    const listen = [...(options.listen ?? []), ...around.sockets.nbd.map((fd) => `fd:${fd}`)];
    const daemon = await openWith(around, { ...options, listen });
    // Who is refused, for another daemon has the state, has not written over that one's.
    around.writePid();
    for (const line of exposedWords(listen)) around.log.warn(line);
    const { metrics } = options;
    if (metrics?.host !== undefined && isExposed(metrics.host))
      around.log.warn(`the metrics at ${metrics.host} may be read from other machines, without a password`);
    const servers: ControlServer[] = [];
    try {
      await openServers(daemon, around, { terminal, options, servers });
      leftovers.push(...placedAt([controlOf(options, around).unix, ...listen.map(unixPathOf)]));
      if (!interrupt.requested) await endOfDaemon(daemon, interrupt, () => around.ready(daemon));
    } finally {
      around.stopping();
      await Promise.all(servers.map((server) => server.close()));
      await daemon.close();
    }
  } finally {
    around.close();
  }
}

async function openWith(around: DaemonSurroundings, options: DaemonCommandOptions): Promise<Daemon> {
  const { openDaemon } = await loadDaemon();
  const { state, listen, io, workers, busyPoll } = options;
  const threads = { ...(workers === undefined ? {} : { workers }), ...(busyPoll === undefined ? {} : { busyPoll }) };
  const log = (line: string, volume?: string): void => around.log.info(line, { volume });
  const daemon = await openDaemon(
    { state, listen: listen ?? [], io, ...threads, ...accessOf(options), log },
    packageVersion(),
  );
  around.watch(daemon);
  return daemon;
}

interface Opening {
  readonly terminal: Terminal;
  readonly options: DaemonCommandOptions;
  /** Those that are open. */
  readonly servers: ControlServer[];
}

async function openServers(
  daemon: Daemon,
  around: DaemonSurroundings,
  { terminal, options, servers }: Opening,
): Promise<void> {
  const { ControlServer } = await loadControl();
  const common = {
    ...accessOf(options),
    log: (line: string): void => around.log.error(line),
    droppedLogLines: (): number => around.log.dropped + terminal.dropped,
  };
  servers.push(await ControlServer.open(daemon, { ...common, address: controlOf(options, around) }));
  const { metrics } = options;
  if (metrics === undefined) return;
  const server = await ControlServer.openMetrics(daemon, { ...common, address: metrics });
  servers.push(server);
  around.log.info(`metrics: http://${metrics.host}:${server.port}/metrics`);
}

function controlOf({ control }: DaemonCommandOptions, { sockets }: DaemonSurroundings): ListenAddress {
  if (control === undefined && sockets.control !== undefined) return { fd: sockets.control };
  return { unix: controlPath(control) };
}

/** Throws a SnapringError (EUSAGE). */
function parseMetrics(text: string): ListenAddress {
  const address = readAddress(text);
  if (typeof address !== "string" && address.host !== undefined) return address;
  throw new SnapringError("EUSAGE", `--metrics '${text}' is no address`, {
    hint: "write tcp:HOST:PORT, tcp:127.0.0.1:9464",
  });
}

function placedAt(paths: readonly (string | undefined)[]): PlacedFile[] {
  return paths
    .filter((path) => path !== undefined)
    .map(placedFile)
    .filter((file) => file !== undefined);
}
