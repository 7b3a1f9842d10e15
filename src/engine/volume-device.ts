/**
 * A device of a volume, open for its workers: facts, exclusive lock, and the descriptor that does the I/O.
 *
 *   direct (O_DIRECT)   block devices, and files on file systems that know it: io_uring, whole blocks of `align` bytes
 *   buffered            tmpfs, odd sizes, or on request: the page cache, inside a worker's turn as far as that does not wait
 *
 * Which one is chosen is a fact of the device and its file system (architecture: buffered I/O through io_uring goes to slower
 * kernel threads). The lock is on the descriptor that does the I/O, until `close` (E-42): the kernel may still have requests of a
 * process that was killed, and keeps their descriptor open meanwhile, so that nobody gets the lock before the last of them has ended (C-49).
 */
import { closeSync, constants, fdatasync, openSync } from "node:fs";
import { advice, say } from "../base/advice.ts";
import { errno, errnoOf, SnapringError } from "../base/errno.ts";
import { divFloor, SECTOR_BYTES } from "../base/units.ts";
import { type AccessMode, DeviceFile, lockAs, writeMode } from "../device/device-file.ts";
import { deviceFacts } from "../device/device-facts.ts";
import { unlockDevice } from "../device/device-lock.ts";
import { loadNative } from "../device/native.ts";
import { systemError } from "../device/system-error.ts";
import type { DeviceDescription } from "../ring/worker-data.ts";

export interface VolumeDeviceOptions {
  readonly path: string;
  /** "origin" or "COW device": for messages, before its path. */
  readonly what: string;
  readonly readOnly: boolean;
  /** It is only read, but by nobody else meanwhile: two who keep its register would each forget what the other has written there. */
  readonly alone?: boolean;
  /** Open it for writing where it cannot be locked, too. */
  readonly unlocked: boolean;
  /** "auto": direct where it serves. */
  readonly direct: boolean | "auto";
  /** Of a COW device: it must be another one (S-21). */
  readonly origin?: DeviceFile | undefined;
  /** Of a COW device: those of the other snapshots. */
  readonly cows?: readonly DeviceFile[];
}

/** Buffers of requests keep their place inside a page, so no device may ask for more. */
const ALIGN_MAX = 4096;

export class VolumeDevice {
  readonly file: DeviceFile;
  /** Why it is buffered, where direct I/O was wanted. */
  readonly note: string | undefined;
  /** Undefined: it is locked. Else one line about a device that others may use meanwhile. */
  readonly lockWarning: string | undefined;
  readonly #mode: AccessMode;
  readonly #options: VolumeDeviceOptions;
  #fd: number;
  #align: number;

