/**
 * Merges a store at rest into its origin: the core's merge (S-60…S-69), step by step, without threads or clients.
 *
 *   construct: open and lock both, load the store, let the core start
 *   step, step, … : each takes the last exceptions: copy to the origin ─▶ flush it ─▶ erase them on the COW device, durably
 *
 * Between two steps, and wherever a kill or a power cut falls inside one, the store is a valid shorter store. The rules are the
 * core's; here is only who opens the files, and how much one step takes.
 */
import { errnoName, type ErrnoName, SnapringError } from "../base/errno.ts";
import { divFloor, SECTOR_BYTES, type Sector } from "../base/units.ts";
import { Core } from "../core/core.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import { DeviceFile, writeMode } from "../device/device-file.ts";
import { deviceWarnings } from "./device-warnings.ts";
import { ExceptionMap } from "./exception-map.ts";
import { loadStore } from "./load-store.ts";
import type { TiedDevices } from "./offline-ties.ts";
import { quietOriginPorts, quietSnapshotPorts, SyncShell } from "./sync-shell.ts";

/** One step copies about this much, so that a signal is heard soon. */
const STEP_BYTES = 32 * 1024 * 1024;
const STEP_CHUNKS_MAX = 4096;

const SNAPSHOT = 0;
const OPEN = 1;
const MERGE = 2;

export interface OfflineMergeOptions {
  readonly origin: string;
  readonly cow: string;
  readonly chunkSectors?: Sector | undefined;
  /** Go on, with a warning, where nothing can be locked. */
  readonly unlocked?: boolean | undefined;
}

export class OfflineMerge implements Disposable {
  readonly warnings: readonly string[];
  readonly chunkBytes: number;
  /** Exceptions when it began. */
  readonly totalChunks: number;
  readonly #origin: DeviceFile;
  readonly #cow: DeviceFile;
  /** What the register is asked about. */
  readonly devices: TiedDevices;
  readonly #exceptions = new ExceptionMap();
  readonly #shell: SyncShell;
  readonly #core: Core;
  #started = false;

  /** Throws a SnapringError: what `loadStore` refuses, EBUSY for a device in use, EINVAL for an Invalid snapshot. */
  constructor(options: OfflineMergeOptions) {
    const origin = DeviceFile.open(options.origin, writeMode(options.unlocked), "origin");
    let cow: DeviceFile | undefined;
    try {
      cow = DeviceFile.open(options.cow, writeMode(options.unlocked), "COW file", origin);
      const load = { chunkSectors: options.chunkSectors, origin };
      const loaded = loadStore(cow, load, (oldChunk, newChunk) => this.#exceptions.set(oldChunk, newChunk));
      if (loaded.state === "invalid") throw invalid(options.cow);
      this.#origin = origin;
      this.#cow = cow;
      this.devices = { origin, cow, loaded };
      this.warnings = [...loaded.warnings, ...deviceWarnings(origin, cow)];
      this.chunkBytes = loaded.chunkSectors * SECTOR_BYTES;
      this.totalChunks = this.#exceptions.count;
      this.#shell = new SyncShell(origin, cow);
      this.#core = this.#openCore(loaded);
    } catch (error) {
      cow?.[Symbol.dispose]();
      origin[Symbol.dispose]();
      throw error;
    }
  }

  /** Everything is merged. */
  get isDone(): boolean {
    return this.#shell.result(MERGE)?.error === 0;
  }

  get chunksLeft(): number {
    return this.#exceptions.count;
  }

  /** As the status line has it (S-72). */
  get status(): string {
    return this.#core.status(SNAPSHOT).text;
  }

  /** Merges the next exceptions, durably. Throws a SnapringError where a device fails; the store is a valid one then, too. */
  step(): void {
    if (this.#started) this.#core.mergeContinue();
    else this.#core.mergeStart(MERGE, SNAPSHOT);
    this.#started = true;
    this.#shell.run(this.#core);
    this.#throwFailure(MERGE);
  }

  [Symbol.dispose](): void {
    this.#cow[Symbol.dispose]();
    this.#origin[Symbol.dispose]();
  }

  #openCore(loaded: LoadedStore): Core {
    const stepChunks = Math.min(STEP_CHUNKS_MAX, Math.max(1, divFloor(STEP_BYTES, this.chunkBytes)));
    const options = { mergePaced: true, mergeChunks: stepChunks, mergeRuns: stepChunks };
    const core = new Core(this.#shell, quietOriginPorts, this.#origin.sectors, options);
    const config = {
      index: SNAPSHOT,
      store: "P" as const,
      ports: quietSnapshotPorts(this.#exceptions),
      metadataBlockBytes: this.#cow.logicalBlockBytes,
      registered: false,
    };
    core.openSnapshot(OPEN, config, loaded);
    this.#shell.run(core);
    this.#throwFailure(OPEN);
    return core;
  }

  /** The device's own words where a device has failed, else the core's. */
  #throwFailure(operation: number): void {
    const result = this.#shell.result(operation);
    if (result === undefined || result.error === 0) return;
    if (this.#shell.deviceError !== undefined) throw this.#shell.deviceError;
    throw new SnapringError(errnoName(result.error) as ErrnoName, `${this.#cow.path}: ${result.message}`);
  }
}

function invalid(path: string): SnapringError {
  return new SnapringError("EINVAL", `${path}: an Invalid snapshot cannot be merged`, {
    hint: "it was dropped or ran full; the origin stays as it is",
  });
}
