#!/usr/bin/env node
/**
 * The entry of the command `snapring`: hands argv to the command line and its answer to the process.
 *
 * It sets the exit code and lets the process end by itself, so that output still in a pipe is not cut off. A reader that went
 * away (`snapring dump cow | head`) ends us without a word, as it would any tool.
 */
import { runCommandLine } from "./command-line.ts";
import { ExitCode } from "./failure.ts";
import { processTerminal } from "./terminal.ts";

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(ExitCode.Failed);
  });
}

process.exitCode = await runCommandLine(process.argv.slice(2), processTerminal());
