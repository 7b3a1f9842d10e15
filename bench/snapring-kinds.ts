/**
 * snapring as a server under measurement: by chunk size, by the state of its COW file, by the number of snapshots.
 *
 *   reserved     its space is reserved (fallocate), but unwritten, as `size=` makes it: the default
 *   sparse       a file of holes
 *   written      every block was written before
 *
 * Direct writes beyond what a file has written go through kernel threads and journal entries, which the three show.
 */
import { fileURLToPath } from "node:url";
import type { Place } from "./place.ts";
import type { ServerKind } from "./server-kind.ts";
import { SETTING_NAMES, type Setting, type SettingName } from "./setting.ts";
import { GIB, KIB } from "./workload.ts";

export type CowState = "reserved" | "sparse" | "written";

/** The built command line, beside the built bench. */
export const SNAPRING: string = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

/** Holds what the workloads copy from a 2 GiB volume: 256 MiB filled beforehand, or 24576 chunks, and their metadata. */
export const COW_BYTES: number = GIB;

const CHUNK_DEFAULT = 16 * KIB;
const WRITES = ["write-mapped-4k-qd32", "cow-first-*", "origin-write-cow-*"];

interface Shape {
  readonly chunkBytes?: number;
  readonly cowState?: CowState;
  readonly snapshots?: number;
  readonly only?: readonly string[];
  readonly settings?: readonly SettingName[];
}

export const SNAPRING_KINDS: readonly ServerKind[] = [
  snapring("snapring-16k", "snapring, 16 KiB chunks, COW file with reserved space", {}),
  snapring("snapring-4k", "snapring, 4 KiB chunks, COW file with reserved space", { chunkBytes: 4 * KIB }),
  snapring("snapring-16k-sparse", "snapring, 16 KiB chunks, sparse COW file", {
    cowState: "sparse",
    only: WRITES,
    settings: ["direct"],
  }),
  snapring("snapring-16k-written", "snapring, 16 KiB chunks, fully written COW file", {
    cowState: "written",
    only: WRITES,
    settings: ["direct"],
  }),
  snapring("snapring-16k-x8", "snapring, 8 snapshots of 16 KiB chunks", {
    snapshots: 8,
    only: ["origin-write-cow-*"],
  }),
  snapring("snapring-16k-written-x8", "snapring, 8 snapshots of 16 KiB chunks, fully written COW files", {
    snapshots: 8,
    cowState: "written",
    only: ["origin-write-cow-*"],
    settings: ["direct"],
  }),
];

function snapring(name: string, text: string, shape: Shape): ServerKind {
  return {
    name,
    role: "ours",
    text,
    program: process.execPath,
    settings: shape.settings ?? SETTING_NAMES,
    only: shape.only,
    volumes: 1,
    snapshotExport: "snap",
    snapshotWritable: true,
    originExport: "origin",
    prepare: (place) => prepareCows(place, shape),
    command: (place) => serveCommand(place, name, shape),
  };
}

async function prepareCows(place: Place, { cowState, snapshots }: Shape): Promise<void> {
  if (cowState !== "written") return;
  for (let i = 0; i < (snapshots ?? 1); i++) place.makeWrittenCow(i, COW_BYTES);
}

function serveCommand(place: Place, name: string, shape: Shape): string[] {
  const chunk = (shape.chunkBytes ?? CHUNK_DEFAULT) / KIB;
  const sparse = shape.cowState === "sparse" ? ",sparse" : "";
  const settings = `size=${COW_BYTES / GIB}G,chunk=${chunk}K${sparse}`;
  const snapshots = Array.from({ length: shape.snapshots ?? 1 }, (_, i) => {
    const cow = shape.cowState === "written" ? place.writtenCow(i) : place.cow(name, i);
    return ["--snapshot", `${i === 0 ? "snap" : `snap${i}`}=${cow},${settings}`];
  });
  return [
    process.execPath,
    SNAPRING,
    "serve",
    place.origin,
    ...snapshots.flat(),
    "--listen",
    `unix:${place.socket}`,
    ...deviceMode(place.setting),
  ];
}

/** On tmpfs snapring chooses for itself, as it does for a user who says nothing. */
function deviceMode(setting: Setting): string[] {
  if (setting.name === "tmpfs") return [];
  return [setting.direct ? "--direct" : "--buffered"];
}
