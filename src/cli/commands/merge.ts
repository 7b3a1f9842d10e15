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
import { onInterrupt } from "../interrupt.ts";
import { optionValue } from "../option-value.ts";
import { progressBar } from "../progress-bar.ts";
import { refuseOtherSnapshots } from "../registered.ts";
import { formatSize, parseSectors } from "../size.ts";
import type { Terminal } from "../terminal.ts";
import { printWarnings } from "../warnings.ts";

interface MergeOptions {
  readonly chunkSize?: number;
  readonly json?: boolean;
}

const HELP = `
What was written to the origin after the snapshot was made is lost; what was written to the snapshot is kept. The store is
empty afterwards. A merge that was interrupted goes on when the same command is run again.

Examples:
  snapring merge disk.img snap.cow`;

export function mergeCommand(terminal: Terminal): Command {
  return new Command("merge")
    .description("roll the origin back to the snapshot")
    .argument("<ORIGIN>", "file or block device that holds the live volume")
    .argument("<COW>", "file or block device with the store")
    .option("--chunk-size <SIZE>", "for a COW file smaller than 16K: its chunk size", optionValue(parseSectors))
    .option("--json", "print the result, and errors, as JSON")
    .addHelpText("after", HELP)
    .action((origin: string, cow: string, options: MergeOptions) => merge(terminal, origin, cow, options));
}

async function merge(terminal: Terminal, origin: string, cow: string, options: MergeOptions): Promise<void> {
  await refuseOtherSnapshots(origin, cow);
  using interrupt = onInterrupt({ say: (line) => terminal.err(`snapring merge: ${line}\n`) });
  using work = new OfflineMerge({ origin, cow, chunkSectors: options.chunkSize });
  printWarnings(terminal, "snapring merge", work.warnings);
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
  if (options.json === true) {
    terminal.out(`${JSON.stringify({ merged: work.totalChunks, status: work.status })}\n`);
    return;
  }
  const bytes = formatSize(work.totalChunks * work.chunkBytes);
  terminal.out(`${origin} is as ${cow} kept it: ${work.totalChunks} chunks (${bytes}) merged, status ${work.status}\n`);
}
