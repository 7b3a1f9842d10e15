/**
 * `snapring read`: a snapshot's whole view as an image, without a server: into a file with holes, or down a pipe. Nobody may
 * write to the two devices meanwhile, and the output is never one of them.
 */
import { Command } from "commander";
import { SnapringError } from "../../base/errno.ts";
import { fileWriter, type ImageWriter, streamWriter } from "../../offline/image-writer.ts";
import { OfflineTies } from "../../offline/offline-ties.ts";
import { SnapshotView } from "../../offline/snapshot-view.ts";
import { optionValue } from "../option-value.ts";
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
An output file is emptied first and has holes where the view is zero.

Examples:
  snapring read disk.img snap.cow --output before.img
  snapring read disk.img snap.cow | sha256sum`;

export function readCommand(terminal: Terminal): Command {
  const command = new Command("read")
    .description("write a snapshot's whole view to a file or to standard output")
    .argument("<ORIGIN>", "file or block device that holds the live volume")
    .argument("<COW>", "file or block device with the store")
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
    const writer = toStdout ? streamWriter(STDOUT_FD) : writerBeside(view, options.output);
    printWarnings(terminal, "snapring read", [...view.warnings, ...(warning === undefined ? [] : [warning])]);
    copy(terminal, view, writer);
    if (options.json === true && !toStdout) {
      terminal.out(`${JSON.stringify({ output: options.output, size: view.sizeBytes })}\n`);
    }
  } finally {
    view[Symbol.dispose]();
  }
}

function writerBeside(view: SnapshotView, output: string): ImageWriter {
  return fileWriter(output, view.sizeBytes, (identity) => {
    if (!view.identities.includes(identity)) return;
    throw new SnapringError("EINVAL", `output ${output} is the origin or the COW file itself`, {
      hint: "name another file",
    });
  });
}

function copy(terminal: Terminal, view: SnapshotView, writer: ImageWriter): void {
  const bar = progressBar(terminal, "read", view.sizeBytes);
  try {
    for (const { position, bytes } of view.pieces()) {
      writer.write(position, bytes);
      bar.update(position + bytes.length);
    }
    writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  } finally {
    bar.end();
  }
}
