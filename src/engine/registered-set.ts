/**
 * The register of snapshots beside the snapshots that were asked for: nothing that is registered may be missing (E-46).
 *
 *   registered, not among the options             refused, unless the user gives it up (`abandon`)
 *   given up                                      marked Invalid in its header where its COW device is there; taken out
 *   asked for, not registered                     registered before the origin accepts a write
 *   registered, merging, and asked for            presented in place of the origin before anybody is served (E-36)
 *   registered, Invalid, and asked for            Invalid it is, whatever its header says: that may not have been written (S-70)
 */
import { existsSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { DeviceFile } from "../device/device-file.ts";
import { lastingPath, realPath } from "../device/lasting-path.ts";
import { decodeHeader, encodeHeader, HEADER_BYTES, SNAP_MAGIC } from "../format/disk-header.ts";
import { type RegisteredState, Registry, registryPath } from "./registry.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { CompleteOptions } from "./volume-options.ts";

export class RegisteredSet {
  readonly #registry: Registry;
  readonly #readOnly: boolean;

  private constructor(registry: Registry, readOnly: boolean) {
    this.#registry = registry;
    this.#readOnly = readOnly;
  }

  /** Throws a SnapringError (EBUSY) that names the snapshot which is missing. */
  static async open(origin: VolumeDevice, options: CompleteOptions): Promise<RegisteredSet> {
    const registry = await Registry.open(registryPath(origin.file.path, origin.file.isBlockDevice), !options.readOnly);
    const set = new RegisteredSet(registry, options.readOnly);
    if (options.readOnly) return set;
    for (const name of options.abandon) await set.#abandon(name, options.log);
    const given = new Set(options.snapshots.map((s) => realPath(s.cow)));
    for (const [name, { cow, state }] of registry.snapshots) {
      const isGiven = given.has(realPath(cow));
      if (state === "invalid" && isGiven && existsSync(cow)) markInvalid(cow);
      if (state === "invalid" || isGiven) continue;
      throw new SnapringError(
        "EBUSY",
        `origin ${options.origin} has a snapshot '${name}' on ${cow} that was not given`,
        {
          hint: `writing the origin without it would break it: give --snapshot ${name}=${cow}, or give it up with --abandon ${name}`,
        },
      );
    }
    return set;
  }

  /** The origin may have been written without this COW device. A store that is made anew on it is another snapshot. */
  isInvalid(cow: string): boolean {
    return this.#is(cow, "invalid");
  }

  /** A part of it may be in the origin already: it must be presented (E-36). */
  isMerging(cow: string): boolean {
    return this.#is(cow, "merging");
  }

  #is(cow: string, state: RegisteredState): boolean {
    return [...this.#registry.on(cow)].some((name) => this.#registry.snapshots.get(name)?.state === state);
  }

  /** Before the origin accepts a write: every persistent snapshot that is served is registered. */
  async record(name: string, cow: string, state: RegisteredState): Promise<void> {
    if (this.#readOnly) return;
    await this.#registry.record(name, { cow: lastingPath(cow), state });
    // Afterwards: in between a crash must not find it under no name.
    for (const other of this.#registry.on(cow)) if (other !== name) await this.#registry.remove(other);
  }

  async remove(name: string): Promise<void> {
    if (!this.#readOnly) await this.#registry.remove(name);
  }

  async #abandon(name: string, log: (line: string) => void): Promise<void> {
    const entry = this.#registry.snapshots.get(name);
    if (entry === undefined) {
      throw new SnapringError("ENOENT", `there is no registered snapshot '${name}' to give up`);
    }
    if (existsSync(entry.cow)) markInvalid(entry.cow);
    await this.#registry.remove(name);
    log(`${name}: given up; the origin may be written without it`);
  }
}

/** The header says Invalid, durably, if there is a store. */
function markInvalid(cow: string): void {
  using file = new DeviceFile(cow, "write", "cow");
  const bytes = new Uint8Array(HEADER_BYTES);
  if (file.sizeBytes < bytes.length) return;
  file.read(0, bytes);
  const header = decodeHeader(bytes);
  if (header.magic !== SNAP_MAGIC) return;
  if (header.valid !== 0) file.write(0, encodeHeader(false, header.chunkSectors));
  // Also what was read: it may be in a cache only (C-49).
  file.sync();
}
