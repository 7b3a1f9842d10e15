/**
 * A device as a file: opened, locked, described, and read and written synchronously.
 *
 * For whoever works without rings: the offline commands, and the opening of a store. Plain node:fs calls; what must be durable
 * goes through `sync`. Positions and lengths are bytes. Every error names the file and says what was being done, for people see
 * it as it is. What does not fill a sector at the end of a file is not part of the device (S-18).
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { assert } from "../base/assert.ts";
import { advice, say } from "../base/advice.ts";
import { SnapringError } from "../base/errno.ts";
import { alignDown, divExact, SECTOR_BYTES, type Sector } from "../base/units.ts";
import { type DeviceFacts, deviceFacts } from "./device-facts.ts";
import { lockDevice } from "./device-lock.ts";
import { NO_WAY } from "./lock-program.ts";
import { backingFile } from "./loop-device.ts";
import { systemError } from "./system-error.ts";

/**
 * look: read, whoever else uses the device (what is seen may be changing). read: read, and nobody may write meanwhile.
 * write: read and write, and nobody else may use it. write-unlocked: as write, and also where nothing can be locked.
 */
export type AccessMode = "look" | "read" | "write" | "write-unlocked";

/** For those who were asked by name to do without a lock where none can be had. */
export function writeMode(unlocked: boolean | undefined): AccessMode {
  return unlocked === true ? "write-unlocked" : "write";
}

/** Zeroes are written and looked for in pieces of this much. */
const PIECE_BYTES: number = 1024 * 1024;

/** What is known of a file that is open, as plain values: another thread may have opened it. */
export interface OpenedFile {
  readonly path: string;
  readonly fd: number;
  /** Whole sectors only. */
  readonly sizeBytes: number;
  /** 512 for a regular file. */
  readonly logicalBlockBytes: number;
  readonly isBlockDevice: boolean;
  /** Bytes at the end that fill no sector. */
  readonly tailBytes: number;
  /** Equal for two names of one device. */
  readonly identity: string;
  /** Undefined: it is locked, or only looked at. Else one line about a device that others may use meanwhile. */
  readonly lockWarning: string | undefined;
  /** The file of a loop device, locked as the device is: it may be used by its own name, too. -1: there is none. */
  readonly behind: number;
}

/** One that another device must not be (S-21). */
export type OtherDevice = Pick<OpenedFile, "path" | "identity">;

export class DeviceFile implements Disposable, OpenedFile {
  readonly path: string;
  readonly fd: number;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly isBlockDevice: boolean;
  readonly tailBytes: number;
  readonly identity: string;
  readonly lockWarning: string | undefined;
  readonly behind: number;

  /** Of a file that is open: its descriptors are this one's from now on. */
  constructor(opened: OpenedFile) {
    this.path = opened.path;
    this.fd = opened.fd;
    this.sizeBytes = opened.sizeBytes;
    this.logicalBlockBytes = opened.logicalBlockBytes;
    this.isBlockDevice = opened.isBlockDevice;
    this.tailBytes = opened.tailBytes;
    this.identity = opened.identity;
    this.lockWarning = opened.lockWarning;
    this.behind = opened.behind;
  }

  /** As `openFile`. */
  static open(...how: Parameters<typeof openFile>): DeviceFile {
    return new DeviceFile(openFile(...how));
  }

  get sectors(): Sector {
    return divExact(this.sizeBytes, SECTOR_BYTES);
  }

  /** Fills all of `bytes`. */
  read(position: number, bytes: Uint8Array): void {
    assert(position >= 0 && position + bytes.length <= this.sizeBytes, "read outside of the device");
    let done = 0;
    while (done < bytes.length) {
      const n = this.#call("read", position + done, () =>
        readSync(this.fd, bytes, done, bytes.length - done, position + done),
      );
      if (n === 0)
        throw new SnapringError("EIO", `${this.path} ended at byte ${position + done} while it was being read`);
      done += n;
    }
  }

  /** Writes all of `bytes`; not durable before `sync`. */
  write(position: number, bytes: Uint8Array): void {
    assert(position >= 0 && position + bytes.length <= this.sizeBytes, "write outside of the device");
    let done = 0;
    while (done < bytes.length) {
      const n = this.#call("write", position + done, () =>
        writeSync(this.fd, bytes, done, bytes.length - done, position + done),
      );
      if (n === 0) throw new SnapringError("EIO", `${this.path} took no byte of a write at byte ${position + done}`);
      done += n;
    }
  }

  /** As `write`, of zeroes, with little memory whatever the length. */
  writeZeroes(position: number, length: number): void {
    const zeroes = new Uint8Array(Math.min(length, PIECE_BYTES));
    for (let done = 0; done < length; done += zeroes.length)
      this.write(position + done, zeroes.subarray(0, Math.min(zeroes.length, length - done)));
  }

  /** The place of the first byte of a range that is not zero; undefined: there is none. Needs little memory whatever the length. */
  firstNonZero(position: number, length: number): number | undefined {
    const bytes = Buffer.alloc(Math.min(length, PIECE_BYTES));
    const zeroes = Buffer.alloc(bytes.length);
    for (let done = 0; done < length; done += bytes.length) {
      const part = bytes.subarray(0, Math.min(bytes.length, length - done));
      this.read(position + done, part);
      if (zeroes.compare(part, 0, part.length, 0, part.length) === 0) continue;
      return position + done + part.findIndex((byte) => byte !== 0);
    }
    return undefined;
  }

  /** Everything written so far is durable. */
  sync(): void {
    this.#call("flush", 0, () => fsyncSync(this.fd));
  }

  [Symbol.dispose](): void {
    try {
      closeSync(this.fd);
    } finally {
      if (this.behind >= 0) closeSync(this.behind);
    }
  }

  #call<T>(verb: string, position: number, body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw systemError(error, `cannot ${verb} ${this.path}${verb === "flush" ? "" : ` at byte ${position}`}`);
    }
  }
}

