/**
 * Writes all of some bytes, however many calls it takes, and waits for a slow reader where the descriptor does not.
 *
 * For commands that do one thing and end: it blocks the thread, as any tool's write to a pipe does. Never on the main thread
 * of a volume that is open.
 */
import { writeSync } from "node:fs";

const RETRY_MS = 2;

/** `position` null: a stream, which goes on where it is. Throws what the system call did. */
export function writeAll(fd: number, position: number | null, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done, position === null ? null : position + done);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
