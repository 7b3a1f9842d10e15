/**
 * What a running server can be asked by signals, besides to end.
 *
 *   SIGUSR1   print its statistics, as one line of JSON: {"stats": …}
 *   SIGHUP    look at the sizes of the COW devices again: one that has grown is used to its new end (S-43, E-45)
 *
 * One that came while it started is answered when it is up; while it closes, neither does anything.
 */
import { SnapringError } from "../base/errno.ts";
import type { Volume } from "../engine/volume.ts";
import { hear } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** Listens until it is disposed. */
export function answerStatistics(terminal: Terminal, volume: Volume): Disposable {
  const print = (): void => {
    const stats = volume.stats();
    const droppedLines = stats.droppedLines + terminal.dropped;
    terminal.out(`${JSON.stringify({ stats: { ...stats, droppedLines } })}\n`);
  };
  return { [Symbol.dispose]: hear("SIGUSR1", print) };
}

/** Listens until it is disposed. */
export function answerGrowth(terminal: Terminal, volume: Volume): Disposable {
  const say = (error: unknown): void => {
    if (!(error instanceof SnapringError)) throw error;
    terminal.err(`snapring serve: ${error.message}\n`);
  };
  const grow = (): void => {
    for (const { name } of volume.stats().snapshots) volume.growSnapshot(name).catch(say);
  };
  return { [Symbol.dispose]: hear("SIGHUP", grow) };
}
