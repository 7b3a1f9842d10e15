/**
 * What a killed daemon has left of files that it was making: they have another name until they are whole (device/unfinished-file.ts), and nobody else looks for that.
 *
 *   .snapring-RANDOM.part   in the folder of the state: ours, for the folder is locked       in a pool: where a creation was cut, and it is older than this process
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const UNFINISHED = /^\.snapring-[0-9a-f]+\.part$/;

/** Removes those that were last changed before `before` (milliseconds since 1970). What cannot be looked at stays. */
export async function removeUnfinished(folder: string, before: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => UNFINISHED.test(one))) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < before) await rm(path, { force: true }).catch(() => {});
  }
}
