/**
 * A progress bar on one line of the terminal: share, bytes, rate, time left. Where there is no terminal it prints nothing.
 *
 *   merge  ████████████░░░░░░░░  61 %  1.2 GiB of 2 GiB  310 MiB/s  3 s left
 *
 * It draws at most ten times per second, whatever the rate of updates.
 */
import { REDRAW, type Terminal } from "./terminal.ts";
import { formatSize } from "../base/size-text.ts";

const DRAW_INTERVAL_MS = 100;
const BAR_CELLS = 20;

export interface ProgressBar {
  update(doneBytes: number): void;
  /** Removes the bar, so that the next line stands alone. */
  end(): void;
}

export function progressBar(terminal: Terminal, title: string, totalBytes: number): ProgressBar {
  if (!terminal.errIsTerminal) return { update: () => undefined, end: () => undefined };
  const start = performance.now();
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    update(doneBytes) {
      const now = performance.now();
      if (now - drawn < DRAW_INTERVAL_MS) return;
      drawn = now;
      const line = progressLine(title, doneBytes, totalBytes, (now - start) / 1000);
      terminal.err(`${REDRAW}${line.slice(0, terminal.columns() - 1)}`);
    },
    end() {
      terminal.err(REDRAW);
    },
  };
}

/** The text of the bar. */
export function progressLine(title: string, doneBytes: number, totalBytes: number, seconds: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.floor(share * BAR_CELLS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
  const percent = Math.floor(share * 100)
    .toString()
    .padStart(3);
  const rate = seconds > 0 ? doneBytes / seconds : 0;
  const left = rate > 0 ? `  ${Math.ceil((totalBytes - doneBytes) / rate)} s left` : "";
  return `${title}  ${bar}  ${percent} %  ${formatSize(doneBytes)} of ${formatSize(totalBytes)}  ${formatSize(Math.round(rate))}/s${left}`;
}
