/**
 * `snapring pool`: folders in which the daemon makes COW files.
 */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { formatSize } from "../../base/size-text.ts";
import { listCommand, removeCommand } from "../collection-commands.ts";
import { pathOf } from "../control-client.ts";
import { clientOf, controlCommand, type ControlOptions, show } from "../control-option.ts";
import { notEmpty, optionValue } from "../option-value.ts";
import { parseBytes } from "../policy-option.ts";
import { type Column, tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface Pool {
  readonly name: string;
  readonly dir: string;
  readonly limit?: number;
  readonly space: string;
  readonly usedBytes: number;
  readonly freeBytes: number;
}

interface PoolOptions extends ControlOptions {
  readonly limit?: number;
  readonly sparse?: boolean;
  readonly written?: boolean;
}

const COLUMNS: readonly Column<Pool>[] = [
  { title: "POOL", value: ({ name }) => name },
  { title: "USED", value: ({ usedBytes }) => formatSize(usedBytes), right: true },
  { title: "FREE", value: ({ freeBytes }) => formatSize(freeBytes), right: true },
  { title: "LIMIT", value: ({ limit }) => (limit === undefined ? undefined : formatSize(limit)), right: true },
  { title: "SPACE", value: ({ space }) => space },
  { title: "FOLDER", value: ({ dir }) => dir },
];

export function poolCommand(terminal: Terminal): Command {
  return new Command("pool")
    .description("folders for COW files: create, list, remove")
    .addCommand(create(terminal))
    .addCommand(listCommand(terminal, "pools", COLUMNS))
    .addCommand(
      removeCommand(terminal, {
        things: "pools",
        description: "forget a pool that has no snapshots; the folder stays",
        argument: ["<NAME>", "its name"],
      }),
    );
}

function create(terminal: Terminal): Command {
  return controlCommand("create", "name a folder in which COW files of --size are made")
    .argument("<NAME>", "its name; 'default' is taken where none is named", notEmpty)
    .argument("<DIR>", "the folder", notEmpty)
    .option("--limit <SIZE>", "what its files may have together", optionValue(parseBytes))
    .addOption(
      new Option("--reserved", "space is taken when a file is made (default)").conflicts(["sparse", "written"]),
    )
    .addOption(
      new Option(
        "--written",
        "every block is written when a file is made, which takes a while: first writes are fastest",
      ).conflicts("sparse"),
    )
    .option("--sparse", "space is taken when it is needed: snapshots are lost when the file system runs full")
    .action(async (name: string, dir: string, options: PoolOptions) => {
      const { limit, sparse, written } = options;
      const space = sparse === true ? "sparse" : written === true ? "written" : "reserved";
      const spec = { dir: resolve(dir), limit, space };
      const { body } = await clientOf(options).ask("PUT", pathOf("pools", name), spec);
      show(terminal, options, body as Pool, (pool) => tableText(COLUMNS, [pool]));
    });
}
