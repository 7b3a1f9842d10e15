/**
 * `snapring demo` (what `npm start` runs): an origin and a snapshot made on the spot, served on a Unix socket, with three
 * commands to try and a line that shows what they do.
 *
 * The images stay: a second start finds them and goes on where the first one ended. On a terminal the status line lives in
 * place; elsewhere it is printed now and then, and only when something has changed.
 */
import { loadLibrary } from "../library.ts";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import type { Volume } from "../../engine/volume.ts";
import { SnapringError } from "../../base/errno.ts";
import { alignUp, SECTOR_BYTES } from "../../base/units.ts";
import { type DemoPlace, makeDemoPlace } from "../demo-place.ts";
import { exportsJson } from "../exports-json.ts";
import { type PlacedFile, placedFile } from "../../device/placed-file.ts";
import { onInterrupt } from "../interrupt.ts";
import { parseListenOption } from "../listen-option.ts";
import { optionValue } from "../option-value.ts";
import { formatSize } from "../../base/size-text.ts";
import { parseSectors } from "../size.ts";
import { answerStatistics } from "../serve-signals.ts";
import { StatusLine } from "../status-line.ts";
import { REDRAW, type Terminal } from "../terminal.ts";
import { closeVolume, endOf } from "../volume-end.ts";

const SNAPSHOT = "before";
/** In a check-out there is no `snapring` to type: whoever starts it there says what there is. */
const TYPED = process.env["SNAPRING_TYPED"] ?? "snapring";
const TERMINAL_INTERVAL_MS = 500;
const PLAIN_INTERVAL_MS = 5000;

const DEFAULT_BYTES: number = 256 * 2 ** 20;
const BYTES_MIN: number = 2 ** 20;

interface DemoOptions {
  readonly directory: string;
  readonly size?: number;
  readonly json?: boolean;
}

export function demoCommand(terminal: Terminal): Command {
  return new Command("demo")
    .description("make a small volume with a snapshot, serve both, and show what happens")
    .option("--directory <DIR>", "where the images and the socket live", "var/demo")
    .option("--size <SIZE>", "size of the origin, when it is made (default: 256M)", optionValue(parseDemoSize))
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
  const socket = socketPath(directory);
  const { openVolume } = await loadLibrary();
  if (interrupt.requested) return;
  const place = makeDemoPlace(directory, options.size ?? DEFAULT_BYTES);
  if (options.size !== undefined && options.size !== place.sizeBytes)
    say(`${place.origin} is there and keeps its ${formatSize(place.sizeBytes)}: --size is for one that is made`);
  const volume = await openVolume({
    origin: place.origin,
    // The whole origin may be overwritten once: its chunks, plus one sixteenth for metadata and the demo's second thoughts.
    snapshots: [
      { name: SNAPSHOT, cow: place.cow, ...(place.hasCow ? {} : { size: alignUp((place.sizeBytes * 17) / 16, 4096) }) },
    ],
    listen: [`unix:${socket}`],
    log: say,
  }).catch((error: unknown) => {
    place.takeBack();
    throw error;
  });
  const file = placedFile(socket);
  if (file !== undefined) leftovers.push(file);
  try {
    await answer(terminal, volume, directory, place, endOf(volume, interrupt), options.json === true);
  } finally {
    await closeVolume(volume);
  }
  if (options.json === true) return;
  terminal.out(`closed; the images stay in ${directory}, the next start continues with them\n`);
}

async function answer(
  terminal: Terminal,
  volume: Volume,
  directory: string,
  place: DemoPlace,
  end: Promise<void>,
  json: boolean,
): Promise<void> {
  using _statistics = answerStatistics(terminal, volume);
  if (json) {
    terminal.out(exportsJson(volume));
    await end;
    return;
  }
  introduce(terminal, volume, directory, place);
  await showStatus(terminal, volume, end);
  terminal.out("\ndraining, committing …\n");
}

/** A chunk more or less does not matter, but a volume that shows nothing does. */
function parseDemoSize(text: string): number {
  const bytes = parseSectors(text) * SECTOR_BYTES;
  if (bytes >= BYTES_MIN) return bytes;
  throw new SnapringError("EUSAGE", `'${text}' is too small for a demo`, { hint: `at least ${formatSize(BYTES_MIN)}` });
}

/** In the directory, or, where its path is too long for a socket, in the folder for temporary files. */
function socketPath(directory: string): string {
  const path = join(directory, "snapring.sock");
  try {
    parseListenOption(`unix:${path}`);
    return path;
  } catch {
    return join(tmpdir(), `snapring-demo-${process.getuid?.() ?? 0}.sock`);
  }
}

function introduce(terminal: Terminal, volume: Volume, directory: string, made: DemoPlace): void {
  const content = made.kind === "ext4" ? "an ext4 file system" : "lines of text";
  terminal.out(`snapring serves ${content} from ${directory}${made.isNew ? "" : ", as the last start left it"}\n\n`);
  for (const e of volume.exports) {
    for (const uri of e.uris) terminal.out(`  ${e.name.padEnd(8)} ${formatSize(e.sizeBytes).padEnd(8)} ${uri}\n`);
  }
  const live = uriOf(volume, "origin");
  const snapshot = uriOf(volume, SNAPSHOT);
  const copy = join(directory, "before.copy");
  const check = made.kind === "ext4" ? ` && e2fsck -fn '${copy}'` : "";
  // Half of the volume away from its start, where a small file system has its first files.
  const half = volume.exports[0].sizeBytes / 2;
  const area = `--offset=${half - (half % 4096)} --size=${Math.floor(half / 2)}`;
  terminal.out(`
Try, in another terminal:

  nbdinfo '${live}'
  fio --name=demo --ioengine=nbd --uri='${live}' --rw=randwrite --bs=4k --iodepth=32 ${area} --runtime=10 --time_based
  nbdcopy '${snapshot}' '${copy}'${check}
  ${TYPED} status '${join(directory, `${SNAPSHOT}.cow`)}'

The snapshot stays what the origin was, whatever is written. Ctrl-C ends.
Every other command likewise: ${TYPED} help

`);
}

function uriOf(volume: Volume, name: string): string {
  return volume.exports.find((e) => e.name === name)?.uris[0] ?? "";
}

async function showStatus(terminal: Terminal, volume: Volume, end: Promise<unknown>): Promise<void> {
  const line = new StatusLine();
  let shown = "";
  const show = (): void => {
    const text = line.next(volume.stats(), performance.now() / 1000);
    if (terminal.outIsTerminal) terminal.out(`${REDRAW}${text.slice(0, terminal.columns() - 1)}`);
    else if (text !== shown) terminal.out(`${text}\n`);
    shown = text;
  };
  show();
  const timer = setInterval(show, terminal.outIsTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS);
  try {
    await end;
  } finally {
    clearInterval(timer);
  }
}