/**
 * Throws a SnapringError: missing, a directory, no permission, neither file nor block device, in use; ENOLCK where it is to be
 * written and cannot be locked; EINVAL where it is the
 * same device as `origin` (S-21) or one of `cows`, those of other snapshots, by whatever name. `elsewhere`: the caller locks
 * another descriptor of it (`lockAs`).
 */
export function openFile(
  path: string,
  mode: AccessMode,
  what: string,
  origin?: OtherDevice,
  cows: readonly OtherDevice[] = [],
  lockOn: "here" | "elsewhere" = "here",
): OpenedFile {
  const name = `${what} ${path}`;
  const flags = (isWriting(mode) ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK;
  // O_NONBLOCK: a FIFO is to be refused, not waited for.
  let fd = openOrExplain(path, flags, what);
  try {
    const facts = deviceFacts(fd);
    if (facts.kind === "block" && isWriting(mode)) fd = exclusively(fd, flags, name);
    refuseOtherKinds(facts, fd, name);
    const { identity, logicalBlockBytes } = facts;
    // Before the lock, which would only say that somebody (ourselves) has it, and without the addon would not be there.
    if (origin !== undefined) refuseSameDevice({ path, identity }, origin, "origin device");
    refuseOtherCows({ path, identity }, cows);
    const sizeBytes = alignDown(facts.sizeBytes, SECTOR_BYTES);
    const tailBytes = facts.sizeBytes - sizeBytes;
    const isBlockDevice = facts.kind === "block";
    const lockWarning = mode === "look" || lockOn === "elsewhere" ? undefined : lockAs(mode, fd, path, what);
    const behind = mode === "look" ? -1 : lockBacking(facts, mode, name);
    return { path, fd, sizeBytes, logicalBlockBytes, isBlockDevice, tailBytes, identity, lockWarning, behind };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function isWriting(mode: AccessMode): boolean {
  return mode === "write" || mode === "write-unlocked";
}

/**
 * E-42, on a descriptor of the device. Undefined: locked; else one line about a device that others may use meanwhile. Throws a SnapringError:
 * EBUSY, or ENOLCK where it is to be written and cannot be locked.
 */
export function lockAs(mode: AccessMode, fd: number, path: string, what: string): string | undefined {
  const name = `${what} ${path}`;
  const reason = lockDevice(fd, name, isWriting(mode) ? "exclusive" : "shared");
  if (reason === undefined) return undefined;
  if (mode !== "write") return `${path} is not locked (${reason}): make sure that nobody else uses it`;
  throw new SnapringError("ENOLCK", `${name} cannot be locked, so it is not opened for writing: ${reason}`, {
    hint: advice`${reason === NO_WAY ? "install util-linux or build the addon (snapring build-addon); " : ""}${say.unlocked} goes on without`,
  });
}

function openOrExplain(path: string, flags: number, what: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw systemError(error, `cannot open ${what} ${path}`);
  }
}

/** A block device that is mounted, or part of another one, is refused (O_EXCL). The same device, whatever its path leads to by now. */
function exclusively(fd: number, flags: number, name: string): number {
  let own: number;
  try {
    own = openSync(`/proc/self/fd/${fd}`, flags | constants.O_EXCL);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw systemError(error, `cannot open ${name}`);
    throw new SnapringError(
      "EBUSY",
      `${name} is in use: it is mounted, or part of another device, or another program has it`,
      {
        hint: "unmount it first, or use another device",
      },
    );
  }
  closeSync(fd);
  return own;
}

/** -1 where there is nothing to be locked, or it cannot be reached. */
function lockBacking(facts: DeviceFacts, mode: AccessMode, name: string): number {
  const backing = facts.kind === "block" ? backingFile(facts.number) : undefined;
  if (backing === undefined || !backing.isWhole) return -1;
  let fd: number;
  try {
    fd = openSync(backing.path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return -1;
  }
  try {
    lockDevice(fd, `${backing.path}, the file of ${name},`, isWriting(mode) ? "exclusive" : "shared");
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Two snapshots on one device: each would overwrite what the other keeps. */
export function refuseOtherCows(cow: OtherDevice, others: readonly OtherDevice[]): void {
  for (const other of others) refuseSameDevice(cow, other, "another snapshot's");
}

/** A store on the device that it is of would overwrite it: refused, whatever the two names are (S-21). */
function refuseSameDevice(cow: OtherDevice, other: OtherDevice, whose: string): void {
  if (cow.identity !== other.identity) return;
  throw new SnapringError("EINVAL", `${cow.path}: COW device cannot be the same as ${whose} ${other.path}`, {
    hint: "name another file",
  });
}

function refuseOtherKinds(facts: DeviceFacts, fd: number, name: string): void {
  if (facts.kind !== "other") return;
  if (fstatSync(fd).isDirectory()) {
    throw new SnapringError("EISDIR", `${name} is a directory`, { hint: "name a file or block device" });
  }
  throw new SnapringError("EINVAL", `${name} is neither a regular file nor a block device`);
}
