/**
 * `snapring read`: a snapshot's whole view as an image, without a server: into a file with holes, or down a pipe. Nobody may
 * write to the two devices meanwhile, and the output is never one of them.
 */
import { setImmediate } from "node:timers/promises";
import { Command } from "commander";
import { SnapringError } from "../../base/errno.ts";
import { fileWriter, type ImageWriter, streamWriter } from "../../offline/image-writer.ts";
import { OfflineTies } from "../../offline/offline-ties.ts";
import { SnapshotView } from "../../offline/snapshot-view.ts";
import { onInterrupt } from "../interrupt.ts";
import { notEmpty, optionValue } from "../option-value.ts";
import { progressBar } from "../progress-bar.ts";
import { parseChunkSectors } from "../size.ts";
import type { Terminal } from "../terminal.ts";
import { printWarnings } from "../warnings.ts";
import { type WordOptions, withWords, wordsOf } from "../word-options.ts";

interface ReadOptions extends WordOptions {
  readonly output: string;
  readonly chunkSize?: number;
  readonly json?: boolean;
}

const STDOUT_FD = 1;

const HELP = `
An output file has holes where the view is zero. It has another name until it is whole, then takes the place of a file that is there;
a signal leaves nothing of it. Block devices and pipes are written as they stand.

Examples:
  snapring read disk.img snap.cow --output before.img
  snapring read disk.img snap.cow | sha256sum`;

export function readCommand(terminal: Terminal): Command {
  const command = new Command("read")
    .description("write a snapshot's whole view to a file or to standard output")
    .argument("<ORIGIN>", "file or block device that holds the live volume", notEmpty)
    .argument("<COW>", "file or block device with the store", notEmpty)
    .option("--output <FILE>", "where to write, - is standard output", "-")
    .option("--chunk-size <SIZE>", "for a COW file smaller than 16K: its chunk size", optionValue(parseChunkSectors))
    .option("--json", "print the result, and errors, as JSON; needs --output FILE");
  return withWords(command, "read although the origin has other snapshots, or the store another origin")
    .addHelpText("after", HELP)
    .action((origin: string, cow: string, options: ReadOptions) => read(terminal, origin, cow, options));
}

async function read(terminal: Terminal, origin: string, cow: string, options: ReadOptions): Promise<void> {
  const toStdout = options.output === "-";
  if (toStdout && terminal.outIsTerminal) {
    throw new SnapringError("EUSAGE", "the image would go to the terminal", { hint: "use --output FILE or a pipe" });
  }
  if (toStdout && options.json === true) {
    throw new SnapringError("EUSAGE", "--json would mix with the image on standard output", {
      hint: "use --output FILE",
    });
  }
  const view = new SnapshotView({ origin, cow, chunkSectors: options.chunkSize });
  try {
    const warning = await OfflineTies.forRead(view.devices, wordsOf(options));
    const warnings = warning === undefined ? view.warnings : [...view.warnings, warning];
    const begin = (): void => printWarnings(terminal, "snapring read", warnings);
    if (toStdout) {
      begin();
      await copy(terminal, view, streamWriter(STDOUT_FD));
    } else await copyToFile(terminal, view, options.output, begin);
    if (options.json === true && !toStdout) {
      terminal.out(`${JSON.stringify({ output: options.output, size: view.sizeBytes })}\n`);
    }
  } finally {
    view[Symbol.dispose]();
  }
}

function writerBeside(view: SnapshotView, output: string): Promise<ImageWriter> {
  const refuse = (identity: string): void => {
    if (!view.identities.includes(identity)) return;
    throw new SnapringError("EINVAL", `output ${output} is the origin or the COW file itself`, {
      hint: "name another file",
    });
  };
  return fileWriter(output, { sizeBytes: view.sizeBytes, rights: view.rights, refuse });
}

/** `begin`: called once nothing is refused any more. */
async function copyToFile(terminal: Terminal, view: SnapshotView, output: string, begin: () => void): Promise<void> {
  const say = (line: string): void => terminal.err(`snapring read: ${line}\n`);
  const leftovers: string[] = [];
  using interrupt = onInterrupt({ say, leftovers, also: ["SIGHUP"] });
  const writer = await writerBeside(view, output);
  if (writer.unfinished !== undefined) leftovers.push(writer.unfinished);
  // Nothing is to be taken away: a signal ends the process, also amid a write that waits for its reader.
  else interrupt[Symbol.dispose]();
  begin();
  await copy(terminal, view, writer, () => {
    if (interrupt.requested) throw new SnapringError("EINTR", `output ${output}: interrupted, none was made`);
  });
}

/** `look`: called between two pieces. */
async function copy(terminal: Terminal, view: SnapshotView, writer: ImageWriter, look?: () => void): Promise<void> {
  const bar = progressBar(terminal, "read", view.sizeBytes);
  try {
    for (const { position, bytes } of view.pieces()) {
      writer.write(position, bytes);
      bar.update(position + bytes.length);
      await setImmediate();
      look?.();
    }
  } catch (error) {
    await writer.abandon();
    throw error;
  } finally {
    bar.end();
  }
  await writer.finish();
}
