/**
 * Opens a device of a volume: facts, exclusive lock, and the descriptor that is to do the I/O. What main has of it then: engine/volume-device.ts.
 *
 *   direct (O_DIRECT)   block devices, and files on file systems that know it: io_uring, whole blocks of `align` bytes
 *   buffered            tmpfs, odd sizes, or on request: the page cache, inside a worker's turn as far as that does not wait
 *
 * Which one is chosen is a fact of the device and its file system (architecture: buffered I/O through io_uring goes to slower
 * kernel threads). The lock is on the descriptor that does the I/O, until it is closed (E-42): the kernel may still have requests of a
 * process that was killed, and keeps their descriptor open meanwhile, so that nobody gets the lock before the last of them has ended (C-49).
 *
 * Every call here may wait as long as the device, its file system or the lock's last holder likes: it runs in an opening thread. Descriptors are the
 * process's, so main has them by their numbers.
 */
import { closeSync, constants, openSync } from "node:fs";
import { advice, say } from "../base/advice.ts";
import { errno, errnoOf, SnapringError } from "../base/errno.ts";
import {
  type AccessMode,
  DeviceFile,
  lockAs,
  type OpenedFile,
  openFile,
  type OtherDevice,
  writeMode,
} from "../device/device-file.ts";
import { deviceFacts } from "../device/device-facts.ts";
import { loadNative } from "../device/native.ts";
import { systemError } from "../device/system-error.ts";
import { type Refusal, refusalOf } from "./answer.ts";

export interface DeviceOrder {
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
  readonly origin?: OtherDevice | undefined;
  /** Of a COW device: those of the other snapshots. */
  readonly cows?: readonly OtherDevice[];
}

/** Plain values. */
export interface OpenedDevice {
  readonly order: DeviceOrder;
  readonly file: OpenedFile;
  readonly fd: number;
  /** Smallest unit of the I/O; 1: buffered. */
  readonly align: number;
  /** Why it is buffered, where direct I/O was wanted. */
  readonly note: string | undefined;
  readonly lockWarning: string | undefined;
}

/** Buffers of requests keep their place inside a page, so no device may ask for more. */
const ALIGN_MAX = 4096;

interface Direct {
  readonly fd: number;
  readonly align: number;
}

/** Throws a SnapringError: what `openFile` refuses, EBUSY for a device in use, EINVAL where direct I/O was demanded in vain. */
export function openDevice(order: DeviceOrder): OpenedDevice {
  const { path, what, origin, cows } = order;
  const file = openFile(path, accessOf(order), what, origin, cows, "elsewhere");
  let fd = -1;
  try {
    const direct = order.direct === false ? "buffered on request" : openDirect(order, file);
    const isDirect = typeof direct === "object";
    fd = isDirect ? direct.fd : openSync(again(file), flagsOf(order));
    const lockWarning = lock(order, fd);
    const note = isDirect || order.direct === false ? undefined : direct;
    return { order, file, fd, align: isDirect ? direct.align : 1, note, lockWarning };
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    new DeviceFile(file)[Symbol.dispose]();
    throw error;
  }
}

/** The device has this descriptor now, also where it could not be locked again. */
export interface Reopened {
  readonly fd: number;
  readonly lockWarning: string | undefined;
  readonly refused: Refusal | undefined;
}

/**
 * Go on without direct I/O. The lock goes with the descriptor. Nothing has been done with the device yet, so that somebody may come in between. The new one
 * comes first: where it is refused (throws) the old one, `fd`, is still there, and its number is nobody else's.
 */
export function reopenBuffered({ order, file, fd }: Pick<OpenedDevice, "order" | "file" | "fd">): Reopened {
  const buffered = openSync(again(file), flagsOf(order));
  closeSync(fd);
  try {
    return { fd: buffered, lockWarning: lock(order, buffered), refused: undefined };
  } catch (error) {
    return { fd: buffered, lockWarning: undefined, refused: refusalOf(error) };
  }
}

/** One writer at a time; readers share (E-42). */
function accessOf({ readOnly, unlocked }: DeviceOrder): AccessMode {
  return readOnly ? "read" : writeMode(unlocked);
}

/** On the descriptor through which the I/O goes: the kernel keeps it until the last request of a killed process has ended. */
function lock(order: DeviceOrder, fd: number): string | undefined {
  const mode = order.alone === true ? writeMode(order.unlocked) : accessOf(order);
  return lockAs(mode, fd, order.path, order.what);
}

/** The device is open for direct I/O; else the reason why not. */
function openDirect(order: DeviceOrder, file: OpenedFile): Direct | string {
  const direct = tryDirect(order, file);
  if (typeof direct === "object" || order.direct !== true) return direct;
  throw new SnapringError("EINVAL", `${order.what} ${order.path} cannot be used with direct I/O: ${direct}`, {
    hint: advice`leave ${say.direct} out`,
  });
}

function tryDirect(order: DeviceOrder, file: OpenedFile): Direct | string {
  if (loadNative().native === undefined) return "no native addon";
  const facts = deviceFacts(file.fd);
  if (facts.isMemory && order.direct !== true) return "tmpfs is faster through the page cache";
  if (!facts.hasDirect) return "the file system has no direct I/O";
  const align = Math.max(facts.directAlignBytes, facts.logicalBlockBytes);
  if (align > ALIGN_MAX) return `its blocks of ${align} bytes are larger than ${ALIGN_MAX}`;
  if (file.sizeBytes % align !== 0) return `its size is no multiple of ${align} bytes`;
  try {
    return { fd: openSync(again(file), flagsOf(order) | constants.O_DIRECT), align };
  } catch (error) {
    if (errnoOf(error) === errno.EINVAL) return "the file system has no direct I/O";
    throw systemError(error, `cannot open ${file.path}`);
  }
}

/** The very file that is open and locked, whatever stands at its path by now. */
function again({ fd }: OpenedFile): string {
  return `/proc/self/fd/${fd}`;
}

function flagsOf({ readOnly }: DeviceOrder): number {
  return readOnly ? constants.O_RDONLY : constants.O_RDWR;
}
