/**
 * `snapring create`: a new, empty store in a file or on a block device (S-31). What stands in its way, and in which order
 * things are written, is `offline/create-store.ts`; here are only its options and its answer.
 */
import { Command, Option } from "commander";
import { SECTOR_BYTES } from "../../base/units.ts";
import { createStore, refuseRegistered } from "../../offline/create-store.ts";
import { onInterrupt } from "../interrupt.ts";
import { notEmpty, optionValue } from "../option-value.ts";
import { progressBar } from "../progress-bar.ts";
import { formatSize } from "../../base/size-text.ts";
import { parseChunkSectors, parseSectors } from "../size.ts";
import { UNLOCKED_HELP } from "../unlocked-option.ts";
import type { Terminal } from "../terminal.ts";

interface CreateOptions {
  readonly size?: number;
  readonly chunkSize?: number;
  readonly origin?: string;
  readonly force?: boolean;
  readonly sparse?: boolean;
  readonly written?: boolean;
  readonly unlocked?: boolean;
  readonly json?: boolean;
}

const HELP = `
The space of a file is reserved (where the file system cannot, zeroes are written, which takes a while); with --sparse it is taken as
chunks are copied, and may run out then; with --written every block is written now, which makes all first writes faster. It needs
three chunks at least. A snapshot that is to survive
a rewrite of its whole origin needs the origin's size, a chunk more for every 1024 (chunks of 16K; 256 with 4K), and three.

Examples:
  snapring create snap.cow --size 10G
  snapring create snap.cow --size 10G --written
  snapring create snap.cow --size 10G --chunk-size 4K --origin disk.img
  snapring create /dev/vg/snap --force`;

export function createCommand(terminal: Terminal): Command {
  return new Command("create")
    .description("make a new, empty store")
    .argument("<COW>", "file to make, or block device to use", notEmpty)
    .option("--size <SIZE>", "size of the file (a block device has its own)", optionValue(parseSectors))
    .option(
      "--chunk-size <SIZE>",
      "unit of copy-on-write, a power of two (default: 16K)",
      optionValue(parseChunkSectors),
    )
    .option("--origin <ORIGIN>", "the volume to be snapshotted, to check that the two fit together")
    .option("--force", "overwrite a store, or whatever is there")
    .addOption(new Option("--sparse", "reserve no space for the file").conflicts("written"))
    .option("--written", "write every block of the file now")
    .option("--unlocked", UNLOCKED_HELP)
    .option("--json", "print the result, and errors, as JSON")
    .addHelpText("after", HELP)
    .action((cow: string, options: CreateOptions) => create(terminal, cow, options));
}

async function create(terminal: Terminal, cow: string, options: CreateOptions): Promise<void> {
  await refuseRegistered(cow);
  const bar = progressBar(terminal, "create", (options.size ?? 0) * SECTOR_BYTES);
  const stop = new AbortController();
  const leftovers: string[] = [];
  const say = (line: string): void => terminal.err(`snapring create: ${line}\n`);
  using interrupt = onInterrupt({ say, leftovers, also: ["SIGHUP"] });
  void interrupt.signal.then(() => stop.abort());
  const created = await createStore({
    cow,
    sectors: options.size,
    chunkSectors: options.chunkSize,
    origin: options.origin,
    force: options.force,
    unlocked: options.unlocked,
    space: options.sparse === true ? "sparse" : options.written === true ? "written" : "reserved",
    progress: (bytes) => bar.update(bytes),
    stop: stop.signal,
    begun: (path) => leftovers.push(path),
  }).finally(() => {
    bar.end();
    // What follows waits for whoever reads it, and a signal must end that.
    interrupt[Symbol.dispose]();
  });
  const { chunkSectors, totalSectors, status } = created;
  if (options.json === true) {
    const result = { cow, status, chunk_size: chunkSectors, total_sectors: totalSectors };
    terminal.out(`${JSON.stringify(result)}\n`);
    return;
  }
  const size = formatSize(totalSectors * SECTOR_BYTES);
  terminal.out(
    `${cow}: empty store of ${size}, chunks of ${formatSize(chunkSectors * SECTOR_BYTES)}, status ${status}\n`,
  );
}
