/**
 * The commands that are the same for whatever the daemon has many of: all of them as a table, one of them, one that goes.
 *
 *   list     GET /v1/THINGS          show NAME  GET /v1/THINGS/NAME          remove NAME  DELETE /v1/THINGS/NAME
 */
import type { Command } from "commander";
import { pathOf } from "./control-client.ts";
import { clientOf, controlCommand, type ControlOptions, show } from "./control-option.ts";
import { notEmpty } from "./option-value.ts";
import { type Column, tableText } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** `things`: what they are called in paths and answers. */
export function listCommand<T>(
  terminal: Terminal,
  things: string,
  columns: readonly Column<T>[],
  description = "all of them",
): Command {
  return controlCommand("list", description).action(async (options: ControlOptions) => {
    const { body } = await clientOf(options).ask("GET", pathOf(things));
    show(terminal, options, body as Readonly<Record<string, readonly T[]>>, (all) =>
      tableText(columns, all[things] ?? []),
    );
  });
}

export interface OneThing {
  readonly things: string;
  readonly description: string;
  /** The argument, and its words. */
  readonly argument: readonly [name: string, description: string];
}

export function showCommand<T>(
  terminal: Terminal,
  { things, description, argument }: OneThing,
  text: (one: T) => string,
): Command {
  return controlCommand("show", description)
    .argument(argument[0], argument[1], notEmpty)
    .action(async (name: string, options: ControlOptions) => {
      const { body } = await clientOf(options).ask("GET", pathOf(things, name));
      show(terminal, options, body as T, text);
    });
}

export function removeCommand(terminal: Terminal, { things, description, argument }: OneThing): Command {
  return controlCommand("remove", description)
    .argument(argument[0], argument[1], notEmpty)
    .action(async (name: string, options: ControlOptions) => {
      const { body } = await clientOf(options).ask("DELETE", pathOf(things, name));
      show(terminal, options, body, () => "");
    });
}
