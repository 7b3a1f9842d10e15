/**
 * The snapshots of a volume: opened before it is served, created and dropped while it is, and what main knows of each.
 *
 *   open     open stores ─▶ register ─▶ memory and descriptors to every worker ─▶ core ─▶ what merges is presented (E-36) ─▶ served
 *   create   open store ─▶ memory and descriptor to every worker ─▶ core: C-30 ─▶ served
 *   drop     core: E-41 ─▶ workers forget ─▶ device closed
 *
 * A worker has a snapshot's memory before the core lists it, and keeps its descriptor until the core has let it go.
 */
import { MAX_SNAPSHOTS } from "../base/constants.ts";
import { AbortError, throwIfAborted } from "../base/abort-error.ts";
import { SnapringError } from "../base/errno.ts";
import { SnapshotState } from "../base/states.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { Registration } from "../core/ports.ts";
import { type DeviceFile, refuseOtherCows } from "../device/device-file.ts";
import { formatTableLine } from "../format/table-line.ts";
import { cowFile } from "../ring/file-table.ts";
import type { VolumeWords } from "../ring/volume-words.ts";
import type { ExportControl, FileControl } from "../ring/worker-data.ts";
import type { CoreShell } from "./core-shell.ts";
import type { RegisteredState } from "../register/register-text.ts";
import type { RegisteredSet } from "./registered-set.ts";
import { type MergeParts, Merges } from "./merges.ts";
import { coreError } from "./refusal.ts";
import { SnapshotHandle } from "./snapshot-handle.ts";
import { snapshotStats, type SnapshotStats } from "./stats.ts";
import { type OpenedStore, openStore, removeMade, type StoreSurroundings } from "./store-opening.ts";
import type { Threads } from "./threads.ts";
import type { SnapshotStatus } from "./volume-events.ts";
import type { VolumeDevice } from "./volume-device.ts";
import { checkName, refusePassdown } from "./option-schema.ts";
import type { CompleteOptions, SnapshotOptions } from "./volume-options.ts";

/** What a creation is refused with while the store is blank, or, for want of descriptors, before the register names it. */
const REFUSALS: readonly string[] = ["EINVAL", "EBUSY", "EMFILE", "ENFILE"];

/** A register of a million exceptions has been written seven times meanwhile. */
const SEE_FACTOR = 8;

/** Looking at the figures costs about as much as a message: not at each commit. */
const COMMITS_PER_LOOK = 16;

export type MergeEvents = Pick<MergeParts, "notice" | "began">;

export class SnapshotSet {
  readonly #options: CompleteOptions;
  readonly #origin: VolumeDevice;
  readonly #registered: RegisteredSet;
  readonly #handles = new Map<number, SnapshotHandle>();
  /** Those that the register has been told of when the volume was opened. */
  readonly #recorded = new Set<SnapshotHandle>();
  /** … which it has written. */
  #settled = false;
  #shell: CoreShell | undefined;
  #seeing: Promise<void> = Promise.resolve();
  #merges: Merges | undefined;
  #threads: Threads | undefined;
  #words: VolumeWords | undefined;

  constructor(options: CompleteOptions, origin: VolumeDevice, registered: RegisteredSet) {
    this.#options = options;
    this.#origin = origin;
    this.#registered = registered;
  }

  /** What the core has: not what is just being introduced or forgotten. */
  served(): SnapshotHandle[] {
    const known = new Set(this.#shell?.core.snapshots());
    return this.#all().filter((handle) => known.has(handle.index));
  }

  /** Once they are attached. */
  get merges(): Merges {
    return this.#merges as Merges;
  }

  /** See Merges.close. */
  async closeMerges(): Promise<void> {
    await this.#merges?.close();
  }

  at(index: number): SnapshotHandle | undefined {
    return this.#handles.get(index);
  }

  find(name: string): SnapshotHandle {
    checkName(name);
    const handle = this.served().find((h) => h.name === name);
    if (handle === undefined) throw new SnapringError("ENOENT", `there is no snapshot '${name}'`);
    return handle;
  }

  /** Open every store of the options; nothing is written yet. */
  async openStores(takesLong: () => void, signal: AbortSignal | undefined): Promise<void> {
    const { snapshots } = this.#options;
    const last = snapshots.at(-1);
    const lastTakesLong = (chunkBytes: number): void => {
      this.#fitOrigin(chunkBytes);
      takesLong();
    };
    try {
      for (const options of snapshots) {
        throwIfAborted(signal);
        const { loaded } = await this.#open(options, {
          make: false,
          takesLong: options === last ? lastTakesLong : undefined,
          stop: signal,
        });
        this.#fitOrigin(loaded.chunkSectors * SECTOR_BYTES);
      }
    } catch (error) {
      for (const handle of this.#handles.values()) removeMade(handle);
      throw error;
    }
  }

