/** An export of a volume that nobody serves, for what is looked at without its workers. */
import { createExportCounters, exportCounters } from "../../src/ring/counters.ts";
import { LIVE_VOLUME } from "../../src/ring/messages.ts";
import { createVolumeWords } from "../../src/ring/volume-words.ts";
import { ExportShare } from "../../workers/export/export-share.ts";
import type { ExportHandler } from "../../workers/export/handler.ts";
import { ServedVolume } from "../../workers/export/served-volume.ts";
import { ORIGIN_FILE } from "./device-numbers.ts";

export function idleVolume(number = 0): ServedVolume {
  const [words, counters] = [createVolumeWords(), createExportCounters(1)];
  const origin = { file: ORIGIN_FILE, align: 1, inline: true };
  return new ServedVolume(
    { number, name: `v${number}`, words, counters, origin, originBytes: 2 ** 20, keepsTrims: true },
    0,
  );
}

export function idleHandler(): ExportHandler {
  return {
    volume: idleVolume(),
    counters: exportCounters(createExportCounters(1), 0),
    share: new ExportShare(),
    index: LIVE_VOLUME,
    stretch: () => 0,
    look: () => {},
    deviceDone: () => {},
  };
}

export const IDLE_HANDLER: ExportHandler = idleHandler();
