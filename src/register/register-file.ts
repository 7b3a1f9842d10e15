/**
 * The register as a file: read with care, replaced as a whole, so that after a crash it is the old one or the new one.
 *
 *   replace   another file made beside it, written, flushed ─▶ renamed ─▶ folder flushed (device/unfinished-file.ts)
 *   read      a regular file of a few MiB, not a link, whatever else is planted in its place, of an owner who is believed
 *             (register-owner.ts); owner and mode stay when it is replaced
 *
 * Whoever reads it in order to write the origin flushes file and folder first: what an earlier process has sent may not be on disk
 * yet (C-49).
 */
import { constants } from "node:fs";
import { dirname } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { type CalledFile, fileCalls } from "../device/file-calls.ts";
import { systemError } from "../device/system-error.ts";
import { UnfinishedFile } from "../device/unfinished-file.ts";
import { writeAllTo } from "../device/write-all.ts";
import { refuseForeignRegister } from "./register-owner.ts";

/** A thousand snapshots with long paths take less than one. */
const BYTES_MAX: number = 4 * 2 ** 20;
const PIECE_BYTES: number = 64 * 1024;

/** Whose it is, and who else may do what with it. */
export interface FileRights {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface RegisterText {
  readonly text: string;
  readonly rights: FileRights;
}

/**
 * Undefined: there is none. Throws a SnapringError for what is no register and must not be passed over. `settle`: flush it first. `about`:
 * the owner of the file that it is about.
 */
export async function readRegisterFile(
  path: string,
  settle: boolean,
  about: number,
): Promise<RegisterText | undefined> {
  let file: CalledFile;
  try {
    file = await fileCalls().open(path, READING);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // A name that is too long for a file is the name of none.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    if (code === "ELOOP") throw strange(path, "is a symbolic link");
    throw systemError(error, `cannot open the register of snapshots ${path}`);
  }
  try {
    const { uid, gid, mode } = await checkedStat(file, path);
    refuseForeignRegister(path, uid, about);
    if (settle) await settleFile(file, path);
    return { text: await readText(file, path), rights: { uid, gid, mode: mode & MODE_BITS } };
  } catch (error) {
    throw systemError(error, `cannot read the register of snapshots ${path}`);
  } finally {
    await file.close();
  }
}

/** O_NONBLOCK: a FIFO is to be refused, not waited for. */
const READING = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MODE_BITS = 0o777;
const OWNERS_ALONE = 0o600;
/** Of a folder that has to be made: nobody else puts a register there, whatever the umask. */
const FOLDER_MODE = 0o700;

async function checkedStat(file: CalledFile, path: string): Promise<FileRights> {
  const stat = await file.stat();
  if (!stat.isFile()) throw strange(path, "is no regular file");
  if (stat.size > BYTES_MAX) throw strange(path, `has ${stat.size} bytes`);
  return stat;
}

/** Also of a file that somebody goes on writing. */
async function readText(file: CalledFile, path: string): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const buffer = Buffer.alloc(PIECE_BYTES);
    const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, bytes);
    if (bytesRead === 0) return Buffer.concat(pieces).toString("utf8");
    bytes += bytesRead;
    if (bytes > BYTES_MAX) throw strange(path, "grows while it is read");
    pieces.push(buffer.subarray(0, bytesRead));
  }
}

async function settleFile(file: CalledFile, path: string): Promise<void> {
  await file.sync();
  const folder = await fileCalls().open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Durable when it resolves. Throws a SnapringError; then the old one stands, but where only the folder's last flush has failed: there the new one
 * does. `rights`: of the one that was read, if there was one.
 */
export async function replaceRegisterFile(path: string, text: string, rights?: FileRights): Promise<void> {
  try {
    await fileCalls().mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    const unfinished = await UnfinishedFile.make(path);
    let mode: number | undefined;
    try {
      if (rights !== undefined) mode = await keepOwner(unfinished.file, rights);
      await writeAllTo(unfinished.file, 0, Buffer.from(text));
    } catch (error) {
      // Where the file system is full, what is half there takes room for nothing.
      await unfinished.abandon();
      throw error;
    }
    await unfinished.finish({ replace: true, mode });
  } catch (error) {
    throw systemError(error, `cannot write the register of snapshots ${path}`);
  }
}

/** The mode that it is to have. Where it cannot be given away, it is ours alone. */
async function keepOwner(file: CalledFile, { uid, gid, mode }: FileRights): Promise<number> {
  try {
    const { uid: ours, gid: group } = await file.stat();
    if (ours !== uid || group !== gid) await file.chown(uid, gid);
    return mode;
  } catch {
    return OWNERS_ALONE;
  }
}

/** As long as the other, so that it needs no room. */
const FINAL = '"isFinal": true';
const NOT_FINAL = '"isFinal":false';

/** In place, for a file system that is full. Throws a SnapringError. */
export async function unfinishRegisterFile(path: string): Promise<void> {
  try {
    const file = await fileCalls().open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      await checkedStat(file, path);
      const text = await readText(file, path);
      // A part of it would leave snapshots behind it as they were: the next opening would take an older state of them for the last one.
      await writeAllTo(file, 0, Buffer.from(text.replaceAll(FINAL, NOT_FINAL)));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw systemError(error, `cannot write the register of snapshots ${path}`);
  }
}

/** Another register knows now what stood in it, or nothing does; durable with the folder's next flush. Throws a SnapringError. */
export async function removeRegisterFile(path: string): Promise<void> {
  try {
    await fileCalls().rm(path, { force: true });
  } catch (error) {
    throw systemError(error, `cannot remove the register of snapshots ${path}`);
  }
}

function strange(path: string, what: string): SnapringError {
  return new SnapringError("EINVAL", `the register of snapshots ${path} ${what}`, {
    hint: "somebody has put something else in its place: look at it, and take it away",
  });
}
