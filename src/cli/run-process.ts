/**
 * One command as a process: argv in, exit code out.
 *
 * It ends the process itself when the command is done and its last lines have been read, or a second has gone by: handlers of
 * signals stay until then, so that no late signal changes the exit code of a command that has done its work.
 *
 * A terminal that has gone meanwhile is closed first. At its end node restores the settings of the terminals that it has found on
 * descriptors 0, 1 and 2, and aborts where that fails; it passes over those that are not open any more.
 */
import { closeSync } from "node:fs";
import { isatty } from "node:tty";
import { runCommandLine } from "./command-line.ts";
import { ProcessTerminal } from "./terminal.ts";

/** A reader that has not taken the last lines by then does not read. */
const LAST_LINES_MS = 1000;

export async function runProcess(argv: readonly string[]): Promise<never> {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  const terminal = new ProcessTerminal();
  const exitCode = await runCommandLine(argv, terminal);
  await terminal.drained(LAST_LINES_MS);
  for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  process.exit(exitCode);
}
