/**
 * Calls to a file system that may take their time: by node's helper threads, or in the thread that makes them.
 *
 *   main               promise ─▶ one of node's helpers, four in the whole process ─▶ resolved
 *   an opening thread  the call itself, which waits there                          ─▶ resolved already
 *
 * Calls to a file system that does not answer never end. Four of them would take every helper, and the registers, stores and files of all volumes would wait
 * for them; so whoever has a thread of its own to wait in, waits there. Which of the two it is, is said once, when the thread begins.
 */
import * as fs from "node:fs";
import * as promises from "node:fs/promises";
import { promisify } from "node:util";

/** A file that is open; as node's FileHandle, which is one. */
export interface CalledFile {
  readonly fd: number;
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  stat(): Promise<fs.Stats>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Each rejects with what the system call says. */
export interface FileCalls {
  open(path: string, flags: number, mode?: number): Promise<CalledFile>;
  read(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  lstat(path: string): Promise<fs.Stats>;
  statfs(path: string): Promise<fs.StatsFs>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options?: { readonly force: boolean }): Promise<void>;
  mkdir(path: string, options: { readonly recursive: boolean; readonly mode: number }): Promise<unknown>;
}

const readAt = promisify(fs.read);

const BY_HELPERS: FileCalls = {
  open: (...how) => promises.open(...how),
  read: (...how) => readAt(...how),
  lstat: (path) => promises.lstat(path),
  statfs: (path) => promises.statfs(path),
  link: (...how) => promises.link(...how),
  rename: (...how) => promises.rename(...how),
  rm: (...how) => promises.rm(...how),
  mkdir: (...how) => promises.mkdir(...how),
};

const IN_THREAD: FileCalls = {
  open: async (path, flags, mode) => new ThreadsFile(fs.openSync(path, flags, mode)),
  read: async (...how) => ({ bytesRead: fs.readSync(...how) }),
  lstat: async (path) => fs.lstatSync(path),
  statfs: async (path) => fs.statfsSync(path),
  link: async (from, to) => fs.linkSync(from, to),
  rename: async (from, to) => fs.renameSync(from, to),
  rm: async (path, options) => fs.rmSync(path, options),
  mkdir: async (path, options) => fs.mkdirSync(path, options),
};

let calls = BY_HELPERS;

export function fileCalls(): FileCalls {
  return calls;
}

/** This thread serves nobody, and may wait: from now on it makes its calls itself. */
export function callInThisThread(): void {
  calls = IN_THREAD;
}

class ThreadsFile implements CalledFile {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd;
  }

  async read(...how: Parameters<CalledFile["read"]>): Promise<{ bytesRead: number }> {
    return { bytesRead: fs.readSync(this.fd, ...how) };
  }

  async write(...how: Parameters<CalledFile["write"]>): Promise<{ bytesWritten: number }> {
    return { bytesWritten: fs.writeSync(this.fd, ...how) };
  }

  async stat(): Promise<fs.Stats> {
    return fs.fstatSync(this.fd);
  }

  async chmod(mode: number): Promise<void> {
    fs.fchmodSync(this.fd, mode);
  }

  async chown(uid: number, gid: number): Promise<void> {
    fs.fchownSync(this.fd, uid, gid);
  }

  async sync(): Promise<void> {
    fs.fsyncSync(this.fd);
  }

  async truncate(bytes: number): Promise<void> {
    fs.ftruncateSync(this.fd, bytes);
  }

  /** A second call does nothing, as of node's FileHandle: the number may be another file's by then. */
  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) fs.closeSync(fd);
  }
}
