/**
 * Gives a new file space that cannot run out, or says that it cannot be had here.
 *
 *   overwritten in place?   btrfs: the attribute "no copy-on-write", on the empty file. ZFS, bcachefs, NILFS: it cannot be had
 *   reserved?               fallocate, by the addon or by the program of that name
 *   no fallocate            ext3, NFS before 4.2, some FUSE, ramfs: zeroes are written over the whole of it
 *
 * A file system that copies on write needs room for every write again, whatever was reserved or written before. What a server behind
 * NFS, SMB or FUSE does with what it is told cannot be seen from here, nor a snapshot that somebody takes of a btrfs subvolume, which
 * makes its file system copy once more.
 */
import { spawnSync } from "node:child_process";
import { errno, type ErrnoName, SnapringError } from "../base/errno.ts";
import { formatSize } from "../base/size-text.ts";
import { type CalledFile, fileCalls } from "./file-calls.ts";
import { type Native, loadNative } from "./native.ts";
import { errnoError } from "./system-error.ts";
import { writeAllTo } from "./write-all.ts";

export interface SpaceOptions {
  /** Is told how much of what has to be written is. */
  readonly progress?: ((bytes: number) => void) | undefined;
  /** Looked at between two pieces. */
  readonly stop?: Pick<AbortSignal, "aborted"> | undefined;
  /** The addon, or undefined for the programs. */
  readonly native?: Native | undefined;
  /** By number (linux/magic.h); looked up if it is not given. */
  readonly fileSystem?: number | undefined;
}

/** What is written at once. */
const PIECE_BYTES: number = 4 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** tmpfs says ENOMEM. */
const NO_ROOM: readonly ErrnoName[] = ["ENOSPC", "EDQUOT", "EFBIG", "ENOMEM"];
const WORDS: readonly (readonly [words: string, code: ErrnoName])[] = [
  ["No space left", "ENOSPC"],
  ["Disk quota exceeded", "EDQUOT"],
  ["File too large", "EFBIG"],
  ["Cannot allocate memory", "ENOMEM"],
];

const BTRFS = 0x9123683e;
/** As names for people; none of them can be told to overwrite in place. */
const ALWAYS_COPY: Readonly<Record<number, string>> = { 801189825: "ZFS", 3393526350: "bcachefs", 13364: "NILFS" };

/** An empty file, open for writing. */
export interface EmptyFile {
  readonly file: CalledFile;
  /** Where it lies. */
  readonly place: string;
  /** What it is called in messages. */
  readonly path: string;
}

/** `written`: also where it can be reserved. Throws a SnapringError that names the path and the way out. */
export async function giveSpace(
  empty: EmptyFile,
  bytes: number,
  written: boolean,
  options: SpaceOptions,
): Promise<void> {
  const { file, path } = empty;
  const { blocks, bfree, bsize, type } = await fileCalls().statfs(`/proc/self/fd/${file.fd}`);
  overwriteInPlace(empty, options.fileSystem ?? type, options);
  if (bytes === 0) return;
  const reserved = reserve(file.fd, path, bytes, options);
  if (reserved && !written) return;
  // Else the disk would be filled first, for everybody on it. Without any blocks, nobody says how much room there is.
  if (!reserved && blocks > 0 && bytes > bfree * bsize) throw noRoom("ENOSPC", path, bytes);
  await writeZeroes(empty, bytes, options);
}

async function writeZeroes({ file, path }: EmptyFile, bytes: number, { progress, stop }: SpaceOptions): Promise<void> {
  const zeroes = Buffer.alloc(Math.min(bytes, PIECE_BYTES));
  for (let at = 0; at < bytes; ) {
    if (stop?.aborted === true) throw new SnapringError("EINTR", `${path}: interrupted, no file was made`);
    try {
      const part = zeroes.subarray(0, Math.min(zeroes.length, bytes - at));
      await writeAllTo(file, at, part);
      at += part.length;
    } catch (error) {
      const full = NO_ROOM.find((code) => code === (error as NodeJS.ErrnoException).code);
      throw full === undefined ? error : noRoom(full, path, bytes);
    }
    progress?.(at);
  }
}

export function usedNative(): Native | undefined {
  return loadNative().native;
}

function overwriteInPlace({ file, place, path }: EmptyFile, fileSystem: number, { native }: SpaceOptions): void {
  const name = ALWAYS_COPY[fileSystem];
  if (name !== undefined) throw cannotReserve(path, `${name} writes every block to a new place`);
  // Below an overlay there may be a btrfs: it is asked as well, and what knows no such attribute says no.
  const status = native === undefined ? forbidByProgram(place) : native.forbidCopyOnWrite(file.fd);
  if (status !== 0 && fileSystem === BTRFS) {
    throw cannotReserve(path, "btrfs copies its blocks on write, and refuses the attribute that forbids it");
  }
}

function forbidByProgram(place: string): number {
  return spawnSync("chattr", ["+C", "--", place], { stdio: "ignore", timeout: TIMEOUT_MS }).status === 0
    ? 0
    : -errno.EIO;
}

/** False: space cannot be reserved here. */
function reserve(fd: number, path: string, bytes: number, { native }: SpaceOptions): boolean {
  const error = reserveSpace(fd, bytes, native);
  if (error === 0) return true;
  const full = NO_ROOM.find((code) => errno[code] === error);
  if (full !== undefined) throw noRoom(full, path, bytes);
  return false;
}

/** All of a file up to `bytes` has its space: 0. No room: its error number. Else EOPNOTSUPP: it cannot be reserved here. */
export function reserveSpace(fd: number, bytes: number, native: Native | undefined): number {
  const status = native === undefined ? reserveByProgram(fd, bytes) : -native.reserveFile(fd, bytes);
  if (status === 0 || NO_ROOM.some((code) => errno[code] === status)) return status;
  // There is none here, or it is refused (a seccomp profile says EPERM): what can be written has its space as well.
  return errno.EOPNOTSUPP;
}

/** util-linux's program, or busybox's; its words are known in one language only. */
function reserveByProgram(fd: number, bytes: number): number {
  const env = { ...process.env, LC_ALL: "C" };
  for (const [program, ...first] of [["fallocate"], ["busybox", "fallocate"]] as const) {
    const { status, stderr } = spawnSync(program, [...first, "-l", String(bytes), "/proc/self/fd/3"], {
      env,
      stdio: ["ignore", "ignore", "pipe", fd],
      encoding: "utf8",
      timeout: TIMEOUT_MS,
    });
    if (status === 0) return 0;
    const known = WORDS.find(([words]) => stderr?.includes(words));
    if (known !== undefined) return errno[known[1]];
  }
  return errno.ENOSYS;
}

function noRoom(code: ErrnoName, path: string, bytes: number): SnapringError {
  const refusal = errnoError(errno[code], `space for a COW file ${path} of ${formatSize(bytes)} cannot be reserved`);
  const hint = code === "EFBIG" ? refusal.hint : undefined;
  return new SnapringError(code, refusal.message, {
    hint: hint ?? "make it smaller, or sparse: then a full file system makes the snapshot invalid",
  });
}

function cannotReserve(path: string, why: string): SnapringError {
  return new SnapringError("EOPNOTSUPP", `space for a COW file ${path} cannot be reserved: ${why}`, {
    hint: "make it sparse, then a full file system makes the snapshot invalid; or put it on another file system",
  });
}
