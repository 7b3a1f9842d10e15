/**
 * A way to write to stdout or stderr that never blocks the thread, whoever else has the same pipe or terminal.
 *
 *   pipe, FIFO, terminal   opened again by its name in /proc, non-blocking: the flag belongs to an open file description, and that one
 *                          is ours alone. (node's own streams block on a terminal that is stopped with Ctrl-S, and set the flag of a
 *                          pipe's shared description, where the next node process that ends takes it away again.)
 *   socket (journald)      cannot be opened again: node's stream makes it non-blocking, as for every node program
 *   file, /dev/null        as it is: a write there waits for no reader
 *
 * A terminal that belongs to another user cannot be opened again, either; it is used as it is, and Ctrl-S stops the process there.
 * A descriptor that was closed at the start is /dev/null: node sees to that.
 */
import { constants, fstatSync, openSync } from "node:fs";
import { isatty } from "node:tty";

const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;

export function ownDescriptor(fd: 1 | 2): number {
  const stat = fstatSync(fd);
  if (stat.isFIFO() || isatty(fd)) {
    try {
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    } catch {
      // No /proc, no right, no reader yet, or the terminal has gone.
    }
  }
  if (stat.isFIFO() || stat.isSocket()) ignoreErrorsOf(fd === 1 ? process.stdout : process.stderr);
  return fd;
}

/** Do both descriptors lead to the same place? Their lines must then not cut each other in two. */
export function isSamePlace(a: number, b: number): boolean {
  const [first, second] = [fstatSync(a), fstatSync(b)];
  return first.dev === second.dev && first.ino === second.ino;
}

/** Nobody writes to node's stream; asking for it is what makes the descriptor non-blocking. */
function ignoreErrorsOf(stream: NodeJS.WriteStream): void {
  stream.on("error", () => undefined);
}
