/**
 * The daemon's state as a file: one daemon's at a time, read with care, replaced as a whole.
 *
 *   DIR/lock         flock, as long as the daemon lives: a second one is refused
 *   DIR/state.json   replaced by each change (device/unfinished-file.ts): after a crash it is the old one or the new one. Its checksum tells a damaged one
 *   DIR/state.former what it was before the last change, for a person who has to repair it
 *
 *   change ─▶ a copy is changed ─▶ written, flushed, renamed ─▶ the copy is what is known      a failure: as it was, here and on disk
 *
 * Changes happen one after the other. Nothing here waits on main: the folder is the daemon's own, and node's helpers write it.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { Turns } from "../base/turns.ts";
import { lockMeanwhile } from "../device/device-lock.ts";
import { UnfinishedFile } from "../device/unfinished-file.ts";
import { writeAllTo } from "../device/write-all.ts";
import { Problem } from "./problem.ts";
import { removeFiles, unfinishedIn } from "./unfinished-files.ts";
import { checkedState, type DaemonState, newState } from "./state.ts";

const OWNERS_ALONE = 0o700;
const FILE = "state.json";
const FORMER = "state.former";

export class StateFile {
  readonly folder: string;
  readonly #lock: FileHandle;
  #state: DaemonState;
  readonly #turns = new Turns();

  private constructor(folder: string, lock: FileHandle, state: DaemonState) {
    this.folder = folder;
    this.#lock = lock;
    this.#state = state;
  }

  /** Makes the folder where it is not there. Throws a SnapringError: EBUSY (another daemon), EINVAL (damaged, of a newer version), EACCES, EROFS, ENOSPC … */
  static async open(given: string): Promise<StateFile> {
    const folder = resolve(given);
    await mkdir(folder, { recursive: true, mode: OWNERS_ALONE }).catch((error: unknown) => {
      throw unusable(folder, error);
    });
    const lock = await open(join(folder, "lock"), constants.O_RDWR | constants.O_CREAT, 0o600).catch(
      (error: unknown) => {
        throw unusable(folder, error);
      },
    );
    try {
      await lockFolder(lock.fd, folder);
      await removeFiles(await unfinishedIn(folder));
      return new StateFile(folder, lock, await readState(join(folder, FILE)));
    } catch (error) {
      await lock.close();
      throw error;
    }
  }

  /** Not to be changed but by `change`. */
  get now(): DaemonState {
    return this.#state;
  }

  /** Durable when it resolves, with what `how` returns. Rejects with what `how` throws, and with a Problem (state-unwritable): then nothing has changed. */
  change<T>(how: (state: DaemonState) => T): Promise<T> {
    return this.#turns.take(async () => {
      const next = structuredClone(this.#state);
      const result = how(next);
      await this.#write(next);
      this.#state = next;
      return result;
    });
  }

  /** What was asked for has been written. Another daemon may have the folder. */
  async close(): Promise<void> {
    await this.#turns.over();
    await this.#lock.close();
  }

  async #write(state: DaemonState): Promise<void> {
    const path = join(this.folder, FILE);
    try {
      const file = await UnfinishedFile.make(path);
      await writeAllTo(file.file, 0, Buffer.from(textOf(state))).catch(async (error: unknown) => {
        await file.abandon();
        throw error;
      });
      // What it was: missing after the first change, and no more than a help.
      await copyFile(path, join(this.folder, FORMER)).catch(() => {});
      await file.finish({ replace: true });
    } catch (error) {
      throw new Problem("state-unwritable", `cannot write ${path}: ${(error as Error).message}`, {
        cause: error,
        hint: "make room, or make the folder writable, and ask again; volumes are served meanwhile as they are",
      });
    }
  }
}

async function lockFolder(fd: number, folder: string): Promise<void> {
  try {
    const reason = await lockMeanwhile(fd, join(folder, "lock"), "exclusive");
    if (reason !== undefined) throw new SnapringError("ENOLCK", `${folder} cannot be locked: ${reason}`);
  } catch (error) {
    const { code, message } = error as SnapringError;
    if (code !== "EBUSY") throw error;
    throw new SnapringError("EBUSY", `another daemon has ${folder}: ${message}`, {
      hint: "stop that one, or use another --state",
    });
  }
}

async function readState(path: string): Promise<DaemonState> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw unusable(path, error);
  });
  if (text === undefined) return newState();
  const value = parsed(text);
  const version = value?.["version"];
  if (typeof version === "number" && version > 1)
    throw new SnapringError("EINVAL", `${path} is of version ${version}, made by a newer snapring`, {
      hint: "use that one",
    });
  const { checksum, ...rest } = value ?? {};
  const state = checksum === checksumOf(rest) ? checkedState(rest) : undefined;
  if (state === undefined) {
    throw new SnapringError("EINVAL", `${path} is damaged`, {
      hint: `${FORMER} beside it is what it was before its last change; without either, add the volumes again: their snapshots are registered beside their origins`,
    });
  }
  return state;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function textOf(state: DaemonState): string {
  return `${JSON.stringify({ ...state, checksum: checksumOf(state) }, null, 2)}\n`;
}

function checksumOf(content: object): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

function unusable(path: string, error: unknown): SnapringError {
  const { code = "EIO", message } = error as NodeJS.ErrnoException;
  return new SnapringError(code as "EIO", `cannot use ${path}: ${message}`, { cause: error });
}
