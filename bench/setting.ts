/**
 * Where a bench runs, and how servers open their files there.
 *
 *   direct   a real file system, O_DIRECT in every server
 *   tmpfs    memory, so that only the servers' own work is seen
 *
 * On a file system without O_DIRECT (an overlay in a container, say) the first becomes `buffered`: page cache in every server, and the
 * report says so. qemu gets the kind of asynchronous I/O that is its fastest: io_uring on a disk where it is allowed, native on
 * tmpfs.
 */
import { closeSync, constants, mkdirSync, openSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CommandError, run } from "./child.ts";

export const SETTING_NAMES = ["direct", "tmpfs"] as const;
export type SettingName = (typeof SETTING_NAMES)[number];

export interface Setting {
  readonly name: SettingName;
  readonly folder: string;
  /** Servers open their files with O_DIRECT. */
  readonly direct: boolean;
  readonly qemuAio: "io_uring" | "native" | "threads";
}

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
/** Below a folder that somebody names: what looks like a run's file in ours is removed. */
const OWN_FOLDER = "snapring-bench";
const USUAL_FOLDERS: Readonly<Record<SettingName, string>> = {
  direct: join(PROJECT, "var/bench"),
  tmpfs: join("/dev/shm", OWN_FOLDER),
};
const TMPFS_MAGIC = 0x01021994;

/** Makes the bench's folder below `folder` (undefined: the usual place). Throws an Error for a tmpfs that is none. */
export async function openSetting(name: SettingName, folder: string | undefined): Promise<Setting> {
  const path = folder === undefined ? USUAL_FOLDERS[name] : join(folder, OWN_FOLDER);
  const made = mkdirSync(path, { recursive: true });
  const isTmpfs = statfsSync(path).type === TMPFS_MAGIC;
  if (isTmpfs !== (name === "tmpfs")) {
    if (made !== undefined) rmSync(made, { recursive: true });
    throw new Error(
      `setting ${name}: ${path} is ${isTmpfs ? "" : "not "}on a tmpfs (choose another folder with --dir)`,
    );
  }
  const direct = takesDirect(path);
  return { name, folder: path, direct, qemuAio: !direct ? "threads" : isTmpfs ? "native" : await diskAio(path) };
}

function takesDirect(folder: string): boolean {
  const probe = join(folder, "probe");
  try {
    closeSync(openSync(probe, constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT, 0o600));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { force: true });
  }
}

/** io_uring, unless qemu was built without it or the kernel refuses it. */
async function diskAio(folder: string): Promise<"io_uring" | "native"> {
  const probe = join(folder, "probe");
  try {
    await run(["qemu-img", "create", "-q", "-f", "raw", probe, "1M"]);
    await run(["qemu-img", "bench", "-q", "-c", "1", "-i", "io_uring", "-t", "none", "-f", "raw", probe]);
    return "io_uring";
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return "native";
  } finally {
    rmSync(probe, { force: true });
  }
}
