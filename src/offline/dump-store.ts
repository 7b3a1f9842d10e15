/**
 * The exceptions of a store in list order, runs folded, delivered one by one.
 *
 * The store is read twice, first only to see that all of it is good: a caller gets every run or an error, never a part, and
 * nobody holds ten million exceptions in memory.
 */
import type { Sector } from "../base/units.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import { DeviceFile } from "../device/device-file.ts";
import { type ExceptionRun, foldRuns } from "./exception-runs.ts";
import { loadStore } from "./load-store.ts";

export interface DumpOptions {
  readonly cow: string;
  readonly chunkSectors?: Sector | undefined;
}

/** `begin` comes before the first run, once the whole store has been found good. */
export function dumpStore(
  options: DumpOptions,
  begin: (loaded: LoadedStore) => void,
  deliver: (run: ExceptionRun) => void,
): void {
  const cow = DeviceFile.open(options.cow, "look", "COW file");
  try {
    begin(loadStore(cow, options, () => undefined));
    const runs = foldRuns(deliver);
    loadStore(cow, options, runs.sink);
    runs.end();
  } finally {
    cow[Symbol.dispose]();
  }
}
