/**
 * `snapring demo` (what `npm start` runs): a daemon with one volume that is made on the spot, and what to type to take a snapshot of it, write, look, and roll back.
 *
 *   folder, origin ─▶ daemon ─▶ its control socket ─▶ volume "demo", a pool for COW files ─▶ what to try ─▶ … a signal ─▶ closed
 *
 * Everything stays: a second start goes on where the first one ended, with its snapshots. On a terminal the status line lives in
 * place; elsewhere it is printed now and then, and only when something has changed.
 */
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { ORIGIN_EXPORT } from "../../base/constants.ts";
import { SnapringError } from "../../base/errno.ts";
import { formatSize } from "../../base/size-text.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import type { ControlServer } from "../../control/control-server.ts";
import type { Daemon } from "../../daemon/daemon.ts";
import { type PlacedFile, placedFile } from "../../device/placed-file.ts";
import { endOfDaemon } from "../daemon-end.ts";
import { type DemoPlace, makeDemoPlace } from "../demo-place.ts";
import { demoText, type Shown } from "../demo-text.ts";
import { exportsJson } from "../exports-json.ts";
import { type Interrupt, onInterrupt } from "../interrupt.ts";
import { loadControl, loadDaemon } from "../library.ts";
import { parseListenOption } from "../listen-option.ts";
import { optionValue } from "../option-value.ts";
import { packageVersion } from "../package-version.ts";
import { answerStatistics } from "../serve-signals.ts";
import { parseSectors } from "../size.ts";
import { StatusLine } from "../status-line.ts";
import { REDRAW, type Terminal } from "../terminal.ts";

const VOLUME = "demo";
const POOL = "default";
const TERMINAL_INTERVAL_MS = 500;
const PLAIN_INTERVAL_MS = 5000;

const DEFAULT_BYTES: number = 256 * 2 ** 20;
const BYTES_MIN: number = 2 ** 20;

interface DemoOptions {
  readonly directory: string;
  readonly size?: number;
  readonly json?: boolean;
}

interface Sockets {
  readonly nbd: string;
  readonly control: string;
}

export function demoCommand(terminal: Terminal): Command {
  return new Command("demo")
    .description("run a daemon with a small volume, and show how snapshots of it are taken and rolled back to")
    .option("--directory <DIR>", "where the volume, its snapshots and the sockets live", "var/demo")
    .option("--size <SIZE>", "size of the volume, when it is made (default: 256M)", optionValue(parseDemoSize))
    .option("--json", "print the exports as one line of JSON and nothing else, errors as JSON")
    .addHelpText("after", "\nExamples:\n  snapring demo\n  snapring demo --directory /srv/demo --size 10G")
    .action((options: DemoOptions) => demo(terminal, options));
}

async function demo(terminal: Terminal, options: DemoOptions): Promise<void> {
  terminal.live();
  const say = (line: string): void => terminal.err(`snapring: ${line}\n`);
  const leftovers: PlacedFile[] = [];
  // Its terminal goes (SIGHUP): the demo is for whoever sits there.
  using interrupt = onInterrupt({ say, leftovers, also: ["SIGHUP"] });
  const directory = resolve(options.directory);
  const { openDaemon } = await loadDaemon();
  if (interrupt.requested) return;
  const sockets = { nbd: socketPath(directory, "nbd"), control: socketPath(directory, "control") };
  const place = makeDemoPlace(directory, options.size ?? DEFAULT_BYTES);
  if (options.size !== undefined && options.size !== place.sizeBytes)
    say(`${place.origin} is there and keeps its ${formatSize(place.sizeBytes)}: --size is for one that is made`);
  let isShown = false;
  try {
    const daemon = await openDaemon(
      { state: place.state, listen: [`unix:${sockets.nbd}`], log: say },
      packageVersion(),
    );
    await serving(daemon, { terminal, sockets, leftovers, say }, () =>
      endOfDaemon(daemon, interrupt, async () => {
        await addVolume(daemon, place, directory);
        isShown = true;
        await show(terminal, daemon, { directory, place, sockets, json: options.json === true, interrupt });
      }),
    );
  } catch (error) {
    if (!isShown) place.takeBack();
    throw error;
  }
  if (options.json === true) return;
  terminal.out(`closed; everything stays in ${directory}, the next start continues with it\n`);
}

interface Surroundings {
  readonly terminal: Terminal;
  readonly sockets: Sockets;
  readonly leftovers: PlacedFile[];
  readonly say: (line: string) => void;
}

