/**
 * The file of a Unix socket: it appears when somebody listens on it, replaces none on which somebody does, and goes with its server.
 *
 *   .snapring-RANDOM, a folder of ours alone in its folder ─▶ listen on a socket in there ─▶ its group ─▶ its mode
 *             ─▶ nothing stands at its name: linked there
 *             └▶ else, with the lock: stale? ─▶ renamed over it
 *   end       is it ours still? ─▶ removed ─▶ only then the listening ends
 *
 * Who listens has the file in its place already, and who has ended has taken it away before: so what stands there without anybody who
 * listens is stale for good, and two who find it so keep each other out by the lock (`.NAME.lock`, which lives that long). node removes
 * the name by which a socket was bound when it closes it, whoever's file that is by then: that name is the random one. The folder is held
 * open, so that a swap of folders leads nowhere else. Nobody else comes to the socket before it has the group and the mode that it is to have.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
} from "node:fs";
import { connect } from "node:net";
import { basename, dirname } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { lockMeanwhile } from "../device/device-lock.ts";
import { type PlacedFile, removePlaced } from "../device/placed-file.ts";

/** Whatever the umask, unless a mode was asked for: who may write to it is a client. */
const MODE_MAX = 0o755;
/** A group that was asked for is to connect. */
const GROUP_MODE = 0o660;
const FOLDER_MODE = 0o700;
const LOCK_MODE = 0o600;
/** A descriptor that leads to the file and cannot be read (fcntl.h); node has no name for it. */
const O_PATH = 0o10000000;
/** Each time somebody else had it and took it away. */
const LOCK_TRIES = 10;

/** Who may connect: a mode, and the number of a group. What is undefined is the umask's, and the process's. */
export interface FileAccess {
  readonly mode?: number | undefined;
  readonly group?: number | undefined;
}

export class SocketFile {
  readonly path: string;
  readonly #folder: number;
  #placed: PlacedFile | undefined;

  private constructor(path: string) {
    this.path = path;
    this.#folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /** `listen`: on the path that it is given. Throws what that does, system errors, or a SnapringError: somebody listens there already. */
  static async place(path: string, access: FileAccess, listen: (at: string) => Promise<void>): Promise<SocketFile> {
    const file = new SocketFile(path);
    try {
      await file.#place(access, listen);
      return file;
    } catch (error) {
      file.remove();
      throw error;
    }
  }

  /** Before the listening ends. Once. */
  remove(): void {
    if (this.#placed !== undefined) removePlaced(this.#placed);
    closeSync(this.#folder);
  }

  async #place(access: FileAccess, listen: (at: string) => Promise<void>): Promise<void> {
    const own = this.#inside(`.snapring-${randomBytes(9).toString("hex")}`);
    const other = `${own}/socket`;
    const target = this.#inside(basename(this.path));
    mkdirSync(own, { mode: FOLDER_MODE });
    try {
      await listen(other);
      const { dev, ino } = setAccess(other, access, this.path);
      if (!isLinked(other, target)) await this.#takeOver(other, target);
      this.#placed = { path: target, device: dev, inode: ino };
    } finally {
      rmSync(own, { force: true, recursive: true });
    }
  }

  async #takeOver(other: string, target: string): Promise<void> {
    const name = `.${basename(this.path)}.lock`;
    const lock = await lockBeside(this.#inside(name), this.path);
    try {
      await refuseUsed(this.path);
      renameSync(other, target);
    } finally {
      rmSync(this.#inside(name), { force: true });
      closeSync(lock);
    }
  }

  /** Whatever the folder's path leads to by now. */
  #inside(name: string): string {
    return `/proc/self/fd/${this.#folder}/${name}`;
  }
}

/** By a descriptor: a link that is put in its place must not lead to another file. */
function setAccess(path: string, { mode, group }: FileAccess, socket: string): Stats {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  const file = `/proc/self/fd/${fd}`;
  try {
    const stat = fstatSync(fd);
    if (group !== undefined) changeGroup(file, group, socket);
    const otherwise = group === undefined ? stat.mode & MODE_MAX : GROUP_MODE;
    chmodSync(file, mode ?? otherwise);
    return stat;
  } finally {
    closeSync(fd);
  }
}

function changeGroup(file: string, group: number, socket: string): void {
  try {
    chownSync(file, -1, group);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    const why = code === "EPERM" ? "permission denied" : message;
    throw new SnapringError("EACCES", `cannot listen on ${socket}: its group cannot become ${group}: ${why}`, {
      hint: "only root may give a file to a group that it is not a member of",
      cause,
    });
  }
}

/** False: something stands there, or the file system has no links. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** A descriptor of the file that stands there, locked by us. Throws system errors, or a SnapringError. */
async function lockBeside(path: string, socket: string): Promise<number> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  for (let tries = 1; tries <= LOCK_TRIES; tries++) {
    const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, LOCK_MODE);
    try {
      const { dev, ino } = fstatSync(fd);
      // Where nothing can be locked there is nothing better than to go on.
      await lockMeanwhile(fd, "lock", "exclusive");
      const there = lstatSync(path, { throwIfNoEntry: false });
      if (there?.dev === dev && there.ino === ino) return fd;
    } catch (error) {
      closeSync(fd);
      if (error instanceof SnapringError && error.code === "EBUSY") break;
      throw error;
    }
    closeSync(fd);
  }
  throw new SnapringError("EADDRINUSE", `cannot listen on ${socket}: another server is just taking it over`, {
    hint: "try again, or choose another path",
  });
}

async function refuseUsed(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new SnapringError("EEXIST", `cannot listen on ${path}: a file that is no socket stands there`, {
      hint: "choose another path",
    });
  }
  if (!(await isLive(path))) return;
  throw new SnapringError("EADDRINUSE", `cannot listen on ${path}: another server is listening there`, {
    hint: "stop it, or choose another path",
  });
}

function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Refused: nobody listens any more. Anything else, a full queue or a lack of permission, may be a live server.
    probe.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}
