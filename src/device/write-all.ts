/**
 * Writes all of some bytes, however many calls it takes. A call may take a part of them, and one that takes nothing has failed: else it would be
 * asked for ever.
 *
 * `writeAll` waits for a slow reader where the descriptor does not. It is for commands that do one thing and end: it blocks the thread, as any
 * tool's write to a pipe does. Never on the main thread of a volume that is open, which has `writeAllTo`.
 */
import { writeSync } from "node:fs";
import { errno } from "../base/errno.ts";
import type { CalledFile } from "./file-calls.ts";

const RETRY_MS = 2;

/** `position` null: a stream, which goes on where it is. Throws what the system call did. */
export function writeAll(fd: number, position: number | null, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      const n = writeSync(fd, bytes, done, bytes.length - done, position === null ? null : position + done);
      done += taken(n);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

/** The same for a file, in the way that the thread has (file-calls.ts). */
export async function writeAllTo(file: CalledFile, position: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += taken(bytesWritten);
  }
}

function taken(count: number): number {
  if (count > 0) return count;
  throw Object.assign(new Error("EIO: nothing was taken, write"), { code: "EIO", errno: -errno.EIO });
}
