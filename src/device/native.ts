/**
 * The native addon, typed: what `native-bindings/` exports, found, loaded once per thread, and checked.
 *
 * The addon carries its own copy of every number of the shared layouts; loading fails where one differs from ours, for
 * then it was built from other sources. A missing addon is no error here: `loadNative` tells the reason in one line,
 * and the caller takes another way.
 *
 *   SNAPRING_NO_NATIVE=1   as if the addon were missing
 *   SNAPRING_NO_URING=1    as if the kernel refused io_uring
 *
 * System calls that fail return -errno; wrong arguments throw a TypeError.
 */
import { createRequire } from "node:module";
import { errno, errnoName } from "../base/errno.ts";
import { addonPlaces } from "./native-places.ts";
import { AllocateMode, COMPLETION_WORDS, DESCRIPTOR_WORDS, IoArg, IoFlag, IoOp } from "../ring/io-descriptor.ts";
import { FileKind } from "./port.ts";

/** The functions of one ring, bound to it. */
export interface NativeRingHandle {
  /** Completions, or -errno: the ring itself has failed. */
  turn(count: number, wait: boolean): number;
  setFile(index: number, fd: number, kind: number): number;
  copy(target: number, source: number, length: number): void;
  zero(target: number, length: number): void;
  /** From here on a sleep ends when this thread's event loop has something to do, too. */
  watchLoop(): void;
  /** [enters, turns, submitted, completed, inline] */
  counters(): [number, number, number, number, number];
  /** True: nothing is under way any more; undefined: it was closed before. */
  close(): boolean | undefined;
  readonly setupFlags: number;
  readonly registeredBytes: number;
  readonly registeredFiles: number;
}

export interface EventWatch {
  ref(): void;
  unref(): void;
  /** No callback comes after this; close the watch before its descriptor. */
  close(): void;
}

/** Facts about an open file, as numbers; `device`, `inode`, `represents` (st_rdev) and `born` (nanoseconds, 0: unknown) are decimal. */
export interface NativeFacts {
  /** 0: regular file, 1: block device, 2: anything else. */
  readonly kind: number;
  readonly readOnly: number;
  readonly size: number;
  readonly logicalBlock: number;
  readonly directKnown: number;
  readonly directMemory: number;
  readonly directOffset: number;
  readonly filesystem: number;
  readonly device: string;
  readonly inode: string;
  readonly represents: string;
  readonly born: string;
}

export interface Native {
  /** 0: io_uring works; else -errno. */
  probe(): number;
  createRing(
    uring: boolean,
    arena: Uint8Array,
    submissions: Int32Array,
    completions: Int32Array,
    capacity: number,
    files: number,
    registeredBytes: number,
    queueEntries: number,
  ): NativeRingHandle | number;
  /** A new eventfd, or -errno. */
  createEvent(): number;
  signalEvent(fd: number): number;
  /** It goes with this thread's environment, unless `closeEvent` comes first: 0 or -errno. */
  ownEvent(fd: number): number;
  closeEvent(fd: number): number;
  /** Call back on this thread's event loop whenever the eventfd was signalled (once for any number of signals). */
  watchEvent(fd: number, callback: () => void): EventWatch | number;
  /** [0 or -errno, process that holds it or 0]; -EAGAIN: held by another. */
  lockFile(fd: number, exclusive: boolean): [number, number];
  unlockFile(fd: number): number;
  deviceFacts(fd: number): NativeFacts | number;
  /** An extended attribute's value, or -errno. */
  readAttribute(fd: number, name: string): string | number;
  /** 0 or -errno; an empty value takes the attribute away. */
  writeAttribute(fd: number, name: string, value: string): number;
  /** Gives a file its size and reserves the space: 0 or -errno. */
  reserveFile(fd: number, bytes: number): number;
  /** An empty file's data is overwritten in place from now on, where its file system would copy it: 0 or -errno. */
  forbidCopyOnWrite(fd: number): number;
  duplicateFile(fd: number): number;
  /** Seconds; 0 or -errno. */
  keepAlive(fd: number, idle: number, interval: number, probes: number): number;
  shutdownSocket(fd: number): number;
  /** One datagram of 4096 bytes at most to a Unix socket, at a path or (`@`) an abstract name. It never waits: 0 or -errno. */
  notifySocket(path: string, text: string): number;
  socketPair(): [number, number] | number;
  /** _exit: no thread is waited for. It does not return. */
  endProcess(code: number): void;
  /** Advice about so many bytes from the array's first one on: 0 or -errno. */
  useHugePages(bytes: Uint8Array, length: number): number;
  /** Shared memory reads as zeroes afterwards, and its whole pages are the kernel's until they are touched again: 0 or -errno. */
  clearPages(bytes: Uint8Array): number;
  /** The address of an array modulo 4096. */
  pageOffset(bytes: Uint8Array | Int32Array): number;
  readonly constants: Readonly<Record<string, number>>;
}

