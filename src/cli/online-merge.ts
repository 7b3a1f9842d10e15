/**
 * The commands below `snapring merge` that are the daemon's: a roll back while clients are connected.
 *
 * `snapring merge ORIGIN COW` is another thing, without a daemon (commands/merge.ts). A file whose name is one of these words is written `./start`.
 */
import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { pathOf } from "./control-client.ts";
import {
  clientOf,
  controlCommand,
  type ControlOptions,
  ended,
  type Operation,
  parseTarget,
  progressOf,
  show,
} from "./control-option.ts";
import { notEmpty, optionValue, wholeNumber } from "./option-value.ts";
import type { Terminal } from "./terminal.ts";

interface StartOptions extends ControlOptions {
  readonly throttle?: number;
  readonly idempotencyKey?: string;
}

const throttled = optionValue(wholeNumber(1, 100));

/** start, pause, resume, throttle, status. */
export function onlineMergeCommands(terminal: Terminal): Command[] {
  return [start(terminal), ...changes(terminal), status(terminal)];
}

function start(terminal: Terminal): Command {
  return controlCommand("start", "roll a volume of the daemon's back to a snapshot, while clients are connected")
    .argument("<VOLUME@NAME>", "the snapshot", notEmpty)
    .option("--throttle <PERCENT>", "of the time that it may take (100)", throttled)
    .option(
      "--idempotency-key <KEY>",
      "of this order: the same order with the same key is not carried out twice",
      notEmpty,
    )
    .option("--no-wait", "do not wait for its end")
    .action(async (target: string, options: StartOptions) => {
      const { volume, snapshot } = parseTarget(target);
      const client = clientOf(options);
      const path = `${pathOf("volumes", volume, "snapshots", snapshot)}/merge`;
      const key = options.idempotencyKey ?? randomUUID();
      const { body } = await client.askOnce("POST", path, { throttle: options.throttle }, key);
      show(terminal, options, await ended(terminal, client, options, body as Operation), text);
    });
}

function changes(terminal: Terminal): Command[] {
  const change = (name: string, description: string, how: object): Command =>
    controlCommand(name, description)
      .argument("<VOLUME>", "the volume, or its snapshot", notEmpty)
      .action((target: string, options: ControlOptions) => set(terminal, target, options, how));
  const throttle = controlCommand("throttle", "give it another share of the time")
    .argument("<VOLUME>", "the volume, or its snapshot", notEmpty)
    .argument("<PERCENT>", "1 to 100", throttled)
    .action((target: string, percent: number, options: ControlOptions) =>
      set(terminal, target, options, { throttle: percent }),
    );
  return [
    change("pause", "hold it after the step in progress", { paused: true }),
    change("resume", "let it go on", { paused: false }),
    throttle,
  ];
}

function status(terminal: Terminal): Command {
  return controlCommand("status", "how far it is")
    .argument("<VOLUME>", "the volume, or its snapshot", notEmpty)
    .action(async (target: string, options: ControlOptions) => {
      const { body } = await clientOf(options).ask("GET", pathOf("volumes", volumeOf(target), "merge"));
      show(terminal, options, body as Operation, text);
    });
}

async function set(terminal: Terminal, target: string, options: ControlOptions, how: object): Promise<void> {
  const { body } = await clientOf(options).ask("PATCH", pathOf("volumes", volumeOf(target), "merge"), how);
  show(terminal, options, body as Operation, text);
}

function volumeOf(target: string): string {
  return target.includes("@") ? parseTarget(target).volume : target;
}

function text(operation: Operation): string {
  const { state, params } = operation;
  return `${progressOf(operation)}  ${state === "running" && params["paused"] === true ? "paused" : state}\n`;
}
