/**
 * The name by which a device is found again after the next boot.
 *
 *   a file            its real path
 *   a block device    its name in /dev/disk/by-id, which says what it is: the uuid of a mapped device, the world-wide name of a disk
 *                     (dm-3 and sdb are given out anew at each boot, and may be another device then)
 *                     its real path where it has none: machines without udev
 *   a loop device     its file
 */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { blockNumber } from "./device-facts.ts";
import { backingFile } from "./loop-device.ts";

const BY_ID = "/dev/disk/by-id";

/** Rather than by what it holds, or by a name that people give and take. */
const BEST_FIRST: readonly string[] = ["dm-uuid-", "wwn-", "nvme-eui."];

/** The real path of what is there; the path itself where nothing is. */
export function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

/** Throws a system error where nothing is there. */
export function lastingPath(path: string, folder: string = BY_ID): string {
  const real = realpathSync(path);
  const stat = statSync(real);
  if (!stat.isBlockDevice()) return real;
  const backing = backingFile(blockNumber(stat.rdev));
  if (backing?.isWhole === true && existsSync(backing.path)) return realpathSync(backing.path);
  const names = lastingNames(real, folder);
  return names.length === 0 ? real : join(folder, names[0]);
}

/** All names that lead to the device, the best one first. */
export function lastingNames(real: string, folder: string = BY_ID): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => realPath(join(folder, name)) === real)
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(name: string): number {
  const at = BEST_FIRST.findIndex((start) => name.startsWith(start));
  return at === -1 ? BEST_FIRST.length : at;
}
