/**
 * The file behind a loop device: what the device really is. Its number is given out anew each time, so whatever is remembered of
 * a loop device is remembered of its file.
 *
 *   /sys/dev/block/MAJOR:MINOR/loop/backing_file, offset, sizelimit     a loop device
 *   /sys/dev/block/MAJOR:MINOR/partition, start, ../loop/…              a partition of one
 */
import { existsSync, readFileSync } from "node:fs";
import { SECTOR_BYTES } from "../base/units.ts";

export interface BackingFile {
  /** As the kernel names it, in the mount namespace of whoever set it up; it may be gone. */
  readonly path: string;
  /** Where in the file the device begins. */
  readonly offsetBytes: number;
  /** The device is the file from its beginning to its end. */
  readonly isWhole: boolean;
}

/** Undefined where the device is none, or its file is not known. `number`: MAJOR:MINOR. */
export function backingFile(number: string, folder = "/sys/dev/block"): BackingFile | undefined {
  const device = `${folder}/${number}`;
  const isPartition = existsSync(`${device}/partition`);
  const loop = isPartition ? `${device}/../loop` : `${device}/loop`;
  const path = text(`${loop}/backing_file`);
  if (path === undefined || path === "") return undefined;
  const start = isPartition ? Number(text(`${device}/start`)) * SECTOR_BYTES : 0;
  const offsetBytes = Number(text(`${loop}/offset`) ?? 0) + start;
  const isLimited = Number(text(`${loop}/sizelimit`) ?? 0) !== 0;
  return { path, offsetBytes, isWhole: !isPartition && !isLimited && offsetBytes === 0 };
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
