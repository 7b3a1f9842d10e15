/**
 * Makes a COW file larger while its store is in use, or leaves it as it is.
 *
 *   are all its bytes in their places?   yes   it was reserved, or written: the new part is reserved, too; zeroed where nothing can be reserved
 *                                        no    it is sparse: so is the new part. Likewise where its user calls it sparse
 *
 * The file itself says which it is: fewer blocks than it is long are holes. So nobody has to remember it over the years, and a file that was copied
 * grows as what it is by now. One that has been filled has none any more; then it is what its user says. What a failure has done to the end of the file is cut off again: nobody uses it, for a size is taken over only when it
 * is there. Nothing is flushed: whoever writes behind the old end flushes what it has written (S-53).
 *
 * It waits for the file system, so it runs in an opening thread.
 */
import { fstatSync, ftruncateSync, statfsSync, writeSync } from "node:fs";
import { errno } from "../base/errno.ts";
import { formatSize } from "../base/size-text.ts";
import { reserveSpace, usedNative } from "./file-space.ts";
import { errnoError, systemError } from "./system-error.ts";

export interface FileGrowth {
  /** Open for writing, without O_DIRECT. */
  readonly fd: number;
  readonly path: string;
  /** What it is to have. */
  readonly bytes: number;
  /** Reserve nothing in any case. */
  readonly sparse: boolean;
}

const PIECE_BYTES: number = 4 * 1024 * 1024;

/** The size that it has then, which is larger where it was so already. Throws a SnapringError (ENOSPC, EDQUOT, EFBIG …): it is as before. */
export function growFile(growth: FileGrowth): number {
  const { fd, bytes, sparse } = growth;
  const { size, blocks } = fstatSync(fd);
  if (size >= bytes) return size;
  try {
    if (!sparse && blocks * 512 >= size) giveSpace(growth, size);
    ftruncateSync(fd, bytes);
  } catch (error) {
    ftruncateSync(fd, size);
    throw systemError(error, words(growth));
  }
  return bytes;
}

function giveSpace(growth: FileGrowth, from: number): void {
  const error = reserveSpace(growth.fd, growth.bytes, usedNative());
  if (error === errno.EOPNOTSUPP) writeZeroes(growth, from);
  else if (error !== 0) throw noRoom(growth, error);
}

function writeZeroes(growth: FileGrowth, from: number): void {
  const { fd, bytes } = growth;
  const { blocks, bfree, bsize } = statfsSync(`/proc/self/fd/${fd}`);
  // Else the disk would be filled first, for everybody on it. Without any blocks, nobody says how much room there is.
  if (blocks > 0 && bytes - from > bfree * bsize) throw noRoom(growth, errno.ENOSPC);
  const zeroes = Buffer.alloc(Math.min(bytes - from, PIECE_BYTES));
  for (let at = from; at < bytes; at += writeSync(fd, zeroes, 0, Math.min(zeroes.length, bytes - at), at));
}

function noRoom(growth: FileGrowth, error: number): Error {
  return errnoError(error, words(growth));
}

function words({ path, bytes }: FileGrowth): string {
  return `cannot make COW file ${path} larger, to ${formatSize(bytes)}`;
}