  /** The threads are there: hand the opened snapshots to workers and core. One that merges is presented when this resolves. */
  async attach(shell: CoreShell, threads: Threads, words: VolumeWords, merging: MergeEvents): Promise<void> {
    this.#shell = shell;
    const { originReadOnly } = this.#options;
    this.#merges = new Merges({
      ...merging,
      shell,
      originReadOnly,
      operate: (name, event) => this.#operate(name, event),
    });
    this.#threads = threads;
    this.#words = words;
    for (const handle of this.#all()) {
      await this.#introduce(handle);
      await this.#operate(handle.name, (operation) =>
        shell.core.openSnapshot(operation, this.#config(handle), handle.loaded),
      );
    }
    // What is registered has a store: a new one has been formatted by now, and nobody has written the origin yet.
    const persistent = this.#all().filter((handle) => handle.persistent);
    for (const handle of persistent) this.#recorded.add(handle);
    for (const handle of persistent)
      if (handle.merging && this.#stateAtOpening(handle) === "active") this.#sayStopped(handle);
    await this.#registered.settle(
      persistent.map((handle) => ({ ...handle.registrand, state: this.#stateAtOpening(handle) })),
    );
    this.#settled = true;
    for (const handle of this.#all()) if (this.#stateAtOpening(handle) === "merging") await this.#mergeAgain(handle);
  }

  /** What the register is to say of it from now on. */
  #stateAtOpening({ loaded, merging }: SnapshotHandle): RegisteredState {
    if (loaded.state === "invalid") return "invalid";
    // Nothing is left to be merged: the origin is what the snapshot was, and needs no presenting.
    const isLeft = merging && loaded.exceptions > 0;
    return isLeft && !this.#options.noMerge ? "merging" : "active";
  }

  #sayStopped({ name, loaded }: SnapshotHandle): void {
    const left = loaded.exceptions;
    if (left === 0) this.#options.log(`${name}: its merge is complete`);
    else this.#options.log(`${name}: its merge is stopped; the origin is half merged: ${left} exceptions are left`);
  }

  async #mergeAgain(handle: SnapshotHandle): Promise<void> {
    const { readOnly, originReadOnly, log } = this.#options;
    await this.merges.goOn(handle);
    const rests = `rests: the ${readOnly ? "volume" : "origin"} is read-only`;
    log(`${handle.name}: its merge ${originReadOnly ? rests : "goes on"}`);
  }

  /** Make a snapshot of the live origin, atomically against writes of clients (E-40). */
  async create(options: SnapshotOptions, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.#refuseTaken(options);
    if (this.#options.readOnly) throw new SnapringError("EPERM", "the volume is read-only");
    if (this.#options.originReadOnly) refusePassdown(options, "options");
    const handle = await this.#open(options, { make: true, stop: signal });
    const shell = this.#shell as CoreShell;
    try {
      if (handle.description.chunkBytes % this.#origin.align !== 0) {
        const what = `chunks of ${options.name} are smaller than a direct I/O block of the origin`;
        throw new SnapringError("EINVAL", what, { hint: `use chunks of ${this.#origin.align} bytes or more` });
      }
      await this.#introduce(handle);
      throwIfAborted(signal);
      await this.#operate(handle.name, (operation) =>
        shell.core.createSnapshot(operation, this.#config(handle), handle.loaded),
      );
    } catch (error) {
      // Where a worker has died it cannot be told; why there is no snapshot is still what was thrown first.
      await this.#forget(handle).catch(() => {});
      // Refused before anything was written; a store whose creation failed later may be registered, and stays.
      if (error instanceof AbortError || (error instanceof SnapringError && REFUSALS.includes(error.code)))
        removeMade(handle);
      throw error;
    }
    if (signal?.aborted !== true) return;
    // It came too late to keep the snapshot from being: it goes again.
    await this.drop(handle);
    removeMade(handle);
    throw new AbortError(signal);
  }

  /** The snapshot goes for good, and its COW device is let go (E-41). */
  async drop(handle: SnapshotHandle): Promise<void> {
    const shell = this.#shell as CoreShell;
    await this.#operate(handle.name, (operation) => shell.core.dropSnapshot(operation, handle.index));
    await this.#forget(handle);
  }

  /** Take over the size that the COW device has now (E-45, S-43). */
  grow(handle: SnapshotHandle): void {
    const sectors = handle.cow.sectorsNow();
    const error = (this.#shell as CoreShell).grow(handle.index, sectors);
    if (error === 0) return;
    if (error === undefined) throw new SnapringError("EIO", `${handle.name}: the volume has ended`);
    throw new SnapringError(
      "EINVAL",
      `${handle.cow.file.path} is smaller than what snapshot ${handle.name} uses of it`,
    );
  }

  /** What the core wants recorded of a snapshot before it goes on; resolves when it is durable (E-46). */
  async register(index: number, what: Registration): Promise<void> {
    const handle = this.#handles.get(index);
    if (handle === undefined || !handle.persistent) return;
    if (what === "removed") await this.#registered.remove(handle.registrand);
    else await this.#registered.record(handle.registrand, what);
  }

  /** The volume closes, and everything is on disk: the register remembers what the stores hold. */
  async see(): Promise<void> {
    await this.#seeing;
    const persistent = this.#all().filter((handle) => handle.persistent);
    await this.#registered.see(
      persistent.map(({ registrand }) => registrand),
      true,
    );
  }

  /**
   * Exceptions are durable. Now and then, each time that there are many more of them, the register is told: a store that is put back to an
   * older state after a crash is found out then, too.
   */
  committed(index: number): void {
    const handle = this.#handles.get(index);
    if (handle === undefined || --handle.lookIn > 0) return;
    handle.lookIn = COMMITS_PER_LOOK;
    const status = this.#shell?.core.status(index);
    if (status === undefined || status.state !== SnapshotState.Active) return;
    const most = handle.loaded.exceptions + status.counters.exceptionsCommitted;
    if (most < handle.seeAt) return;
    handle.seeAt = most * SEE_FACTOR;
    this.#seeing = this.#seeing
      .then(() => this.#registered.see([{ ...handle.registrand, most }], false))
      // Nothing depends on it, and the close tries again.
      .catch(() => {});
  }

  stats(handle: SnapshotHandle): SnapshotStats {
    return snapshotStats(handle, (this.#shell as CoreShell).core.status(handle.index));
  }

  status(handle: SnapshotHandle): SnapshotStatus {
    const { name, state, status } = this.stats(handle);
    const table = formatTableLine({
      origin: this.#origin.file.path,
      cow: handle.cow.file.path,
      store: handle.store,
      chunkSectors: handle.loaded.chunkSectors,
      discardZeroesCow: handle.description.discardZeroesCow,
      discardPassdownOrigin: handle.description.discardPassdownOrigin,
    });
    return { name, state, status, table };
  }

  /** The opening has failed, and its threads have ended: what was made for it goes again, in use by nobody so far. Never throws. */
  async takeBack(): Promise<void> {
    for (const handle of this.#all().filter(({ made }) => made !== undefined))
      await this.#takeBack(handle).catch(({ message }) => this.#options.log(`${handle.name} stays: ${message}`));
  }

  /** What the register names for good keeps its file: the next opening would miss it (E-46), and takes the blank store. */
  async #takeBack(handle: SnapshotHandle): Promise<void> {
    try {
      if (this.#recorded.has(handle)) await this.#registered.remove(handle.registrand);
    } catch (error) {
      if (this.#settled) throw error;
    }
    removeMade(handle);
  }

  /** `quiet`: no worker has died with requests under way. Nothing looks at a store, or writes the register, when it resolves. */
  async closeDevices(quiet: boolean): Promise<void> {
    await this.#seeing;
    for (const handle of this.#all()) handle.close(quiet);
    this.#handles.clear();
  }

  async #open(
    options: SnapshotOptions,
    how: Pick<StoreSurroundings, "make" | "takesLong" | "stop">,
  ): Promise<SnapshotHandle> {
    const { readOnly, unlocked, direct, mode, log } = this.#options;
    const around = { origin: this.#origin, cows: this.#cows(), direct, readOnly, unlocked, mode, log };
    const opened = await openStore(options, { ...around, ties: this.#registered, ...how });
    try {
      // Another order may have taken the name, or the device, while the store was opened.
      this.#refuseTaken(options);
      refuseOtherCows(opened.cow.file, this.#cows());
      return this.#adopt(options, opened);
    } catch (error) {
      opened.cow.close();
      removeMade(opened);
      throw error;
    }
  }

  /** Copies read whole chunks of the origin: they must be whole device blocks there. */
  #fitOrigin(chunkBytes: number): void {
    const warning = chunkBytes % this.#origin.align === 0 ? undefined : this.#origin.useBuffered();
    if (warning !== undefined) this.#options.log(warning);
  }

  #adopt(options: SnapshotOptions, opened: OpenedStore): SnapshotHandle {
    const handle = new SnapshotHandle({
      ...opened,
      index: this.#freeIndex(),
      name: options.name,
      store: options.store ?? "P",
      reserves: this.#options.reserves,
      discardZeroesCow: options.discardZeroesCow ?? false,
      discardPassdownOrigin: options.discardPassdownOrigin ?? false,
    });
    this.#handles.set(handle.index, handle);
    return handle;
  }

  #all(): SnapshotHandle[] {
    return [...this.#handles.values()];
  }

  #cows(): DeviceFile[] {
    return this.#all().map((handle) => handle.cow.file);
  }

  #refuseTaken({ name }: SnapshotOptions): void {
    if (this.#all().some((handle) => handle.name === name))
      throw new SnapringError("EEXIST", `there is a snapshot named '${name}' already`);
  }

  #freeIndex(): number {
    for (let index = 0; index < MAX_SNAPSHOTS; index++) if (!this.#handles.has(index)) return index;
    throw new SnapringError("ENOSPC", `an origin has at most ${MAX_SNAPSHOTS} snapshots`);
  }

  #config(handle: SnapshotHandle): Parameters<CoreShell["core"]["openSnapshot"]>[1] {
    return {
      index: handle.index,
      store: handle.store,
      ports: handle.ports(this.#words as VolumeWords, (this.#threads as Threads).exports),
      metadataBlockBytes: handle.cow.metadataBlockBytes,
      registered: handle.persistent && !this.#options.readOnly,
      merging: this.#stateAtOpening(handle) === "merging",
    };
  }

  /** Every worker has the snapshot's memory and device before the core may list it. */
  async #introduce(handle: SnapshotHandle): Promise<void> {
    const { readOnly } = this.#options;
    const { fd } = handle.cow;
    const control: ExportControl = { kind: "snapshot", snapshot: handle.description, fd, readOnly };
    await this.#tell(control, { file: cowFile(handle.index), fd, inline: handle.cow.inline });
  }

  async #forget(handle: SnapshotHandle): Promise<void> {
    const gone = { file: cowFile(handle.index), fd: -1, inline: false };
    await this.#tell({ kind: "forget", index: handle.index, name: handle.name }, gone);
    this.#recorded.delete(handle);
    // The volume may have closed it meanwhile. Every worker has let go of its table, and the core of the snapshot.
    if (this.#handles.delete(handle.index)) handle.close(true);
  }

  async #tell(toExports: ExportControl, toOthers: FileControl): Promise<void> {
    const { exports, copies, metadata } = this.#threads as Threads;
    const taken = [
      ...exports.map((channel) => channel.control(toExports)),
      ...[...copies, metadata].map((channel) => channel.control(toOthers)),
    ];
    (this.#shell as CoreShell).turn();
    await Promise.all(taken);
  }

  async #operate(name: string, event: (operation: number) => void): Promise<void> {
    const { error, message } = await (this.#shell as CoreShell).operate(event);
    if (error !== 0) throw coreError(name, error, message);
  }
}
