/**
 * The snapshots of a volume whose stores are open, whether or not anybody serves them yet.
 *
 *   openVolume       every store of the options ─▶ … ─▶ threads, core (snapshot-set.ts) ─▶ served
 *   createSnapshot   one more ─▶ …
 *   an opening that fails: what was made for it goes again ─▶ devices closed
 *
 * A name and a COW device are one snapshot's only, and the slots of the core are given out here. Runs on main.
 */
import { assert } from "../base/assert.ts";
import { throwIfAborted } from "../base/abort-error.ts";
import { MAX_SNAPSHOTS } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { type DeviceFile, refuseOtherCows } from "../device/device-file.ts";
import type { DeviceId } from "../core/ports.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { DeviceFiles } from "./device-files.ts";
import type { RegisteredSet } from "./registered-set.ts";
import type { Openings } from "./opening-pool.ts";
import { ExportCounter } from "../ring/counters.ts";
import { policyOf } from "./room-options.ts";
import { SnapshotHandle } from "./snapshot-handle.ts";
import { type OpenedStore, openStore, removeMade, type StoreSurroundings } from "./store-opening.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { SnapshotOptions } from "./volume-options.ts";

export class OpenedSnapshots {
  readonly #options: CompleteOptions;
  readonly #origin: VolumeDevice;
  readonly #registered: RegisteredSet;
  readonly #files: DeviceFiles;
  readonly #originFile: number;
  /** The engine's opening threads. */
  readonly openings: Openings;
  readonly #handles = new Map<number, SnapshotHandle>();
  /** Those that the register has been told of when the volume was opened. */
  readonly recorded: Set<SnapshotHandle> = new Set();
  /** … which it has written. */
  isSettled = false;

  /** `files`: the engine's; `originFile`: the origin's number among them. */
  constructor(
    options: CompleteOptions,
    origin: VolumeDevice,
    registered: RegisteredSet,
    files: DeviceFiles,
    originFile: number,
    openings: Openings,
  ) {
    this.#options = options;
    this.#origin = origin;
    this.#registered = registered;
    this.#files = files;
    this.#originFile = originFile;
    this.openings = openings;
  }

  /** A device of the core's, by its number in every ring. */
  fileOf(device: DeviceId): number {
    if (device === 0) return this.#originFile;
    const handle = this.#handles.get(device - 1);
    assert(handle !== undefined, "the core names a COW device that is open");
    return handle.file;
  }

  all(): SnapshotHandle[] {
    return [...this.#handles.values()];
  }

  at(index: number): SnapshotHandle | undefined {
    return this.#handles.get(index);
  }

  /** Device operations that have ended for their exports. */
  get operations(): number {
    const all = this.all().flatMap(({ counters }) => counters);
    return all.reduce((sum, counters) => sum + counters[ExportCounter.Operations], 0);
  }

  /** Open every store of the options (E-46); nothing is written yet. Threads `start` beside a store that takes its time. */
  async openAll(start: () => Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    let started: Promise<unknown> | undefined;
    const takesLong = (): void => {
      // A store that is refused may be read twice, to say why.
      started ??= start();
      started.catch(() => {});
    };
    try {
      await this.#openAll(takesLong, signal);
    } finally {
      await started?.catch(() => {});
    }
  }

  async #openAll(takesLong: () => void, signal: AbortSignal | undefined): Promise<void> {
    const { snapshots } = this.#options;
    const last = snapshots.at(-1);
    try {
      for (const options of snapshots) {
        throwIfAborted(signal);
        const { loaded } = await this.open(options, {
          make: false,
          takesLong: options === last ? takesLong : undefined,
          stop: signal,
        });
        await this.#fitOrigin(loaded.chunkSectors * SECTOR_BYTES, signal);
      }
    } catch (error) {
      for (const handle of this.all()) await this.removeMade(handle);
      throw error;
    }
  }

