/**
 * Who a file or device is, in words that outlive a boot, so that a copy is told from what it was copied from.
 *
 *   file 2146357 1795830787276      inode, and the time at which it was made (milliseconds): a rename keeps both, a copy has others
 *   file 2146357 0                  a file system without birth times: nothing certain can be said
 *   loop 2146357 1795830787276 0    a loop device is its file, from a byte on
 *   block wwn-0x5000c500            the best of its lasting names
 *   block 1d1b…c9 177663            where there is none: this boot, and the number of the device since then (diskseq)
 *
 * The file system's own number is left out: it differs after a boot, and between a container and its host.
 */
import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { deviceFacts } from "../device/device-facts.ts";
import { lastingNames } from "../device/lasting-path.ts";
import { backingFile } from "../device/loop-device.ts";

export type Identity = string;

export const NO_IDENTITY: Identity = "";

/** "unknown" where one of the two does not say enough. */
export function compareIdentities(a: Identity, b: Identity): "same" | "different" | "unknown" {
  if (!isCertain(a) || !isCertain(b)) return "unknown";
  return a === b ? "same" : "different";
}

/** Of an open file or block device, whose real path is `path`. */
export function identityOf(fd: number, path: string): Identity {
  const facts = deviceFacts(fd);
  if (facts.kind !== "block") return `file ${facts.inode} ${facts.bornMs}`;
  const backing = backingFile(facts.number);
  const behind = backing === undefined ? undefined : identityAt(backing.path);
  if (backing !== undefined && behind?.startsWith("file ") === true) {
    return backing.isWhole ? behind : `${behind.replace(/^file/, "loop")} ${backing.offsetBytes}`;
  }
  const [name] = lastingNames(path);
  if (name !== undefined) return `block ${name}`;
  return `block ${firstLine("/proc/sys/kernel/random/boot_id")} ${firstLine(`/sys/dev/block/${facts.number}/diskseq`)}`;
}

/** What says nothing about the file: then nothing may be concluded, either. */
const OF_THE_PROCESS: readonly unknown[] = ["EMFILE", "ENFILE", "ENOMEM"];

/** Of what stands at a path; undefined where nothing does, or it cannot be looked at. Throws a system error where we lack the means. */
export function identityAt(path: string): Identity | undefined {
  try {
    // A register names paths: some devices do something when they are opened (a watchdog begins to count, a tape winds back).
    const stat = statSync(path);
    if (!stat.isFile() && !stat.isBlockDevice()) return undefined;
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return identityOf(fd, path);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (OF_THE_PROCESS.includes((error as NodeJS.ErrnoException).code)) throw error;
    return undefined;
  }
}

function isCertain(identity: Identity): boolean {
  return identity !== NO_IDENTITY && !/^file \d+ 0$/.test(identity);
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "?";
  }
}
