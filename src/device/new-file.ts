/**
 * Makes a COW file of a given size, with its space reserved, so that it cannot run out later and is written faster.
 *
 * A sparse file grows extent by extent while chunks are copied: each first write of a block changes the file system's own metadata, which
 * the next flush has to write, and direct writes of that kind go to slower kernel threads. Reserved space (fallocate) spares most
 * of it. A file that was written before spares all: no flush meets anything of the file system's own. What "reserved" takes on each
 * file system, and where it is refused: file-space.ts.
 *
 *   sparse      made in no time                      space may run out later    slowest first writes
 *   reserved    made in no time where there is a     space cannot run out       the default
 *               fallocate, else as long as writing
 *   written     as long as writing it takes          space cannot run out       fastest first writes
 */
import { SnapringError } from "../base/errno.ts";
import { fileCalls } from "./file-calls.ts";
import { giveSpace, type SpaceOptions, usedNative } from "./file-space.ts";
import { systemError } from "./system-error.ts";
import { UnfinishedFile } from "./unfinished-file.ts";

export type FileSpace = "sparse" | "reserved" | "written";

export interface NewFileOptions extends SpaceOptions {
  /** Told where the file lies until it is whole: for whoever has to end at once. */
  readonly begun?: ((path: string) => void) | undefined;
}

/** Throws a SnapringError that names the path (EEXIST, ENOSPC, EACCES, EINTR …); then there is no file. */
export async function makeFile(
  path: string,
  bytes: number,
  space: FileSpace,
  options: NewFileOptions = {},
): Promise<void> {
  await refuseTaken(path);
  const unfinished = await UnfinishedFile.make(path).catch((error: unknown) => {
    throw systemError(error, `cannot make COW file ${path}`);
  });
  const { file } = unfinished;
  options.begun?.(unfinished.path);
  try {
    const empty = { file, place: unfinished.path, path };
    if (space !== "sparse") await giveSpace(empty, bytes, space === "written", { native: usedNative(), ...options });
    await file.truncate(bytes);
  } catch (error) {
    await unfinished.abandon();
    throw systemError(error, `cannot give COW file ${path} its size`);
  }
  try {
    await unfinished.finish({ replace: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw taken(path, "it exists");
    throw systemError(error, `cannot make COW file ${path}`);
  }
}

/** Before anything is written, which may take an hour. A link that leads nowhere stands there as well. */
async function refuseTaken(path: string): Promise<void> {
  const found = await fileCalls()
    .lstat(path)
    .catch(() => undefined);
  if (found === undefined) return;
  throw taken(path, found.isSymbolicLink() ? "a symbolic link stands there" : "it exists");
}

function taken(path: string, what: string): SnapringError {
  return new SnapringError("EEXIST", `cannot make COW file ${path}: ${what}`, { hint: "choose another name" });
}
