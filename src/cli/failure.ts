/**
 * Turns what a command threw into what its caller sees: one line (or one JSON object) and an exit code.
 *
 *   SnapringError EUSAGE, commander's own errors,  2   the command line was wrong
 *   options that the library refuses
 *   SnapringError, errors of system calls          1   what, where, why, and what to do if there is something to do
 *   ControlError (the daemon has refused it)       1   in its words; 2 where the request was wrong
 *   anything else                                  1   a defect of ours: the stack is shown, for whoever reports it
 */
import { CommanderError } from "commander";
import { commandHint, SnapringError } from "../base/errno.ts";
import { isOptionError, type OptionError } from "../engine/option-error.ts";
import { ControlError } from "./control-client.ts";
import type { Terminal } from "./terminal.ts";

export const ExitCode = { Ok: 0, Failed: 1, Usage: 2 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface Failure {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly stack?: string | undefined;
  /** As the daemon has told it. */
  readonly problem?: object | undefined;
}

/** Reports `error` and returns the exit code. `where` is the command's name, for the line. */
export function reportFailure(error: unknown, terminal: Terminal, where: string, json: boolean): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.Ok;
  // Whoever read our output has gone: nothing is wrong, and nobody to tell.
  if (isSystemError(error) && error.code === "EPIPE") return ExitCode.Failed;
  const failure = describe(error, where);
  if (!json || !printJson(failure, terminal)) {
    const hint = failure.hint === undefined ? "" : ` (${failure.hint})`;
    terminal.err(`${where}: ${oneLine(failure.message)}${oneLine(hint)}\n`);
  }
  if (failure.stack !== undefined) terminal.err(`${failure.stack}\n`);
  return failure.exitCode;
}

/** False: standard output takes nothing. */
function printJson({ code, message, hint, problem }: Failure, terminal: Terminal): boolean {
  try {
    const error = problem ?? { code, message, ...(hint === undefined ? {} : { hint }) };
    terminal.out(`${JSON.stringify({ error })}\n`);
    return true;
  } catch {
    return false;
  }
}

function describe(error: unknown, where: string): Failure {
  if (error instanceof CommanderError) {
    // Of `help NAME` where there is no such command: commander has shown the general help.
    const message =
      error.code === "commander.help" ? "there is no such command" : error.message.replace(/^error: /, "");
    return { exitCode: ExitCode.Usage, code: "EUSAGE", message, hint: `see ${where} --help` };
  }
  if (error instanceof ControlError) {
    const { code, message, hint, problem, isUsage } = error;
    return { exitCode: isUsage ? ExitCode.Usage : ExitCode.Failed, code, message, hint, problem };
  }
  if (error instanceof SnapringError) {
    const exitCode = error.code === "EUSAGE" ? ExitCode.Usage : ExitCode.Failed;
    return { exitCode, code: error.code, message: error.message, hint: commandHint(error) };
  }
  if (isOptionError(error)) return { exitCode: ExitCode.Usage, code: "EUSAGE", message: asFlag(error) };
  if (isSystemError(error)) return { exitCode: ExitCode.Failed, code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  return { exitCode: ExitCode.Failed, code: "EINTERNAL", message: `internal error: ${message}`, stack };
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}

/** `options.noMerge …` as people gave it: `--no-merge …`. */
function asFlag({ message, option }: OptionError): string {
  const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return message.replace(`options.${option}`, `--${flag}`);
}
