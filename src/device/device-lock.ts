/**
 * One process per device (E-42): an flock on the descriptor by which the device is used.
 *
 * It lives as long as the open file description: rings that hold a duplicate keep it too, and it ends with the process,
 * however that ends. flock, because it is the one kind of lock for which the kernel names the holder.
 */
import { readFileSync } from "node:fs";
import { SnapringError, errno, errnoName } from "../base/errno.ts";
import type { ErrnoName } from "../base/errno.ts";
import { loadNative } from "./native.ts";

/**
 * True: locked. False: there is no addon, so nothing can be locked. Throws a SnapringError EBUSY that names the holder
 * where the kernel tells. "shared": several readers, no writer.
 */
export function lockDevice(fd: number, path: string, mode: "exclusive" | "shared"): boolean {
  const { native } = loadNative();
  if (native === undefined) return false;
  const [status, holder] = native.lockFile(fd, mode === "exclusive");
  if (status === 0) return true;
  if (status !== -errno.EAGAIN) throw new SnapringError(errnoName(status) as ErrnoName, `${path} cannot be locked`);
  const by = holder > 0 ? ` by process ${holder}${commandOf(holder)}` : "";
  throw new SnapringError("EBUSY", `${path} is in use${by}`, { hint: "end that process, or use another device" });
}

export function unlockDevice(fd: number): void {
  loadNative().native?.unlockFile(fd);
}

function commandOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return "";
  }
}