export type NativeLoad =
  | { readonly native: Native; readonly reason: undefined }
  | { readonly native: undefined; readonly reason: string };

let loaded: NativeLoad | undefined;

export function loadNative(): NativeLoad {
  loaded ??= load();
  return loaded;
}

function load(): NativeLoad {
  if (process.env["SNAPRING_NO_NATIVE"] === "1") return missing("native addon switched off by SNAPRING_NO_NATIVE");
  const loads = addonPlaces().map(loadFrom);
  return loads.find(({ native }) => native !== undefined) ?? loads[0] ?? missing(`native addon not built (${REMEDY})`);
}

/** In a check-out the set-up does it as well. */
const REMEDY = "npx snapring build-addon";

function loadFrom(path: string): NativeLoad {
  try {
    const native = createRequire(import.meta.url)(path) as Native;
    const differing = differingConstant(native.constants);
    if (differing === undefined) return { native, reason: undefined };
    return missing(`native addon was built from other sources: ${differing} differs (${REMEDY})`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return missing(`native addon cannot be loaded: ${text.split("\n")[0]} (${REMEDY})`);
  }
}

function missing(reason: string): NativeLoad {
  return { native: undefined, reason };
}

/** The first number that the addon and we do not agree about. */
export function differingConstant(theirs: Readonly<Record<string, number>>): string | undefined {
  const ours: Record<string, number> = { DESCRIPTOR_WORDS, COMPLETION_WORDS };
  for (const [group, members] of Object.entries({ IoOp, IoFlag, IoArg, AllocateMode, FileKind })) {
    for (const [name, value] of Object.entries(members)) ours[`${group}.${name}`] = value;
  }
  const names = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  return [...names].find((name) => ours[name] !== theirs[name]);
}

export interface UringProbe {
  readonly works: boolean;
  /** One line, where it does not work. */
  readonly reason: string | undefined;
}

const REFUSALS: Readonly<Record<number, string>> = {
  [errno.ENOSYS]: "this kernel has no io_uring, or too old a one",
  [errno.EPERM]: "io_uring is not permitted here (container seccomp profile or kernel.io_uring_disabled)",
  [errno.EACCES]: "io_uring is not permitted here",
  [errno.ENOMEM]: "the limit of locked memory is too low for io_uring (ulimit -l)",
};

/** Whether io_uring can be used on this machine, and why not. */
export function probeUring(): UringProbe {
  const { native, reason } = loadNative();
  if (native === undefined) return { works: false, reason };
  const status = uringSwitchedOff() ? -errno.EPERM : native.probe();
  if (status === 0) return { works: true, reason: undefined };
  return { works: false, reason: uringRefusal(status) };
}

export function uringSwitchedOff(): boolean {
  return process.env["SNAPRING_NO_URING"] === "1";
}

export function uringRefusal(status: number): string {
  if (uringSwitchedOff()) return "io_uring switched off by SNAPRING_NO_URING";
  return REFUSALS[-status] ?? `io_uring cannot be set up (${errnoName(status)})`;
}
