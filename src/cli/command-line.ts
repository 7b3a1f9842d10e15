/**
 * The command line as a whole: the commands, their common manners, and the way from argv to an exit code.
 *
 * Every command lives in a file of its own below `commands/` and is made by one function of the terminal. Commands that need
 * the engine load it when they run, so that the offline ones start quickly and need neither threads nor the native addon.
 */
import { Command } from "commander";
import { buildAddonCommand } from "./commands/build-addon.ts";
import { createCommand } from "./commands/create.ts";
import { daemonCommand } from "./commands/daemon.ts";
import { demoCommand } from "./commands/demo.ts";
import { dumpCommand } from "./commands/dump.ts";
import { groupCommand } from "./commands/group.ts";
import { mergeCommand } from "./commands/merge.ts";
import { operationCommand } from "./commands/operation.ts";
import { poolCommand } from "./commands/pool.ts";
import { readCommand } from "./commands/read.ts";
import { serveCommand } from "./commands/serve.ts";
import { snapshotCommand } from "./commands/snapshot.ts";
import { statusCommand } from "./commands/status.ts";
import { topCommand } from "./commands/top.ts";
import { volumeCommand } from "./commands/volume.ts";
import { watchCommand } from "./commands/watch.ts";
import { ExitCode, reportFailure } from "./failure.ts";
import { packageVersion } from "./package-version.ts";
import { endStuck, isStuck } from "./stuck-end.ts";
import type { Terminal } from "./terminal.ts";

const PROGRAM = "snapring";

const HELP = `
Sizes are bytes (65536), 16K, 10G, or sectors of 512 bytes (32s).

Exit codes:
  0  done; serve and demo: a signal ended it, and everything was closed in good order
  1  failed or interrupted, and one line (--json: one object) says why; nothing is said where the reader of the output has gone
  2  wrong command line: nothing was opened or made
  A process that a signal ends at once has no code of its own: shells say 130 (Ctrl-C), 143 (SIGTERM), 137 (SIGKILL, or a signal
  after the warning that the next one ends it at once).

Examples:
  snapring create snap.cow --size 10G
  snapring serve disk.img --snapshot before=snap.cow --listen unix:/run/snapring.sock
  snapring status snap.cow --json
  snapring read disk.img snap.cow --output before.img
  snapring merge disk.img snap.cow
  snapring daemon --state state --control unix:control.sock --listen unix:nbd.sock
  snapring snapshot create data@monday --size 10G --control unix:control.sock`;

/** Runs one command; never throws. */
export async function runCommandLine(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const program = buildProgram(terminal);
  try {
    if (argv.length === 0) program.help({ error: true });
    await program.parseAsync(argv, { from: "user" });
    return ExitCode.Ok;
  } catch (error) {
    if (argv.length === 0) return ExitCode.Usage;
    const command = program.commands.find((c) => c.name() === argv[0]);
    const where = command === undefined ? PROGRAM : `${PROGRAM} ${command.name()}`;
    const exitCode = reportFailure(error, terminal, where, argv.includes("--json"));
    if (isStuck(error)) await endStuck(exitCode);
    return exitCode;
  }
}

function buildProgram(terminal: Terminal): Command {
  const program = new Command(PROGRAM)
    .description("Copy-on-write block snapshots in user space, in dm-snapshot's on-disk format, served over NBD")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .addHelpText("after", HELP)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      // Errors are reported in one place, `reportFailure`, after commander has thrown them.
      outputError: () => undefined,
    });
  const makers = [
    serveCommand,
    createCommand,
    statusCommand,
    dumpCommand,
    readCommand,
    mergeCommand,
    daemonCommand,
    volumeCommand,
    snapshotCommand,
    groupCommand,
    poolCommand,
    operationCommand,
    watchCommand,
    topCommand,
    demoCommand,
    buildAddonCommand,
  ];
  for (const make of makers) program.addCommand(inheriting(make(terminal), program));
  return program;
}

/** The manners of the program, also for the commands below a command. */
function inheriting(command: Command, program: Command): Command {
  for (const below of command.commands) inheriting(below, program);
  return command.copyInheritedSettings(program);
}
