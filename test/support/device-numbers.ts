/** The devices of a test's only volume as its main has numbered them: the origin first, then the COW devices by snapshot. */
import type { FileControl } from "../../src/ring/worker-data.ts";
import { FIRST_DEVICE_FILE } from "../../src/ring/file-table.ts";

export const ORIGIN_FILE: number = FIRST_DEVICE_FILE;

/** As main says it to a worker without clients. */
export function cowComes(file: number): FileControl {
  return { file, fd: file, inline: false, cow: true };
}

export function cowFile(snapshot: number): number {
  return FIRST_DEVICE_FILE + 1 + snapshot;
}
