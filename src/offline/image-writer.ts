/**
 * Writes an image from its beginning to its end: into a file, with holes for what is zero, or down a pipe.
 *
 *   nothing, or a regular file   another name beside it, which takes its place when it is whole; until then nothing has changed
 *   a link to a file, or nowhere refused: what it leads to is another's choice
 *   block device, FIFO           written as it stands, also through a link (/dev/disk/by-id, /dev/fd); a device gets every byte
 *
 * The file gets the rights of its source at most. Standard output is written synchronously; a slow reader at the other end is waited for.
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readlinkSync, type Stats, statSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { exactSize } from "../base/size-text.ts";
import { fileCalls } from "../device/file-calls.ts";
import { deviceFacts } from "../device/device-facts.ts";
import { systemError } from "../device/system-error.ts";
import { UnfinishedFile } from "../device/unfinished-file.ts";
import { writeAll } from "../device/write-all.ts";

const BLOCK_BYTES = 4096;
const zeroBlock = Buffer.alloc(BLOCK_BYTES);

export interface ImageWriter {
  /** Where it lies until it is whole; undefined where it is written as it stands. */
  readonly unfinished: string | undefined;
  /** Pieces come in order, without gaps. */
  write(position: number, bytes: Buffer): void;
  /** Everything is written, and durable where that means something. */
  finish(): Promise<void>;
  /** After an error: nothing of a file is left. */
  abandon(): Promise<void>;
}

export interface ImageSource {
  readonly sizeBytes: number;
  /** Of the file whose rights count. */
  readonly rights: Pick<Stats, "mode" | "gid">;
  /** Gets what the output is, and throws for the sources. */
  refuse(identity: string): void;
}

/** Throws a SnapringError if there is no writing there or `refuse` throws; nothing has been written then. */
export async function fileWriter(path: string, source: ImageSource): Promise<ImageWriter> {
  const found = await attempt(path, () => fileCalls().lstat(path).catch(notThere));
  if (found?.isSymbolicLink() === true) refuseFileBehind(path);
  if (found !== undefined && !found.isFile()) return standingWriter(path, source);
  if (found !== undefined) refuseSources(path, source);
  const { file, unfinished } = await attempt(path, () => beginFile(path, source.sizeBytes));
  return {
    unfinished: unfinished.path,
    write: (position, bytes) => {
      try {
        writeSparse(file.fd, position, bytes);
      } catch (error) {
        throw writeError(path, error);
      }
    },
    finish: () => {
      const mode = rightsOfCopy(source.rights, fstatSync(file.fd).gid);
      return attempt(path, () => unfinished.finish({ replace: true, mode }));
    },
    abandon: () => unfinished.abandon(),
  };
}

export function streamWriter(fd: number): ImageWriter {
  return {
    unfinished: undefined,
    write: (_, bytes) => {
      try {
        writeAll(fd, null, bytes);
      } catch (error) {
        // That nobody reads any more is no failure that is put into words.
        throw (error as NodeJS.ErrnoException).code === "EPIPE"
          ? error
          : systemError(error, "cannot write standard output");
      }
    },
    finish: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
  };
}

/** Nobody gets a right by the copy that the source did not give: another group's members have none. */
export function rightsOfCopy(source: Pick<Stats, "mode" | "gid">, gid: number): number {
  const group = source.gid === gid ? 0o060 : 0;
  return source.mode & (0o606 | group) & ~process.umask();
}

async function beginFile(
  path: string,
  sizeBytes: number,
): Promise<{ file: { readonly fd: number }; unfinished: UnfinishedFile }> {
  const unfinished = await UnfinishedFile.make(path);
  try {
    await unfinished.file.truncate(sizeBytes);
    return { file: unfinished.file, unfinished };
  } catch (error) {
    await unfinished.abandon();
    throw error;
  }
}

/** A device or a pipe, whatever its name is. */
function standingWriter(path: string, source: ImageSource): ImageWriter {
  const fd = openOutput(path, constants.O_NONBLOCK);
  try {
    const { identity, kind, sizeBytes } = deviceFacts(fd);
    source.refuse(identity);
    if (kind === "block") refuseSmall(path, sizeBytes, source.sizeBytes);
    const close = async (): Promise<void> => closeSync(fd);
    return {
      unfinished: undefined,
      write: (position, bytes) => {
        try {
          writeAll(fd, kind === "other" ? null : position, bytes);
        } catch (error) {
          throw writeError(path, error);
        }
      },
      finish: () =>
        attempt(path, async () => {
          try {
            if (kind !== "other") fsyncSync(fd);
          } finally {
            closeSync(fd);
          }
        }),
      abandon: close,
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** It would be written to its end, and what stood on it would be gone for half an image. */
function refuseSmall(path: string, has: number, needs: number): void {
  if (has >= needs) return;
  throw new SnapringError(
    "ENOSPC",
    `output ${path} has ${exactSize(has)}, and the image has ${exactSize(needs)}: nothing was written`,
    { hint: "use a device that is as large, or a file" },
  );
}

/** What may not be written may not be replaced, either. */
function refuseSources(path: string, { refuse }: ImageSource): void {
  const fd = openOutput(path, constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    refuse(deviceFacts(fd).identity);
  } finally {
    closeSync(fd);
  }
}

function refuseFileBehind(path: string): void {
  const behind = statSync(path, { throwIfNoEntry: false });
  if (behind !== undefined && !behind.isFile()) return;
  throw new SnapringError("ELOOP", `output ${path} is a symbolic link to ${readlinkSync(path)}, which is left alone`, {
    hint: "name the file itself, or take the link away",
  });
}

function openOutput(path: string, flags: number): number {
  try {
    return openSync(path, constants.O_WRONLY | flags);
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === "ENXIO" &&
      statSync(path, { throwIfNoEntry: false })?.isFIFO() === true
    )
      throw new SnapringError("ENXIO", `cannot write output ${path}: nobody reads the pipe`, {
        hint: "start its reader first",
      });
    throw writeError(path, error);
  }
}

function notThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

async function attempt<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw writeError(path, error);
  }
}

function writeError(path: string, error: unknown): unknown {
  return systemError(error, `cannot write output ${path}`);
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
