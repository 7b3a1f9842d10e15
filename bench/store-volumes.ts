/**
 * Volumes for benches of an engine: by name and folder, each with a new snapshot of 4 KiB chunks; and a folder in memory.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EngineVolumeOptions } from "../src/index.ts";
import { KIB } from "./workload.ts";

export const TMPFS = "/dev/shm/snapring-bench-engine";
const CHUNK_BYTES: number = 4 * KIB;

export type Places = Readonly<Record<string, string>>;

/** The origins, of so many bytes, are there. */
export function volumesIn(places: Places, bytes: number): readonly EngineVolumeOptions[] {
  return Object.entries(places).map(([name, folder]) => {
    const origin = join(folder, name);
    const snapshot = { name: "s", cow: `${origin}.cow`, size: bytes + bytes / 2, chunkSize: CHUNK_BYTES };
    return { name, origin, snapshots: [snapshot] };
  });
}

/** None of them has had a snapshot. */
export function forget(places: Places): void {
  for (const [name, folder] of Object.entries(places))
    for (const what of [".cow", ".snapshots"]) rmSync(join(folder, `${name}${what}`), { force: true });
}

export async function inTmpfs(body: () => Promise<void>): Promise<void> {
  rmSync(TMPFS, { recursive: true, force: true });
  mkdirSync(TMPFS);
  try {
    await body();
  } finally {
    rmSync(TMPFS, { recursive: true, force: true });
  }
}
