/**
 * What serves an origin: the threads, and the core in its shell, which hears of them. Made once for a volume, by running-volume.ts.
 *
 *   threads, each with its ring ─▶ the origin's gates and words as the core's ports ─▶ shell, core
 *
 * Here a volume's options become those of its threads and of its core.
 */
import { divExact, SECTOR_BYTES } from "../base/units.ts";
import { Core } from "../core/core.ts";
import { ORIGIN_FILE } from "../ring/file-table.ts";
import { VolumeWords } from "../ring/volume-words.ts";
import type { CompleteOptions } from "./complete-options.ts";
import { CoreShell, type ShellEvents } from "./core-shell.ts";
import type { MainWake } from "./main-wake.ts";
import { originPorts } from "./origin-ports.ts";
import { Threads } from "./threads.ts";
import type { VolumeDevice } from "./volume-device.ts";

export interface Served {
  readonly threads: Threads;
  readonly shell: CoreShell;
}

/** `died`: a thread has died. Rejects where the machine refuses a thread; none runs then. */
export async function serve(
  options: CompleteOptions,
  origin: VolumeDevice,
  volume: SharedArrayBuffer,
  wake: MainWake,
  events: ShellEvents,
  died: (error: Error) => void,
): Promise<Served> {
  const threads = await Threads.open({
    exportWorkers: options.workers,
    copyWorkers: options.copyWorkers,
    mode: options.mode,
    wakeMain: wake.handle,
    originFd: origin.fd,
    originInline: origin.inline,
    exportData: {
      volume,
      origin: origin.describe(ORIGIN_FILE),
      originBytes: origin.file.sizeBytes,
      readOnly: options.originReadOnly,
      busyPollUs: options.busyPoll,
    },
    died,
  });
  const ports = originPorts(new VolumeWords(volume), threads.exports);
  const sectors = divExact(origin.file.sizeBytes, SECTOR_BYTES);
  const shell = new CoreShell(threads, events, options.groupWaitMs, (effects) => {
    return new Core(effects, ports, sectors, {
      early: options.early,
      turns: true,
      fills: options.fills,
      mergePaced: options.mergePercent < 100,
      mergeBatches: options.mergeBatches,
      groupCount: options.groupCount,
      readOnly: options.readOnly,
      originReadOnly: options.originReadOnly,
    });
  });
  return { threads, shell };
}
