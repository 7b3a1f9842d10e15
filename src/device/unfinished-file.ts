/**
 * A file that is not there before it is whole: made under another name beside the one that it is to have, and renamed at its end.
 *
 *   make ─▶ .snapring-RANDOM.part in the folder, its owner's alone ─▶ written ─▶ finish: mode, flush, name, flush of the folder
 *                                                                    └▶ abandon: removed
 *
 * A process that is killed leaves the other name behind, which nobody takes for the file. The folder is held open, so that a swap of
 * folders does not lead elsewhere; nothing that is there already is opened, followed or, unless it is asked for, replaced.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { type CalledFile, fileCalls } from "./file-calls.ts";
import { removePlaced } from "./placed-file.ts";

const OWNERS_ALONE = 0o600;
/** File systems without hard links (FAT, some of FUSE's) say so in one of these ways. */
const NO_LINKS: readonly unknown[] = ["EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK", "EINVAL"];

export class UnfinishedFile {
  readonly file: CalledFile;
  /** Where it lies until it is finished. */
  readonly path: string;
  readonly #folder: CalledFile;
  readonly #name: string;
  readonly #other: string;

  private constructor(folder: CalledFile, file: CalledFile, path: string, other: string) {
    this.#folder = folder;
    this.file = file;
    this.path = join(dirname(path), other);
    this.#name = basename(path);
    this.#other = other;
  }

  /** Throws what the system calls do; a SnapringError (ENOENT) where there is no folder for it. */
  static async make(path: string): Promise<UnfinishedFile> {
    const folder = await fileCalls()
      .open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
      .catch((error: unknown) => {
        throw (error as NodeJS.ErrnoException).code === "ENOENT" ? noFolder(path) : error;
      });
    try {
      const other = `.snapring-${randomBytes(9).toString("hex")}.part`;
      const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      const file = await fileCalls().open(inside(folder, other), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, OWNERS_ALONE);
      const unfinished = new UnfinishedFile(folder, file, path, other);
      // A umask may have taken rights away that its owner needs.
      await unfinished.#orAbandon(() => file.chmod(OWNERS_ALONE));
      return unfinished;
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  /**
   * Durable under its name when it resolves. Throws what the system calls do, EEXIST where it may not replace: then it is gone, and what stood at
   * its name stands. But where it may replace and only the folder's last flush fails, it stands there already, and stays: what it has replaced
   * cannot be brought back. Either of the two may be found after a crash then.
   */
  async finish({ replace, mode = OWNERS_ALONE }: { replace: boolean; mode?: number | undefined }): Promise<void> {
    await this.#orAbandon(async () => {
      await this.file.chmod(mode);
      await this.file.sync();
      if (replace) await fileCalls().rename(inside(this.#folder, this.#other), inside(this.#folder, this.#name));
      else await this.#link();
      await this.#flushFolder(replace);
    });
    await this.#close();
  }

  /** It is gone. */
  async abandon(): Promise<void> {
    await fileCalls()
      .rm(inside(this.#folder, this.#other), { force: true })
      .catch(() => {});
    await this.#close();
  }

  /** Unlike a rename it never replaces. */
  async #link(): Promise<void> {
    const other = inside(this.#folder, this.#other);
    const target = inside(this.#folder, this.#name);
    try {
      await fileCalls().link(other, target);
    } catch (error) {
      if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code)) throw error;
      if (await isThere(target)) throw Object.assign(new Error("EEXIST: file exists"), { code: "EEXIST" });
      return fileCalls().rename(other, target);
    }
    await this.#orTakeBack(() => fileCalls().rm(other));
  }

  async #flushFolder(isReplacing: boolean): Promise<void> {
    if (isReplacing) await this.#folder.sync();
    else await this.#orTakeBack(() => this.#folder.sync());
  }

  /** What has its name by now, where nothing stood, goes again: whoever is told of a failure may make it once more. */
  async #orTakeBack(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      const { dev: device, ino: inode } = await this.file.stat();
      removePlaced({ path: inside(this.#folder, this.#name), device, inode });
      throw error;
    }
  }

  async #orAbandon(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.file.close();
    await this.#folder.close();
  }
}

/** Whatever the folder's path leads to now. */
function inside(folder: CalledFile, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`;
}

/** "no such file" would be said of what is just to be made. */
function noFolder(path: string): SnapringError {
  return new SnapringError("ENOENT", `cannot make ${path}: there is no folder ${dirname(path)}`, {
    hint: "make the folder first, or check the path",
  });
}

async function isThere(path: string): Promise<boolean> {
  return fileCalls()
    .lstat(path)
    .then(
      () => true,
      () => false,
    );
}
