/**
 * A device that takes everything and keeps nothing, of a test's own: whoever is root could replace the one of the system, and a mutant of what
 * writes images has done so.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The path of one in the folder; where none can be made, that of the system, which nobody can replace then. */
export function sinkIn(folder: string): string {
  const path = join(folder, "sink");
  if (existsSync(path)) return path;
  return spawnSync("mknod", [path, "c", "1", "3"]).status === 0 ? path : "/dev/null";
}
