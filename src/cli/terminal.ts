/**
 * Where a command writes: the process's own stdout and stderr, or strings in a test.
 *
 * Results go to `out`, everything else (errors, warnings, progress) to `err`, so that a pipe carries results only. There are two
 * manners, for one output matters and the other one does not:
 *
 *   a command that does one thing and ends   `out` waits for its reader and throws what it cannot write: a full disk is a failure,
 *                                            a reader that went away ends the command. `err` is best effort: no work is lost for it
 *   `live()`, while a volume is open         neither throws or blocks; what cannot be written is dropped and counted
 *
 * Control characters in names and paths are shown, not obeyed (base/printable.ts); only a whole line may be drawn anew (REDRAW).
 *
 * node's own streams do neither: they queue without limit on a pipe, block on a terminal, and end for good with the first error.
 */
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { printable } from "../base/printable.ts";
import { systemError } from "../device/system-error.ts";
import { writeAll } from "../device/write-all.ts";
import { LiveOutput } from "./live-output.ts";
import { isSamePlace, ownDescriptor } from "./own-descriptor.ts";

/** Before a line that takes the place of the one that is shown. */
export const REDRAW = "\r\x1b[K";

const STDOUT = 1;
const STDERR = 2;
const DEFAULT_COLUMNS = 80;

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Width of the terminal. */
  columns(): number;
  /** From here to the end of the process nothing that is written may throw or block. */
  live(): void;
  /** Writes that were given up. */
  readonly dropped: number;
  /** Waits a little for a slow reader of what has been written. */
  drained(milliseconds: number): Promise<void>;
}

interface Manner {
  out(text: string): void;
  err(text: string): void;
  readonly dropped: number;
  drained(milliseconds: number): Promise<void>;
}

export class ProcessTerminal implements Terminal {
  readonly outIsTerminal = isatty(STDOUT);
  readonly errIsTerminal = isatty(STDERR);
  #manner: Manner = patient();
  #isLive = false;

  out(text: string): void {
    this.#manner.out(shown(text));
  }

  err(text: string): void {
    this.#manner.err(shown(text));
  }

  get dropped(): number {
    return this.#manner.dropped;
  }

  drained(milliseconds: number): Promise<void> {
    return this.#manner.drained(milliseconds);
  }

  live(): void {
    if (this.#isLive) return;
    this.#isLive = true;
    this.#manner = live();
    this.#takeWarnings();
  }

  columns(): number {
    try {
      return (this.errIsTerminal ? widthOf(process.stderr) : undefined) ?? DEFAULT_COLUMNS;
    } catch {
      // The terminal has gone.
      return DEFAULT_COLUMNS;
    }
  }

  /** node prints its warnings by a write that blocks. */
  #takeWarnings(): void {
    if (process.listenerCount("warning") === 0) return;
    process.removeAllListeners("warning");
    process.on("warning", ({ name, message }) => this.err(`snapring: ${name}: ${message}\n`));
  }
}

/** What of it reaches the terminal. */
export function shown(text: string): string {
  return text.startsWith(REDRAW) ? REDRAW + printable(text.slice(REDRAW.length)) : printable(text);
}

function patient(): Manner {
  let dropped = 0;
  return {
    out: (text) => {
      try {
        writeAll(STDOUT, null, Buffer.from(text));
      } catch (error) {
        // That nobody reads any more is no failure that is put into words.
        throw (error as { code?: unknown }).code === "EPIPE"
          ? error
          : systemError(error, "cannot write standard output");
      }
    },
    err: (text) => {
      try {
        writeAll(STDERR, null, Buffer.from(text));
      } catch {
        dropped += 1;
      }
    },
    get dropped() {
      return dropped;
    },
    drained: () => Promise.resolve(),
  };
}

function live(): Manner {
  const out = liveOutput(STDOUT);
  const err = isSamePlace(STDOUT, STDERR) ? out : liveOutput(STDERR);
  return {
    out: (text) => out.write(text),
    err: (text) => err.write(text),
    get dropped() {
      return out === err ? out.dropped : out.dropped + err.dropped;
    },
    drained: async (milliseconds) => {
      await Promise.all([out.drained(milliseconds), err.drained(milliseconds)]);
    },
  };
}

function liveOutput(fd: typeof STDOUT | typeof STDERR): LiveOutput {
  const own = ownDescriptor(fd);
  return new LiveOutput((bytes) => writeSync(own, bytes));
}

const watched = new WeakSet<NodeJS.WriteStream>();

function widthOf(stream: NodeJS.WriteStream): number | undefined {
  // It looks at its size on SIGWINCH, also when its terminal has gone.
  if (!watched.has(stream)) stream.on("error", () => undefined);
  watched.add(stream);
  return stream.columns;
}
