/**
 * The exports that a worker serves: the volume under its two names, and each snapshot under its own.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { OfferedExport, ExportLookup } from "../../src/nbd/wire/offered-export.ts";
import type { ExportHandler } from "./handler.ts";

/** The name of the live volume; the empty name means it, too. */
export const ORIGIN_NAME = "origin";

export interface WorkerExport extends OfferedExport {
  readonly handler: ExportHandler;
}

export function newExport(
  name: string,
  sizeBytes: number,
  readOnly: boolean,
  preferredBlockBytes: number,
  handler: ExportHandler,
): WorkerExport {
  const description = name === ORIGIN_NAME ? "live volume" : "snapshot";
  const preferred = Math.max(SECTOR_BYTES, preferredBlockBytes);
  return { name, description, sizeBytes, readOnly, preferredBlockBytes: preferred, handler };
}

export class Exports implements ExportLookup<WorkerExport> {
  readonly #byName = new Map<string, WorkerExport>();

  add(entry: WorkerExport): void {
    this.#byName.set(entry.name, entry);
  }

  remove(name: string): void {
    this.#byName.delete(name);
  }

  find(name: string): WorkerExport | undefined {
    return this.#byName.get(name === "" ? ORIGIN_NAME : name);
  }

  list(): Iterable<WorkerExport> {
    return this.#byName.values();
  }
}
