/**
 * `snapring dump`: the exceptions of a store in the order of its list, runs folded.
 */
import { Command } from "commander";
import type { LoadedStore } from "../../core/loaded-store.ts";
import { dumpStore } from "../../offline/dump-store.ts";
import type { ExceptionRun } from "../../offline/exception-runs.ts";
import { notEmpty, optionValue } from "../option-value.ts";
import { parseChunkSectors } from "../size.ts";
import type { Terminal } from "../terminal.ts";
import { printWarnings } from "../warnings.ts";

interface DumpOptions {
  readonly chunkSize?: number;
  readonly json?: boolean;
}

const HELP = `
A line is OLD NEW COUNT, in chunks: COUNT chunks of the origin from OLD on were copied to the COW file from NEW on. A line that
begins with # is a remark.

Examples:
  snapring dump snap.cow
  snapring dump snap.cow --json`;

/** Runs are printed in portions: one call per line would be slow for millions, one string for all too large. */
const PORTION_LETTERS = 64 * 1024;

export function dumpCommand(terminal: Terminal): Command {
  return new Command("dump")
    .description("list the exceptions of a store")
    .argument("<COW>", "file or block device with the store", notEmpty)
    .option("--chunk-size <SIZE>", "for a COW file smaller than 16K: its chunk size", optionValue(parseChunkSectors))
    .option("--json", "print the result, and errors, as JSON")
    .addHelpText("after", HELP)
    .action((cow: string, options: DumpOptions) => {
      const printer = options.json === true ? jsonPrinter() : textPrinter();
      let text = "";
      const begin = (loaded: LoadedStore): void => {
        printWarnings(terminal, "snapring dump", loaded.warnings);
        text += printer.begin(loaded);
      };
      dumpStore({ cow, chunkSectors: options.chunkSize }, begin, (run) => {
        text += printer.run(run);
        if (text.length < PORTION_LETTERS) return;
        terminal.out(text);
        text = "";
      });
      terminal.out(text + printer.end());
    });
}

interface Printer {
  begin(loaded: LoadedStore): string;
  run(run: ExceptionRun): string;
  end(): string;
}

function textPrinter(): Printer {
  return {
    begin: (loaded) =>
      loaded.state === "invalid"
        ? "# the snapshot is Invalid: its exceptions mean nothing\n"
        : `# ${loaded.exceptions} exceptions, chunks of ${loaded.chunkSectors} sectors: old new count\n`,
    run: ({ oldChunk, newChunk, count }) => `${oldChunk} ${newChunk} ${count}\n`,
    end: () => "",
  };
}

function jsonPrinter(): Printer {
  let separator = "";
  return {
    begin: (loaded) => {
      const { state, chunkSectors, exceptions } = loaded;
      const head = JSON.stringify({ state, chunk_size: chunkSectors, exceptions });
      return `${head.slice(0, -1)},"runs":[`;
    },
    run: ({ oldChunk, newChunk, count }) => {
      const text = `${separator}${JSON.stringify({ old: oldChunk, new: newChunk, count })}`;
      separator = ",";
      return text;
    },
    end: () => "]}\n",
  };
}
