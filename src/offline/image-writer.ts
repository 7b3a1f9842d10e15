/**
 * Writes an image from its beginning to its end: into a file, with holes for what is zero, or down a pipe.
 *
 * A regular file is emptied first, so that what is not written reads as zero. A block device gets every byte, for it keeps what
 * it had. Standard output is written synchronously, too; a slow reader at the other end is waited for.
 */
import { closeSync, constants, existsSync, fsyncSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { deviceFacts } from "../device/device-facts.ts";
import { systemError } from "../device/system-error.ts";
import { writeAll } from "../device/write-all.ts";

const BLOCK_BYTES = 4096;
const zeroBlock = Buffer.alloc(BLOCK_BYTES);

export interface ImageWriter {
  /** Pieces come in order, without gaps. */
  write(position: number, bytes: Buffer): void;
  /** Everything is written, and durable where that means something. */
  finish(): void;
  /** After an error: a file that was not there before is removed, for it is only a part. */
  abandon(): void;
}

/** Gets what a path leads to, so that the caller can throw for its own sources. */
export type RefuseIdentity = (identity: string) => void;

/** Throws a SnapringError if the file cannot be opened or `refuse` throws; nothing has been written then. */
export function fileWriter(path: string, sizeBytes: number, refuse: RefuseIdentity): ImageWriter {
  const isNew = !existsSync(path);
  const fd = attempt(path, () => openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK, 0o666));
  try {
    const { identity, kind } = deviceFacts(fd);
    refuse(identity);
    const sparse = kind === "file";
    if (sparse) {
      attempt(path, () => ftruncateSync(fd, 0));
      attempt(path, () => ftruncateSync(fd, sizeBytes));
    }
    return {
      write: (position, bytes) =>
        attempt(path, () => (sparse ? writeSparse(fd, position, bytes) : writeAll(fd, position, bytes))),
      finish: () => {
        if (kind !== "other") attempt(path, () => fsyncSync(fd));
        closeSync(fd);
      },
      abandon: () => {
        closeSync(fd);
        if (isNew) rmSync(path, { force: true });
      },
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

export function streamWriter(fd: number): ImageWriter {
  return { write: (_, bytes) => writeAll(fd, null, bytes), finish: () => undefined, abandon: () => undefined };
}

function writeSparse(fd: number, position: number, bytes: Buffer): void {
  let from = 0;
  while (from < bytes.length) {
    let to = from;
    const zero = isZeroBlock(bytes, from);
    while (to < bytes.length && isZeroBlock(bytes, to) === zero) to = Math.min(bytes.length, to + BLOCK_BYTES);
    if (!zero) writeAll(fd, position + from, bytes.subarray(from, to));
    from = to;
  }
}

function isZeroBlock(bytes: Buffer, at: number): boolean {
  const end = Math.min(bytes.length, at + BLOCK_BYTES);
  return bytes.compare(zeroBlock, 0, end - at, at, end) === 0;
}

function attempt<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw systemError(error, `cannot write output ${path}`);
  }
}
