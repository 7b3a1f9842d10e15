/**
 * Who holds the lock of a file: the process that has the locked description open, as /proc knows it.
 *
 *   /proc/locks            who took it: a process that may be gone while others still have the description, and whose number may be
 *                          another's by now
 *   /proc/PID/fdinfo/FD    has a line `lock:` where the description behind FD holds one
 *
 * So who took it is looked at first, and then everybody whom we may look at. Read only after a lock was refused: it is a walk through
 * all descriptors of the machine.
 */
import { fstatSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { errnoName, errnoOf } from "../base/errno.ts";

/** Undefined: nobody that can be seen. The holder may be in another container, or a process that is just being taken down. */
export function lockHolder(fd: number): number | undefined {
  const file = fstatSync(fd);
  const takers = takersOf(file);
  for (const pid of takers) {
    const found = holds(pid, file);
    // Somebody else's process, which may not be looked at: it is there, and the kernel says that it is the one.
    if (found || found === undefined) return pid;
  }
  return numbersIn("/proc").find((pid) => !takers.includes(pid) && holds(pid, file) === true);
}

/** "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; who waits for a lock has "->" behind the number. */
function takersOf(file: Stats): number[] {
  const pids: number[] = [];
  for (const line of textOf("/proc/locks").split("\n")) {
    const match = /^\d+: FLOCK +\S+ +\S+ +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(line);
    if (match === null) continue;
    const [pid, major, minor, inode] = [match[1], `0x${match[2]}`, `0x${match[3]}`, match[4]].map(Number);
    // makedev(3): 12 bits of the major around 20 bits of the minor number.
    const isDevice =
      major === ((file.dev >>> 8) & 0xfff) && minor === ((file.dev & 0xff) | ((file.dev >>> 12) & 0xfff00));
    if (isDevice && inode === file.ino) pids.push(pid);
  }
  return pids;
}

/** Undefined: it is there, and may not be looked at. */
function holds(pid: number, file: Stats): boolean | undefined {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`).some((fd) => isLocked(pid, fd) && isSameFile(pid, fd, file));
  } catch (error) {
    return errnoName(errnoOf(error)) === "EACCES" ? undefined : false;
  }
}

function isLocked(pid: number, fd: string): boolean {
  return /^lock:\s+\d+: FLOCK /m.test(textOf(`/proc/${pid}/fdinfo/${fd}`));
}

/** Compared as files: some file systems have other device numbers for the lock than for the file (btrfs). */
function isSameFile(pid: number, fd: string, file: Stats): boolean {
  try {
    const other = statSync(`/proc/${pid}/fd/${fd}`);
    return other.dev === file.dev && other.ino === file.ino;
  } catch {
    return false;
  }
}

function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Empty where it is gone by now. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
