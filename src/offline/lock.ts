/**
 * Keeps a device to ourselves while an offline command works on it (E-42): the same lock that the engine takes.
 *
 * It is released with the file. Without the native addon there is no way to lock; then the caller gets `false` and can warn.
 */
import { errno, errnoName, type ErrnoName, SnapringError } from "../base/errno.ts";
import { loadNative } from "../device/native.ts";

/** True if locked, false where locking is not possible. Throws EBUSY, naming the holder where it is known. */
export function lockDevice(fd: number, exclusive: boolean, name: string): boolean {
  const { native } = loadNative();
  if (native === undefined) return false;
  const [status, holder] = native.lockFile(fd, exclusive);
  if (status === 0) return true;
  if (status === -errno.EAGAIN) {
    throw new SnapringError("EBUSY", `${name} is in use by ${holder > 0 ? `process ${holder}` : "another process"}`, {
      hint: "end that first",
    });
  }
  throw new SnapringError(errnoName(status) as ErrnoName, `cannot lock ${name}: ${errnoName(status)}`);
}
