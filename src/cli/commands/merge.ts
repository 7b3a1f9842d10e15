/**
 * `snapring merge`: rolls the origin back to the snapshot, without a server (S-60…S-69).
 *
 * The work is done in steps; between two of them a signal is heard, and at any moment the store is a valid shorter one. So a
 * merge that was interrupted, killed, or cut by a power failure goes on when the same command is run again.
 */
import { setImmediate } from "node:timers/promises";
import { Command } from "commander";
import { SnapringError } from "../../base/errno.ts";
import { OfflineMerge } from "../../offline/merge-store.ts";
import { OfflineTies } from "../../offline/offline-ties.ts";
import { onInterrupt } from "../interrupt.ts";
import { onlineMergeCommands } from "../online-merge.ts";
import { notEmpty, optionValue } from "../option-value.ts";
import { progressBar } from "../progress-bar.ts";
import { formatSize } from "../../base/size-text.ts";
import { parseChunkSectors } from "../size.ts";
import { UNLOCKED_HELP } from "../unlocked-option.ts";
import type { Terminal } from "../terminal.ts";
import { printWarnings } from "../warnings.ts";
import { type WordOptions, withWords, wordsOf } from "../word-options.ts";

interface MergeOptions extends WordOptions {
  readonly chunkSize?: number;
  readonly unlocked?: boolean;
  readonly json?: boolean;
}

const HELP = `
What was written to the origin after the snapshot was made is lost; what was written to the snapshot is kept. The store is
empty afterwards. A merge that was interrupted goes on when the same command is run again, or when the volume is served.

The commands are for a volume of the daemon's, while clients are connected. A file that is called like one of them is written ./start.

Examples:
  snapring merge disk.img snap.cow
  snapring merge start data@monday --throttle 25`;

export function mergeCommand(terminal: Terminal): Command {
  const command = new Command("merge")
    .description("roll the origin back to the snapshot: two files, or a volume of the daemon's")
    .argument("<ORIGIN>", "file or block device that holds the live volume", notEmpty)
    .argument("<COW>", "file or block device with the store", notEmpty)
    .option("--chunk-size <SIZE>", "for a COW file smaller than 16K: its chunk size", optionValue(parseChunkSectors))
    .option("--unlocked", UNLOCKED_HELP)
    .option("--json", "print the result, and errors, as JSON");
  for (const online of onlineMergeCommands(terminal)) command.addCommand(online);
  return withWords(command, "merge although no register says that the two belong together (a rescue)")
    .addHelpText("after", HELP)
    .action((origin: string, cow: string, options: MergeOptions) => merge(terminal, origin, cow, options));
}

async function merge(terminal: Terminal, origin: string, cow: string, options: MergeOptions): Promise<void> {
  using interrupt = onInterrupt({ say: (line) => terminal.err(`snapring merge: ${line}\n`) });
  using work = new OfflineMerge({ origin, cow, chunkSectors: options.chunkSize, unlocked: options.unlocked });
  const ties = await OfflineTies.forMerge(work.devices, wordsOf(options));
  const warning = await ties.begin();
  printWarnings(terminal, "snapring merge", warning === undefined ? work.warnings : [...work.warnings, warning]);
  const bar = progressBar(terminal, "merge", work.totalChunks * work.chunkBytes);
  try {
    while (!work.isDone && !interrupt.requested) {
      work.step();
      bar.update((work.totalChunks - work.chunksLeft) * work.chunkBytes);
      await setImmediate();
    }
  } finally {
    bar.end();
    // What follows waits for whoever reads it, and a signal must end that.
    interrupt[Symbol.dispose]();
  }
  if (!work.isDone) {
    throw new SnapringError("EINTR", `${cow}: interrupted, ${work.chunksLeft} of ${work.totalChunks} chunks are left`, {
      hint: "run the same command again to go on",
    });
  }
  await ties.end();
  if (options.json === true) {
    terminal.out(`${JSON.stringify({ merged: work.totalChunks, status: work.status })}\n`);
    return;
  }
  const bytes = formatSize(work.totalChunks * work.chunkBytes);
  terminal.out(`${origin} is as ${cow} kept it: ${work.totalChunks} chunks (${bytes}) merged, status ${work.status}\n`);
}
