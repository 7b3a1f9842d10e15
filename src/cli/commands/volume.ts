/**
 * `snapring volume`: the volumes that the daemon owns, added and removed, and opened again where they have failed.
 */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { formatSize } from "../../base/size-text.ts";
import { listCommand, showCommand } from "../collection-commands.ts";
import { pathOf } from "../control-client.ts";
import { clientOf, controlCommand, type ControlOptions, show } from "../control-option.ts";
import { notEmpty } from "../option-value.ts";
import { type Column, tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface Volume {
  readonly name: string;
  readonly origin: string;
  readonly state: string;
  readonly problem?: { readonly detail: string };
  readonly sizeBytes?: number;
  readonly snapshots: number;
  readonly clients: number;
  readonly uris: readonly string[];
}

interface RemoveOptions extends ControlOptions {
  readonly force?: boolean;
}

interface AddOptions extends ControlOptions {
  readonly readOnly?: boolean;
  readonly trim?: "keep" | "preserve";
  readonly direct?: boolean;
  readonly buffered?: boolean;
}

const NAME = ["<NAME>", "name of the volume"] as const;

const COLUMNS: readonly Column<Volume>[] = [
  { title: "VOLUME", value: ({ name }) => name },
  { title: "STATE", value: ({ state }) => state },
  {
    title: "SIZE",
    value: ({ sizeBytes }) => (sizeBytes === undefined ? undefined : formatSize(sizeBytes)),
    right: true,
  },
  { title: "SNAPSHOTS", value: ({ snapshots }) => snapshots, right: true },
  { title: "CLIENTS", value: ({ clients }) => clients, right: true },
  { title: "ORIGIN", value: ({ origin }) => origin },
];

export function volumeCommand(terminal: Terminal): Command {
  const program = new Command("volume").description("the daemon's volumes: add, list, show, open, remove");
  return program
    .addCommand(add(terminal))
    .addCommand(listCommand(terminal, "volumes", COLUMNS))
    .addCommand(
      showCommand(
        terminal,
        { things: "volumes", description: "one of them, with its addresses", argument: NAME },
        described,
      ),
    )
    .addCommand(open(terminal))
    .addCommand(remove(terminal));
}

function remove(terminal: Terminal): Command {
  return controlCommand("remove", "close it, and forget it; its files and its snapshots' stay as they are")
    .argument(NAME[0], NAME[1], notEmpty)
    .option("--force", "also one that cannot be opened and has snapshots in groups, which go on without them")
    .action(async (name: string, options: RemoveOptions) => {
      const query = options.force === true ? "?force=true" : "";
      const { body } = await clientOf(options).ask("DELETE", pathOf("volumes", name) + query);
      show(terminal, options, body, () => "");
    });
}

function add(terminal: Terminal): Command {
  return controlCommand("add", "serve an origin from now on, with all of its snapshots")
    .argument("<NAME>", "name of the volume: its NBD export", notEmpty)
    .argument("<ORIGIN>", "file or block device that holds the live volume", notEmpty)
    .option("--read-only", "nothing is written, neither the live volume nor a snapshot")
    .addOption(
      new Option(
        "--trim <HOW>",
        "a discard of the live volume: keep what a snapshot needs, or preserve it (copy it first)",
      ).choices(["keep", "preserve"]),
    )
    .addOption(new Option("--direct", "open the devices with O_DIRECT").conflicts("buffered"))
    .option("--buffered", "use the page cache")
    .action(async (name: string, origin: string, options: AddOptions) => {
      const direct = options.direct === true ? true : options.buffered === true ? false : undefined;
      const { readOnly, trim } = options;
      const spec = { origin: resolve(origin), readOnly, trim, direct };
      const { body } = await clientOf(options).ask("PUT", pathOf("volumes", name), spec);
      show(terminal, options, body as Volume, described);
    });
}

function open(terminal: Terminal): Command {
  return controlCommand("open", "try again to open one that has failed")
    .argument("<NAME>", "name of the volume", notEmpty)
    .option("--invalidate-missing", "give snapshots up, for good, whose COW device is not there")
    .action(async (name: string, options: ControlOptions & { readonly invalidateMissing?: boolean }) => {
      const how = { invalidateMissing: options.invalidateMissing };
      const { body } = await clientOf(options).ask("POST", `${pathOf("volumes", name)}/open`, how);
      show(terminal, options, body as Volume, described);
    });
}

function described(volume: Volume): string {
  const why = volume.problem === undefined ? "" : `  ${volume.problem.detail}\n`;
  return `${tableText(COLUMNS, [volume])}${why}${volume.uris.map((uri) => `${uri}\n`).join("")}`;
}
