/**
 * A device of a volume, open for its workers, as main has it: facts, exclusive lock, and the descriptor that does the I/O. How it is opened, and
 * what direct and buffered I/O are: opening/open-device.ts, in an opening thread.
 *
 * The lock is on the descriptor that does the I/O, until `close` (E-42).
 */
import { closeSync, fdatasync } from "node:fs";
import { CLOSE_GRACE_MS } from "../base/constants.ts";
import { divFloor, SECTOR_BYTES } from "../base/units.ts";
import { DeviceFile } from "../device/device-file.ts";
import { unlockDevice } from "../device/device-lock.ts";
import { errorOf } from "../opening/answer.ts";
import type { DeviceOrder, OpenedDevice, Reopened } from "../opening/open-device.ts";
import type { DeviceDescription } from "../ring/worker-data.ts";
import type { Openings } from "./opening-pool.ts";

export class VolumeDevice {
  readonly file: DeviceFile;
  /** Why it is buffered, where direct I/O was wanted. */
  readonly note: string | undefined;
  /** Undefined: it is locked. Else one line about a device that others may use meanwhile. */
  readonly lockWarning: string | undefined;
  readonly #order: DeviceOrder;
  #fd: number;
  #align: number;
  #leftTo: Promise<unknown> | undefined;

  /** Of a device that is open: its descriptors are this one's from now on. */
  constructor({ order, file, fd, align, note, lockWarning }: OpenedDevice) {
    this.file = new DeviceFile(file);
    this.note = note;
    this.lockWarning = lockWarning;
    this.#order = order;
    this.#fd = fd;
    this.#align = align;
  }

  /** Throws a SnapringError: what DeviceFile refuses, EBUSY for a device in use, EINVAL where direct I/O was demanded in vain; an AbortError. */
  static async open(openings: Openings, order: DeviceOrder, stop?: AbortSignal): Promise<VolumeDevice> {
    const late = (opened: OpenedDevice): void => new VolumeDevice(opened).close();
    return new VolumeDevice(await openings.run("openDevice", order, { stop, late }));
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
    const buffered = this.note !== undefined && this.#order.direct === true ? [`${path}: ${this.note}`] : [];
    return [...(this.lockWarning === undefined ? [] : [this.lockWarning]), ...tail, ...buffered];
  }

  describe(file: number): DeviceDescription {
    return { file, align: this.#align, inline: this.inline };
  }

  /** The device may have grown or shrunk since it was opened. */
  async sectorsNow(openings: Openings): Promise<number> {
    return divFloor(await openings.run("sizeNow", this.file, { urgent: true }), SECTOR_BYTES);
  }

  /**
   * Its file has so many bytes or more (`sparse`: without their space): how many sectors it has then. Throws a SnapringError (ENOSPC …): it is as before. It is not closed while that is
   * under way, for the number would be another file's.
   */
  async grow(openings: Openings, bytes: number, sparse: boolean): Promise<number> {
    const { fd, path } = this.file;
    const grown = openings.run("growFile", { fd, path, bytes, sparse }, { urgent: true });
    this.leaveTo(grown);
    return divFloor(await grown, SECTOR_BYTES);
  }

  /** Bytes that its file system has left, with what is kept for root. */
  freeBytes(openings: Openings): Promise<number> {
    const free = openings.run("freeBytes", this.file.fd, { urgent: true });
    this.leaveTo(free);
    return free;
  }

  /** Go on without direct I/O: the sizes around it are no multiples of `align`. What is to be said of its lock now, where it was locked. */
  async useBuffered(openings: Openings, stop?: AbortSignal): Promise<string | undefined> {
    if (this.#align === 1) return undefined;
    const device = { order: this.#order, file: this.file, fd: this.#fd };
    const take = ({ fd }: Reopened): void => {
      this.#fd = fd;
      this.#align = 1;
    };
    const reopened = await openings.run("reopenBuffered", device, { stop, uses: this, late: take });
    take(reopened);
    const { lockWarning, refused } = reopened;
    if (refused !== undefined) throw errorOf(refused);
    return this.lockWarning === undefined ? lockWarning : undefined;
  }

  /** Everything that has been written is durable: 0, or why not. */
  flush(openings: Openings): Promise<number> {
    return openings.run("flush", this.#fd, { urgent: true });
  }

  /** The same by one of node's helpers, at the end of a process that does not end in order: no thread has to be started for it. It waits for a while at most. */
  flushAtLast(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, CLOSE_GRACE_MS);
      fdatasync(this.#fd, () => resolve());
    });
  }

  /** An opening thread hangs in a call to it, and so would its close: that comes when the call has ended. */
  leaveTo(ended: Promise<unknown>): void {
    this.#leftTo = Promise.allSettled([this.#leftTo, ended]);
  }

  /** `quiet`: nothing of ours is under way on it, so the next one need not wait until the kernel has taken the rings down. */
  close(quiet = true): void {
    const hung = this.#leftTo;
    this.#leftTo = undefined;
    const close = (): void => this.close(quiet);
    if (hung !== undefined) return void hung.then(close);
    if (this.#fd >= 0 && quiet) unlockDevice(this.#fd);
    if (this.#fd >= 0) closeAnyhow(() => closeSync(this.#fd));
    this.#fd = -1;
    closeAnyhow(() => this.file[Symbol.dispose]());
  }
}

/** The number is free again whatever the file system says (a server that has gone): nothing was left to be written, and others are to be closed, too. */
function closeAnyhow(close: () => void): void {
  try {
    close();
  } catch (error) {
    if (typeof (error as { code?: unknown }).code !== "string") throw error;
  }
}
