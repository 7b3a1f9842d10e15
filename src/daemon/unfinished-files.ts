/**
 * What a killed daemon has left of files that it was making: they have another name until they are whole (device/unfinished-file.ts), and nobody else looks for that.
 *
 *   .snapring-RANDOM.part   in the folder of the state: ours, for the folder is locked
 *                           in a pool: where a creation was cut, and it was there when the daemon began, and nobody else was making it then
 *
 * What comes later is somebody's who lives, whatever its time is: a clock may have been set back.
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** A file system of another machine has a clock of its own. */
const CLOCK_MS = 60_000;
const UNFINISHED = /^\.snapring-[0-9a-f]+\.part$/;

/** Their paths; none where the folder cannot be read. */
export async function unfinishedIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((one) => UNFINISHED.test(one)).map((name) => join(folder, name));
}

/** Those that were last changed before `since` (milliseconds since 1970), or in a future from which the clock was set back. */
export async function abandonedIn(folder: string, since: number): Promise<string[]> {
  const paths = await unfinishedIn(folder);
  const times = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => since,
      ),
    ),
  );
  const future = Date.now() + CLOCK_MS;
  return paths.filter((_, i) => times[i]! < since || times[i]! > future);
}

/** What cannot be removed stays. */
export async function removeFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true }).catch(() => {});
}
