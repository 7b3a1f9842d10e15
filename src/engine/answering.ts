/**
 * Whether the devices of a volume answer at all, asked before it is opened, by a thread of node's pool: an opening that can be aborted.
 *
 * Opening reads headers and lists while main waits, and a device that hangs (a network that is gone, a FUSE server that stands still) holds main up
 * with everything that runs there, an abort too. So each is asked for its first bytes first. What that says is not believed, and its errors are
 * said where they matter; only that it comes to an end counts. A device that begins to hang later still holds main up: then only what ends
 * the process helps. Nothing is open here when an abort comes, but for the thread that waits for the device.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AbortError } from "../base/abort-error.ts";

const FIRST_BYTES = 4096;

/** Rejects with an AbortError, also where a device never answers. */
export async function answering(paths: readonly string[], signal: AbortSignal): Promise<void> {
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new AbortError(signal));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    await Promise.race([Promise.all(paths.map(ask)), aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function ask(path: string): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (stat.isFile() || stat.isBlockDevice()) await file.read(new Uint8Array(FIRST_BYTES), 0, FIRST_BYTES, 0);
  } catch {
    // Whoever opens it for good says so.
  } finally {
    await file?.close();
  }
}
