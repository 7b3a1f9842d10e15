/**
 * What every command has that speaks to the daemon: where it is, and how the answer is shown.
 *
 *   answer ─▶ --json: the daemon's own JSON, one line        without: a table or a line, made by the command
 *   202    ─▶ an operation: waited for, with a line of progress, unless --no-wait
 */
import { Command } from "commander";
import { SnapringError } from "../base/errno.ts";
import { readAddress } from "../engine/listen-address.ts";
import { ControlClient, ControlError, pathOf } from "./control-client.ts";
import { REDRAW, type Terminal } from "./terminal.ts";

export const DEFAULT_CONTROL = "unix:/run/snapring/control.sock";

export interface ControlOptions {
  readonly control?: string;
  readonly json?: boolean;
  /** False: --no-wait. */
  readonly wait?: boolean;
}

/** An operation, as the daemon tells it. */
export interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly volume: string;
  readonly snapshot: string;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly created: string;
  readonly fraction: number;
  readonly etaSeconds?: number;
  readonly params: Readonly<Record<string, unknown>>;
  readonly problem?: {
    readonly code: string;
    readonly detail: string;
    readonly status: number;
    readonly hint?: string;
  };
}

const WAIT_SECONDS = 1;

/** A command with its common options. */
export function controlCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option(
      "--control <ADDRESS>",
      `where the daemon listens: unix:PATH (default: SNAPRING_CONTROL, or ${DEFAULT_CONTROL})`,
    )
    .option("--json", "print what the daemon answered, and errors, as JSON");
}

/** Throws a SnapringError (EUSAGE). */
export function controlPath(given: string | undefined): string {
  const text = given ?? process.env["SNAPRING_CONTROL"] ?? DEFAULT_CONTROL;
  const address = readAddress(text);
  if (typeof address !== "string" && address.unix !== undefined) return address.unix;
  const why = typeof address === "string" ? address : "the daemon is controlled through a Unix socket alone";
  throw new SnapringError("EUSAGE", `--control '${text}': ${why}`, { hint: "write unix:PATH" });
}

export function clientOf({ control }: ControlOptions): ControlClient {
  return new ControlClient(controlPath(control));
}

/** `text`: for people, of the answer. */
export function show<T>(terminal: Terminal, { json }: ControlOptions, answer: T, text: (answer: T) => string): void {
  terminal.out(json === true ? `${JSON.stringify(answer ?? null)}\n` : text(answer));
}

/** Resolves with an operation that has ended; throws a ControlError for one that has failed. With --no-wait as it is now. */
export async function ended(
  terminal: Terminal,
  client: ControlClient,
  options: ControlOptions,
  begun: Operation,
): Promise<Operation> {
  let operation = begun;
  if (options.wait === false) return operation;
  try {
    while (operation.state === "running") {
      if (terminal.errIsTerminal) terminal.err(`${REDRAW}${progressOf(operation)}`);
      const path = `${pathOf("operations", begun.id)}?wait=${WAIT_SECONDS}`;
      operation = (await client.ask("GET", path)).body as Operation;
    }
  } finally {
    if (terminal.errIsTerminal) terminal.err(REDRAW);
  }
  if (operation.problem !== undefined) throw new ControlError(operation.problem);
  return operation;
}

export function progressOf({ kind, volume, snapshot, fraction, etaSeconds }: Operation): string {
  const left = etaSeconds === undefined ? "" : `  ${etaSeconds} s left`;
  return `${kind} ${volume}@${snapshot}  ${Math.floor(fraction * 100)} %${left}`;
}

/** `VOLUME@SNAPSHOT`. Throws a SnapringError (EUSAGE). */
export function parseTarget(text: string): { readonly volume: string; readonly snapshot: string } {
  const at = text.indexOf("@");
  if (at > 0 && at < text.length - 1) return { volume: text.slice(0, at), snapshot: text.slice(at + 1) };
  throw new SnapringError("EUSAGE", `'${text}' is no snapshot`, { hint: "write VOLUME@SNAPSHOT" });
}
