/**
 * What a device is: its size, its blocks, what direct I/O asks for, and an identity that two names of it share (S-21).
 *
 * The addon asks the kernel. Without it the same facts are put together from fstat and /sys; only the direct I/O
 * alignment is unknown there, and the logical block stands in for it.
 */
import { fstatSync, readFileSync, type Stats, statfsSync } from "node:fs";
import { SnapringError, errnoName, errnoOf } from "../base/errno.ts";
import type { ErrnoName } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { loadNative } from "./native.ts";
import type { NativeFacts } from "./native.ts";

export interface DeviceFacts {
  readonly kind: "file" | "block" | "other";
  readonly sizeBytes: number;
  /** What the device addresses; 512 for a regular file (S-18). */
  readonly logicalBlockBytes: number;
  /** Positions, lengths and memory of direct I/O are multiples of this. */
  readonly directAlignBytes: number;
  /** False: O_DIRECT is known not to work here. */
  readonly hasDirect: boolean;
  /** A block device that cannot be written to. */
  readonly isReadOnly: boolean;
  /** tmpfs or ramfs: I/O is a copy of memory, which io_uring would hand to a slower thread. */
  readonly isMemory: boolean;
  /** Equal for two names of one device (S-21). */
  readonly identity: string;
  /** st_ino of a file, decimal. */
  readonly inode: string;
  /** When a file was made, milliseconds since 1970; 0 where the file system does not say. */
  readonly bornMs: number;
  /** `MAJOR:MINOR` of a block device, as /sys/dev/block has it; "" for a file. */
  readonly number: string;
}

// Magic numbers of file systems that live in memory (linux/magic.h).
const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;

/** Decimal digits between nanoseconds and milliseconds. */
const NANO_DIGITS = 6;

/** Throws a SnapringError: the descriptor is bad, or the device does not answer. */
export function deviceFacts(fd: number): DeviceFacts {
  const raw = loadNative().native?.deviceFacts(fd) ?? factsWithoutAddon(fd);
  if (typeof raw === "number")
    throw new SnapringError(errnoName(raw) as ErrnoName, "device cannot be asked for its facts");
  const kind = raw.kind === 0 ? "file" : raw.kind === 1 ? "block" : "other";
  const direct = Math.max(raw.directMemory, raw.directOffset);
  return {
    kind,
    sizeBytes: raw.size,
    logicalBlockBytes: raw.logicalBlock,
    directAlignBytes: direct > 0 ? direct : raw.logicalBlock,
    hasDirect: raw.directKnown === 0 || direct > 0,
    isReadOnly: raw.readOnly === 1,
    // A device node lies on such a file system as well.
    isMemory: kind === "file" && (raw.filesystem === TMPFS || raw.filesystem === RAMFS),
    identity: kind === "block" ? `block ${raw.represents}` : `file ${raw.device} ${raw.inode}`,
    inode: raw.inode,
    bornMs: Number(raw.born.slice(0, -NANO_DIGITS)),
    number: kind === "block" ? blockNumber(Number(raw.represents)) : "",
  };
}

function factsWithoutAddon(fd: number): NativeFacts | number {
  try {
    const stat = fstatSync(fd);
    const block = stat.isBlockDevice() ? blockFacts(stat.rdev) : undefined;
    return {
      kind: stat.isFile() ? 0 : block !== undefined ? 1 : 2,
      readOnly: block?.readOnly ?? 0,
      size: block?.size ?? stat.size,
      logicalBlock: block?.logicalBlock ?? SECTOR_BYTES,
      directKnown: 0,
      directMemory: 0,
      directOffset: 0,
      filesystem: statfsSync(`/proc/self/fd/${fd}`).type,
      device: String(stat.dev),
      inode: String(stat.ino),
      represents: String(stat.rdev),
      born: bornOf(stat),
    };
  } catch (error) {
    return -errnoOf(error);
  }
}

/** As the addon has it: nanoseconds, decimal. node asks statx, too, and has 0 where the file system does not say. */
function bornOf({ birthtimeMs }: Stats): string {
  if (birthtimeMs <= 0) return "0";
  return `${Math.floor(birthtimeMs)}${"0".repeat(NANO_DIGITS)}`;
}

/** `MAJOR:MINOR` of a device number. makedev(3): 12 bits of the major around 20 bits of the minor number. */
export function blockNumber(rdev: number): string {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}

function blockFacts(rdev: number): { size: number; logicalBlock: number; readOnly: number } {
  const folder = `/sys/dev/block/${blockNumber(rdev)}`;
  const number = (name: string): number => Number(readFileSync(`${folder}/${name}`, "utf8"));
  return { size: number("size") * SECTOR_BYTES, logicalBlock: queueNumber(folder), readOnly: number("ro") };
}

function queueNumber(folder: string): number {
  for (const queue of ["queue", "../queue"]) {
    try {
      return Number(readFileSync(`${folder}/${queue}/logical_block_size`, "utf8"));
    } catch {
      // A partition has no queue of its own: its disk's is one folder up.
    }
  }
  return SECTOR_BYTES;
}