  async open(
    options: SnapshotOptions,
    how: Pick<StoreSurroundings, "make" | "takesLong" | "stop">,
  ): Promise<SnapshotHandle> {
    const { readOnly, unlocked, direct, mode, log } = this.#options;
    const around = {
      openings: this.openings,
      origin: this.#origin,
      cows: this.#cows(),
      direct,
      readOnly,
      unlocked,
      mode,
      log,
    };
    const opened = await openStore(options, { ...around, ties: this.#registered, ...how });
    try {
      // Another order may have taken the name, or the device, while the store was opened.
      this.refuseTaken(options);
      refuseOtherCows(opened.cow.file, this.#cows());
      return this.#adopt(options, opened);
    } catch (error) {
      opened.cow.close();
      await removeMade(opened, this.openings);
      throw error;
    }
  }

  removeMade(handle: SnapshotHandle): Promise<void> {
    return removeMade(handle, this.openings);
  }

  /** Of its COW device, which may have grown or shrunk. */
  sectorsNow({ cow }: SnapshotHandle): Promise<number> {
    return cow.sectorsNow(this.openings);
  }

  /** Its COW file has `bytes`, where it has fewer; throws a SnapringError, and it is as before. Sectors that it has now. */
  growTo({ cow, full }: SnapshotHandle, bytes: number): Promise<number> {
    return cow.grow(this.openings, bytes, full.sparse);
  }

  /** Throws a SnapringError (EEXIST). */
  refuseTaken({ name }: SnapshotOptions): void {
    if (this.all().some((handle) => handle.name === name))
      throw new SnapringError("EEXIST", `there is a snapshot named '${name}' already`);
  }

  /** Every worker has let go of its table, and the core of the snapshot. */
  close(handle: SnapshotHandle): void {
    this.recorded.delete(handle);
    // The volume may have closed it meanwhile.
    if (this.#handles.delete(handle.index)) this.#close(handle, true);
  }

  /** `quiet`: no worker has died with requests under way. */
  closeAll(quiet: boolean): void {
    for (const handle of this.all()) this.#close(handle, quiet);
    this.#handles.clear();
  }

  /** The opening has failed, and its threads have ended: what was made for it goes again, in use by nobody so far. Never throws. */
  async takeBack(): Promise<void> {
    for (const handle of this.all().filter(({ made }) => made !== undefined))
      await this.#takeBack(handle).catch(({ message }) => this.#options.log(`${handle.name} stays: ${message}`));
  }

  /** What the register names for good keeps its file: the next opening would miss it (E-46), and takes the blank store. */
  async #takeBack(handle: SnapshotHandle): Promise<void> {
    try {
      if (this.recorded.has(handle)) await this.#registered.remove(handle.registrand);
    } catch (error) {
      if (this.isSettled) throw error;
    }
    await this.removeMade(handle);
  }

  #close(handle: SnapshotHandle, quiet: boolean): void {
    handle.close(quiet);
    this.#files.give(handle.file);
  }

  /** Copies read whole chunks of the origin: they must be whole device blocks there. */
  async #fitOrigin(chunkBytes: number, stop: AbortSignal | undefined): Promise<void> {
    if (chunkBytes % this.#origin.align === 0) return;
    const warning = await this.#origin.useBuffered(this.openings, stop);
    if (warning !== undefined) this.#options.log(warning);
  }

  #adopt(options: SnapshotOptions, opened: OpenedStore): SnapshotHandle {
    const handle = new SnapshotHandle({
      ...opened,
      index: this.#freeIndex(),
      workers: this.#options.workers,
      file: this.#files.take(),
      name: options.name,
      store: options.store ?? "P",
      reserves: this.#options.reserves,
      full: policyOf(options),
      discardZeroesCow: options.discardZeroesCow ?? false,
      discardPassdownOrigin: options.discardPassdownOrigin ?? false,
      readOnly: options.readOnly ?? false,
    });
    this.#handles.set(handle.index, handle);
    return handle;
  }

  #cows(): DeviceFile[] {
    return this.all().map((handle) => handle.cow.file);
  }

  #freeIndex(): number {
    for (let index = 0; index < MAX_SNAPSHOTS; index++) if (!this.#handles.has(index)) return index;
    throw new SnapringError("ENOSPC", `an origin has at most ${MAX_SNAPSHOTS} snapshots`);
  }
}
