/**
 * What a running server can be asked by signals, besides to end.
 *
 *   SIGUSR1   print its statistics, as one line of JSON: {"stats": …}
 *   SIGHUP    look at the sizes of the COW devices again: one that has grown is used to its new end (S-43, E-45)
 */
import { SnapringError } from "../base/errno.ts";
import type { Volume } from "../engine/volume.ts";
import type { Terminal } from "./terminal.ts";

/** Listens until it is disposed. */
export function answerSignals(terminal: Terminal, volume: Volume): Disposable {
  const print = (): void => terminal.out(`${JSON.stringify({ stats: volume.stats() })}\n`);
  const grow = (): void => {
    for (const { name } of volume.stats().snapshots) growOne(terminal, volume, name);
  };
  process.on("SIGUSR1", print);
  process.on("SIGHUP", grow);
  return {
    [Symbol.dispose]() {
      process.off("SIGUSR1", print);
      process.off("SIGHUP", grow);
    },
  };
}

function growOne(terminal: Terminal, volume: Volume, name: string): void {
  try {
    volume.growSnapshot(name);
  } catch (error) {
    if (!(error instanceof SnapringError)) throw error;
    terminal.err(`snapring serve: ${error.message}\n`);
  }
}