  /** Throws a SnapringError: what DeviceFile refuses, EBUSY for a device in use, EINVAL where direct I/O was demanded in vain. */
  constructor(options: VolumeDeviceOptions) {
    const { path, readOnly, unlocked, what, origin, cows } = options;
    // One writer at a time; readers share (E-42).
    this.#mode = readOnly ? "read" : writeMode(unlocked);
    this.file = new DeviceFile(path, this.#mode, what, origin, cows, "elsewhere");
    this.#options = options;
    this.#fd = -1;
    this.#align = 1;
    try {
      const direct = options.direct === false ? "buffered on request" : this.#openDirect(options);
      if (direct !== undefined) this.#fd = openSync(again(this.file), flagsOf(options));
      this.lockWarning = this.#lock();
      this.note = options.direct === false ? undefined : direct;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get fd(): number {
    return this.#fd;
  }

  get align(): number {
    return this.#align;
  }

  get inline(): boolean {
    return this.#align === 1;
  }

  /** Smallest unit that is written atomically, for metadata (S-55). */
  get metadataBlockBytes(): number {
    return Math.max(this.#align, this.file.logicalBlockBytes);
  }

  /** What people should know of it: lines for the log (S-18, E-42). */
  remarks(): readonly string[] {
    const { tailBytes, path } = this.file;
    const tail = tailBytes > 0 ? [`${path}: the last ${tailBytes} bytes fill no sector and are not served`] : [];
    const buffered = this.note !== undefined && this.#options.direct === true ? [`${path}: ${this.note}`] : [];
    return [...(this.lockWarning === undefined ? [] : [this.lockWarning]), ...tail, ...buffered];
  }

  describe(file: number): DeviceDescription {
    return { file, align: this.#align, inline: this.inline };
  }

  /** The device may have grown or shrunk since it was opened. */
  sectorsNow(): number {
    return divFloor(deviceFacts(this.file.fd).sizeBytes, SECTOR_BYTES);
  }

  /** Go on without direct I/O: the sizes around it are no multiples of `align`. What is to be said of its lock now, where it was locked. */
  useBuffered(): string | undefined {
    if (this.#align === 1) return undefined;
    // The lock goes with the descriptor. Nothing has been done with the device yet, so that somebody may come in between. The new one
    // comes first: where it is refused the old one is still there, and its number is nobody else's.
    const fd = openSync(again(this.file), flagsOf(this.#options));
    const direct = this.#fd;
    this.#fd = fd;
    this.#align = 1;
    closeSync(direct);
    const warning = this.#lock();
    return this.lockWarning === undefined ? warning : undefined;
  }

  /** On the descriptor through which the I/O goes: the kernel keeps it until the last request of a killed process has ended. */
  #lock(): string | undefined {
    const { path, what } = this.#options;
    return lockAs(this.#options.alone === true ? writeMode(this.#options.unlocked) : this.#mode, this.#fd, path, what);
  }

  /** Everything that has been written is durable: 0, or why not. */
  flush(): Promise<number> {
    return new Promise((resolve) => fdatasync(this.#fd, (error) => resolve(error === null ? 0 : errnoOf(error))));
  }

  /** `quiet`: nothing of ours is under way on it, so the next one need not wait until the kernel has taken the rings down. */
  close(quiet = true): void {
    if (this.#fd >= 0 && quiet) unlockDevice(this.#fd);
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.file[Symbol.dispose]();
  }

  /** Undefined where the device is open for direct I/O; else the reason why not. */
  #openDirect(options: VolumeDeviceOptions): string | undefined {
    const reason = this.#refusal(options.direct === true);
    if (reason === undefined) return undefined;
    if (options.direct !== true) return reason;
    throw new SnapringError("EINVAL", `${options.what} ${options.path} cannot be used with direct I/O: ${reason}`, {
      hint: advice`leave ${say.direct} out`,
    });
  }

  #refusal(demanded: boolean): string | undefined {
    if (loadNative().native === undefined) return "no native addon";
    const facts = deviceFacts(this.file.fd);
    if (facts.isMemory && !demanded) return "tmpfs is faster through the page cache";
    if (!facts.hasDirect) return "the file system has no direct I/O";
    const align = Math.max(facts.directAlignBytes, facts.logicalBlockBytes);
    if (align > ALIGN_MAX) return `its blocks of ${align} bytes are larger than ${ALIGN_MAX}`;
    if (this.file.sizeBytes % align !== 0) return `its size is no multiple of ${align} bytes`;
    try {
      this.#fd = openSync(again(this.file), flagsOf(this.#options) | constants.O_DIRECT);
    } catch (error) {
      if (errnoOf(error) === errno.EINVAL) return "the file system has no direct I/O";
      throw systemError(error, `cannot open ${this.file.path}`);
    }
    this.#align = align;
    return undefined;
  }
}

/** The very file that is open and locked, whatever stands at its path by now. */
function again({ fd }: DeviceFile): string {
  return `/proc/self/fd/${fd}`;
}

function flagsOf(options: VolumeDeviceOptions): number {
  return options.readOnly ? constants.O_RDONLY : constants.O_RDWR;
}
