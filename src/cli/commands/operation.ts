/**
 * `snapring operation`: what takes long, and was not waited for.
 */
import { Command } from "commander";
import { listCommand, showCommand } from "../collection-commands.ts";
import { pathOf } from "../control-client.ts";
import { clientOf, controlCommand, type ControlOptions, ended, type Operation, show } from "../control-option.ts";
import { notEmpty } from "../option-value.ts";
import { type Column, tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const COLUMNS: readonly Column<Operation>[] = [
  { title: "ID", value: ({ id }) => id },
  { title: "WHAT", value: ({ kind, volume, snapshot }) => `${kind} ${volume}@${snapshot}` },
  { title: "STATE", value: ({ state }) => state },
  { title: "DONE", value: ({ fraction }) => `${Math.floor(fraction * 100)} %`, right: true },
  { title: "LEFT", value: ({ etaSeconds }) => (etaSeconds === undefined ? undefined : `${etaSeconds} s`), right: true },
  { title: "BEGUN", value: ({ created }) => created },
  { title: "WHY", value: ({ problem }) => problem?.detail },
];

export function operationCommand(terminal: Terminal): Command {
  const text = (operation: Operation): string => tableText(COLUMNS, [operation]);
  return new Command("operation")
    .description("what takes long: list, show, wait, cancel")
    .addCommand(listCommand(terminal, "operations", COLUMNS, "those under way, and the last that have ended"))
    .addCommand(
      showCommand(terminal, { things: "operations", description: "one of them", argument: ["<ID>", "as op-17"] }, text),
    )
    .addCommand(
      controlCommand("wait", "wait until it has ended; fails where it has failed")
        .argument("<ID>", "as op-17", notEmpty)
        .action(async (id: string, options: ControlOptions) => {
          const client = clientOf(options);
          const { body } = await client.ask("GET", pathOf("operations", id));
          show(terminal, options, await ended(terminal, client, options, body as Operation), text);
        }),
    )
    .addCommand(
      controlCommand("cancel", "it ends as soon as it can; what it has done stays")
        .argument("<ID>", "as op-17", notEmpty)
        .action(async (id: string, options: ControlOptions) => {
          const { body } = await clientOf(options).ask("DELETE", pathOf("operations", id));
          show(terminal, options, body as Operation, text);
        }),
    );
}
