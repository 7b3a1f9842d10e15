/**
 * The exports that a worker serves, as a client may ask for them: by the addresses of one volume, or by those of the engine, which has them all.
 *
 *   address of volume "mail"      "origin", ""       "nightly"          the live volume under its two names, each snapshot under its own
 *   address of the engine         "mail"             "mail@nightly"     … of every volume; "" where there is but one
 *
 * Volumes and snapshots come and go while clients are connected: a name is looked up when it is asked for, and who has entered an export keeps it.
 */
import { ORIGIN_EXPORT } from "../../src/base/constants.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { OfferedExport, ExportLookup } from "../../src/nbd/wire/offered-export.ts";
import type { ExportHandler } from "./handler.ts";

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
  const description = name === ORIGIN_EXPORT ? "live volume" : "snapshot";
  const preferred = Math.max(SECTOR_BYTES, preferredBlockBytes);
  return { name, description, sizeBytes, readOnly, preferredBlockBytes: preferred, handler };
}

/** Of one volume. */
export class Exports implements ExportLookup<WorkerExport> {
  readonly volume: string;
  readonly #byName = new Map<string, WorkerExport>();

  /** `volume`: its name. */
  constructor(volume: string) {
    this.volume = volume;
  }

  add(entry: WorkerExport): void {
    this.#byName.set(entry.name, entry);
  }

  remove(name: string): void {
    this.#byName.delete(name);
  }

  find(name: string): WorkerExport | undefined {
    return this.#byName.get(name === "" ? ORIGIN_EXPORT : name);
  }

  list(): Iterable<WorkerExport> {
    return this.#byName.values();
  }
}

/** Of every volume. */
export class AllExports implements ExportLookup<WorkerExport> {
  readonly #byVolume = new Map<string, Exports>();

  add(exports: Exports): void {
    this.#byVolume.set(exports.volume, exports);
  }

  remove(exports: Exports): void {
    if (this.#byVolume.get(exports.volume) === exports) this.#byVolume.delete(exports.volume);
  }

  find(name: string): WorkerExport | undefined {
    const [volume, snapshot] = this.#split(name);
    const exports = this.#byVolume.get(volume);
    if (exports === undefined || snapshot === ORIGIN_EXPORT) return undefined;
    const found = exports.find(snapshot);
    return found === undefined ? undefined : longNamed(exports.volume, found);
  }

  *list(): Iterable<WorkerExport> {
    for (const exports of this.#byVolume.values()) {
      for (const entry of exports.list()) yield longNamed(exports.volume, entry);
    }
  }

  /** The names of a volume and of a snapshot of it, "" for the live volume. No name of a volume has an @. */
  #split(name: string): readonly [string, string] {
    const [only] = this.#byVolume.keys();
    if (name === "" && this.#byVolume.size === 1 && only !== undefined) return [only, ""];
    const at = name.indexOf("@");
    // What ends with @ names no snapshot, and not the volume either.
    return at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1) || ORIGIN_EXPORT];
  }
}

function longNamed(volume: string, entry: WorkerExport): WorkerExport {
  const isOrigin = entry.name === ORIGIN_EXPORT;
  const description = isOrigin ? "live volume" : `snapshot of ${volume}`;
  return { ...entry, name: isOrigin ? volume : `${volume}@${entry.name}`, description };
}
