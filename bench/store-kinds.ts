/**
 * snapring with settings of its own, as servers that the bench's cells can run: stores with a history, options of the library.
 */
import { fileURLToPath } from "node:url";
import type { VolumeOptions } from "../src/index.ts";
import type { Place } from "./place.ts";
import type { ServerKind } from "./server-kind.ts";
import { SETTING_NAMES } from "./setting.ts";
import { COW_BYTES } from "./snapring-kinds.ts";
import { writeStoreImage } from "./store-image.ts";
import { KIB } from "./workload.ts";

const SERVER: string = fileURLToPath(new URL("./settings-server.js", import.meta.url));
const STORE_CHUNK_BYTES: number = 16 * KIB;

type Settings = Omit<VolumeOptions, "origin" | "snapshots" | "listen" | "log">;

/** One new snapshot of 16 KiB chunks, with any option of the library. */
export function settingsKind(name: string, settings: Settings): ServerKind {
  return kind(name, settings, { size: COW_BYTES, chunkSize: STORE_CHUNK_BYTES }, async () => {});
}

/** One snapshot that holds so many scattered exceptions already. */
export function storeKind(name: string, exceptions: number): ServerKind {
  return kind(name, {}, {}, async (place) => {
    const originChunks = place.originBytes / STORE_CHUNK_BYTES;
    const chunkBytes = STORE_CHUNK_BYTES;
    writeStoreImage({ path: place.cow(name), chunkBytes, originChunks, exceptions, order: "scattered" });
  });
}

function kind(
  name: string,
  settings: Settings,
  store: { readonly size?: number; readonly chunkSize?: number },
  prepare: (place: Place) => Promise<void>,
): ServerKind {
  return {
    name,
    role: "ours",
    text: name,
    program: process.execPath,
    settings: SETTING_NAMES,
    volumes: 1,
    snapshotExport: "snap",
    snapshotWritable: true,
    originExport: "origin",
    prepare,
    command: (place, program) => {
      const options: VolumeOptions = {
        ...settings,
        origin: place.origin,
        snapshots: [{ name: "snap", cow: place.cow(name), ...store }],
        listen: [`unix:${place.socket}`],
        // On tmpfs as a user who says nothing has it.
        ...(place.setting.name === "tmpfs" ? {} : { direct: place.setting.direct }),
      };
      return [program, SERVER, JSON.stringify(options)];
    },
  };
}
