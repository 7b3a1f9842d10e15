/**
 * `snapring group`: snapshots of several volumes that are one point in time. `snapring snapshot create` makes them.
 */
import { Command } from "commander";
import { listCommand } from "../collection-commands.ts";
import { pathOf } from "../control-client.ts";
import { clientOf, controlCommand, type ControlOptions, ended, type Operation, show } from "../control-option.ts";
import { notEmpty } from "../option-value.ts";
import type { Column } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { operationText } from "./snapshot.ts";

interface Group {
  readonly name: string;
  readonly created: string;
  readonly members: readonly { readonly volume: string; readonly snapshot: string }[];
}

const COLUMNS: readonly Column<Group>[] = [
  { title: "GROUP", value: ({ name }) => name },
  { title: "CREATED", value: ({ created }) => created },
  {
    title: "MEMBERS",
    value: ({ members }) => members.map(({ volume, snapshot }) => `${volume}@${snapshot}`).join(" "),
  },
];

export function groupCommand(terminal: Terminal): Command {
  return new Command("group")
    .description("groups of snapshots, each of one moment: list, drop")
    .addCommand(listCommand(terminal, "groups", COLUMNS))
    .addCommand(
      controlCommand("drop", "give all of its snapshots up, for good")
        .argument("<NAME>", "its name", notEmpty)
        .option("--no-wait", "do not wait until they are gone")
        .action(async (name: string, options: ControlOptions) => {
          const client = clientOf(options);
          const { status, body } = await client.ask("DELETE", pathOf("groups", name));
          if (status === 204) return show(terminal, options, undefined, () => `${name} is not there\n`);
          const { operations } = body as { operations: Operation[] };
          const all: Operation[] = [];
          for (const operation of operations) all.push(await ended(terminal, client, options, operation));
          show(terminal, options, { operations: all }, () => all.map(operationText).join(""));
        }),
    );
}