/** With its control socket while `body` runs; closed afterwards. */
async function serving(
  daemon: Daemon,
  { terminal, sockets, leftovers, say }: Surroundings,
  body: () => Promise<void>,
): Promise<void> {
  let server: ControlServer | undefined;
  try {
    const { ControlServer } = await loadControl();
    const droppedLogLines = (): number => terminal.dropped;
    server = await ControlServer.open(daemon, { address: { unix: sockets.control }, log: say, droppedLogLines });
    for (const path of [sockets.nbd, sockets.control]) {
      const file = placedFile(path);
      if (file !== undefined) leftovers.push(file);
    }
    await body();
  } finally {
    await server?.close();
    await daemon.close();
  }
}

/** The same at every start. Throws a Problem, or a SnapringError (EINVAL): the folder was another one. */
async function addVolume(
  { volumes, pools }: Daemon,
  { origin, pool, state }: DemoPlace,
  directory: string,
): Promise<void> {
  try {
    await pools.create(POOL, { dir: pool, space: "reserved" });
    await volumes.add(VOLUME, { origin });
  } catch (error) {
    if ((error as { code?: unknown }).code !== "differs") throw error;
    throw new SnapringError("EINVAL", `${directory} was made at another place: ${(error as Error).message}`, {
      hint: `remove ${state}, and start again: nothing of the data, or of its snapshots, is in there`,
      cause: error,
    });
  }
  const { opened, problem } = volumes.get(VOLUME);
  if (opened === undefined) throw new SnapringError("EIO", problem?.detail ?? "the volume is not open", problem);
}

interface Showing {
  readonly directory: string;
  readonly place: DemoPlace;
  readonly sockets: Sockets;
  readonly json: boolean;
  readonly interrupt: Interrupt;
}

/** Resolves with the signal. */
async function show(terminal: Terminal, daemon: Daemon, showing: Showing): Promise<void> {
  const { directory, place, sockets, json, interrupt } = showing;
  const volume = daemon.volumes.get(VOLUME).volume;
  using _statistics = answerStatistics(terminal, volume);
  const exports = volume.exports.map((one) => {
    const name = one.name === ORIGIN_EXPORT ? VOLUME : `${VOLUME}@${one.name}`;
    return { ...one, name, uris: daemon.engine.uris(name) };
  });
  if (json) {
    terminal.out(exportsJson(exports, { control: `unix:${sockets.control}` }));
    await interrupt.signal;
    return;
  }
  const shown: Shown = {
    ...{ directory, exports, kind: place.kind, isNew: place.isNew, control: sockets.control },
    snapshotUri: daemon.engine.uris(`${VOLUME}@before`)[0] ?? "",
  };
  terminal.out(demoText(shown));
  await showStatus(terminal, daemon, interrupt.signal);
  terminal.out("\ndraining, committing …\n");
}

/** A chunk more or less does not matter, but a volume that shows nothing does. */
function parseDemoSize(text: string): number {
  const bytes = parseSectors(text) * SECTOR_BYTES;
  if (bytes >= BYTES_MIN) return bytes;
  throw new SnapringError("EUSAGE", `'${text}' is too small for a demo`, { hint: `at least ${formatSize(BYTES_MIN)}` });
}

/** In the directory, or, where its path is too long for a socket, in the folder for temporary files. */
function socketPath(directory: string, name: string): string {
  const path = join(directory, `${name}.sock`);
  try {
    parseListenOption(`unix:${path}`);
    return path;
  } catch {
    return join(tmpdir(), `snapring-demo-${process.getuid?.() ?? 0}-${name}.sock`);
  }
}

async function showStatus(terminal: Terminal, { volumes }: Daemon, end: Promise<unknown>): Promise<void> {
  const line = new StatusLine();
  let shown = "";
  const showNow = (): void => {
    const { opened, state, problem } = volumes.get(VOLUME);
    const text =
      opened === undefined
        ? `${VOLUME} is ${state}${problem === undefined ? "" : `: ${problem.detail}`}`
        : line.next(opened.stats(), performance.now() / 1000);
    if (terminal.outIsTerminal) terminal.out(`${REDRAW}${text.slice(0, terminal.columns() - 1)}`);
    else if (text !== shown) terminal.out(`${text}\n`);
    shown = text;
  };
  showNow();
  const timer = setInterval(showNow, terminal.outIsTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS);
  try {
    await end;
  } finally {
    clearInterval(timer);
  }
}
