/**
 * The snapshots of a volume that is served: handed to workers and core, created and dropped, and what main knows of each.
 *
 *   attach   register ─▶ memory and descriptors to every worker ─▶ core ─▶ what merges is presented (E-36) ─▶ served
 *   create   open store ─▶ memory and descriptor to every worker ─▶ core: C-30 ─▶ served      (creation.ts, creation-part.ts)
 *   drop     core: E-41 ─▶ workers forget ─▶ device closed
 *
 * A worker has a snapshot's memory before the core lists it, and keeps its descriptor until the core has let it go.
 */
import { SnapringError } from "../base/errno.ts";
import { exactSize } from "../base/size-text.ts";
import { SnapshotState } from "../base/states.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { Registration } from "../core/ports.ts";
import { formatTableLine } from "../format/table-line.ts";
import { HISTOGRAM_BUCKETS, latencyBucket } from "../ring/counters.ts";
import type { VolumeWords } from "../ring/volume-words.ts";
import type { CoreShell } from "./core-shell.ts";
import { type CreationHost, CreationPart } from "./creation-part.ts";
import type { CreationPause } from "./creation-pause.ts";
import type { RegisteredState } from "../register/register-text.ts";
import type { OpenedSnapshots } from "./opened-snapshots.ts";
import type { RegisteredSet } from "./registered-set.ts";
import { type MergeParts, Merges } from "./merges.ts";
import { coreError } from "./refusal.ts";
import { corePolicy, storeKindOf } from "./room-options.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import { snapshotStats, type SnapshotStats } from "./stats.ts";
import { type GrowthEvents, StoreGrowths } from "./store-growths.ts";
import type { Serving } from "./serving.ts";
import type { SnapshotStatus } from "./volume-events.ts";
import type { VolumeDevice } from "./volume-device.ts";
import { checkName, refuseForStore, refusePassdown } from "./option-schema.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { GrowthOptions, SnapshotOptions, SnapshotPolicy } from "./volume-options.ts";

/** A register of a million exceptions has been written seven times meanwhile. */
const SEE_FACTOR = 8;

/** Looking at the figures costs about as much as a message: not at each commit. */
const COMMITS_PER_LOOK = 16;

export interface SnapshotSetParts {
  readonly options: CompleteOptions;
  readonly origin: VolumeDevice;
  readonly registered: RegisteredSet;
  readonly opened: OpenedSnapshots;
  readonly serving: Serving;
  /** The volume's number. */
  readonly volume: number;
  readonly words: VolumeWords;
  readonly notice: MergeParts["notice"];
  readonly growth: GrowthEvents;
}

export class SnapshotSet {
  readonly #options: CompleteOptions;
  readonly #origin: VolumeDevice;
  readonly #registered: RegisteredSet;
  readonly #opened: OpenedSnapshots;
  readonly #shell: CoreShell;
  readonly #serving: Serving;
  readonly #volume: number;
  readonly #words: VolumeWords;
  readonly merges: Merges;
  readonly growths: StoreGrowths;
  /** How long creations have held the writes of clients. */
  readonly pauses: number[] = new Array<number>(HISTOGRAM_BUCKETS).fill(0);
  #seeing: Promise<void> = Promise.resolve();

  /** The workers know the volume, and have no snapshot of it yet; `attach` follows. */
  constructor(parts: SnapshotSetParts) {
    const { options, origin, registered, opened, serving, volume, words, notice, growth } = parts;
    this.#options = options;
    this.#origin = origin;
    this.#registered = registered;
    this.#opened = opened;
    this.#shell = serving.shell;
    this.#serving = serving;
    this.#volume = volume;
    this.#words = words;
    const { originReadOnly, readOnly, mergePercent } = options;
    const { shell } = serving;
    this.growths = new StoreGrowths({ openings: opened.openings, readOnly, shell, events: growth });
    this.merges = new Merges({
      notice,
      percent: mergePercent,
      shell: serving.shell,
      originReadOnly,
      operate: (name, event) => this.#operate(name, event),
    });
  }

  /** What the core has: not what is just being introduced or forgotten. */
  served(): SnapshotHandle[] {
    const known = new Set(this.#shell.core.snapshots());
    return this.#opened.all().filter((handle) => known.has(handle.index));
  }

  at(index: number): SnapshotHandle | undefined {
    return this.#opened.at(index);
  }

  find(name: string): SnapshotHandle {
    checkName(name);
    const handle = this.served().find((h) => h.name === name);
    if (handle === undefined) throw new SnapringError("ENOENT", `there is no snapshot '${name}'`);
    return handle;
  }

  /** Hand the opened snapshots to workers and core. One that merges is presented when this resolves. */
  async attach(): Promise<void> {
    for (const handle of this.#opened.all()) {
      await this.#introduce(handle);
      await this.#operate(handle.name, (operation) =>
        this.#shell.core.openSnapshot(operation, this.#config(handle), handle.loaded),
      );
    }
    // What is registered has a store: a new one has been formatted by now, and nobody has written the origin yet.
    const persistent = this.#opened.all().filter((handle) => handle.persistent);
    for (const handle of persistent) this.#opened.recorded.add(handle);
    for (const handle of persistent)
      if (handle.merging && this.#stateAtOpening(handle) === "active") this.#sayStopped(handle);
    await this.#registered.settle(
      persistent.map((handle) => ({ ...handle.registrand, state: this.#stateAtOpening(handle) })),
    );
    this.#opened.isSettled = true;
    for (const handle of this.#opened.all())
      if (this.#stateAtOpening(handle) === "merging") await this.#mergeAgain(handle);
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

  /** What this volume does for snapshots of the live origin, atomically against writes of clients (E-40). `nameOf`: how errors call them. */
  creation(wanted: readonly SnapshotOptions[], nameOf: (name: string) => string, pause: CreationPause): CreationPart {
    if (this.#options.readOnly) throw new SnapringError("EPERM", "the volume is read-only");
    if (this.#options.originReadOnly) for (const options of wanted) refusePassdown(options, "options");
    const host: CreationHost = {
      shell: this.#shell,
      bring: (options, signal) => this.#bring(options, signal),
      config: (handle) => this.#config(handle),
      takeBack: (handle) => this.#takeBack(handle),
      undo: (handle) => this.#undo(handle),
      paused: (ms) => void (this.pauses[latencyBucket(ms)]! += 1),
    };
    return new CreationPart(host, wanted, { nameOf, pause });
  }

  async #bring(options: SnapshotOptions, signal: AbortSignal | undefined): Promise<SnapshotHandle> {
    this.#opened.refuseTaken(options);
    const handle = await this.#opened.open(options, { make: true, stop: signal });
    try {
      if (handle.description.chunkBytes % this.#origin.align !== 0) {
        const what = `chunks of ${options.name} are smaller than a direct I/O block of the origin`;
        throw new SnapringError("EINVAL", what, { hint: `use chunks of ${this.#origin.align} bytes or more` });
      }
      await this.#introduce(handle);
      return handle;
    } catch (error) {
      await this.#takeBack(handle);
      throw error;
    }
  }

  async #takeBack(handle: SnapshotHandle): Promise<void> {
    await this.#registered.idle();
    // Where a worker has died it cannot be told; why there is no snapshot is still what was thrown first.
    await this.#forget(handle).catch(() => {});
    // What the register names must stay: the next opening would miss it (E-46).
    if (!this.#registered.names(handle.name) && !handle.staysRegistered) await this.#opened.removeMade(handle);
  }

  /** Its group has failed when it had been made: it goes again. */
  async #undo(handle: SnapshotHandle): Promise<void> {
    try {
      await this.drop(handle);
      await this.#opened.removeMade(handle);
    } catch (error) {
      this.#options.log(`${handle.name} stays: ${(error as Error).message}`);
    }
  }

  /** The snapshot goes for good, and its COW device is let go (E-41). */
  async drop(handle: SnapshotHandle): Promise<void> {
    await this.#operate(handle.name, (operation) => this.#shell.core.dropSnapshot(operation, handle.index));
    await this.#forget(handle);
  }

  /** Take over the size that the COW device has now, or first give it that size (E-45, S-43). */
  grow(handle: SnapshotHandle, { size }: GrowthOptions): Promise<void> {
    return handle.inTurn(() => this.#grow(handle, size));
  }

  /** What happens when it runs full is another thing from now on (E-47, E-48). */
  setPolicy(handle: SnapshotHandle, policy: SnapshotPolicy): void {
    refuseForStore(handle.store, policy);
    this.growths.change(handle, policy);
  }

  /** An older size must not come after a newer one. */
  async #grow(handle: SnapshotHandle, size: number | undefined): Promise<void> {
    const isGone = (): boolean => !this.served().includes(handle);
    const gone = new SnapringError("ENOENT", `there is no snapshot '${handle.name}'`);
    if (isGone()) throw gone;
    const sectors = await this.#newSectors(handle, size).catch((error: unknown) => {
      throw isGone() ? gone : error;
    });
    // It may have been dropped meanwhile.
    if (isGone()) throw gone;
    const error = this.#shell.tell((core) => core.grow(handle.index, sectors));
    this.growths.changed(handle);
    if (error === 0) return;
    if (error === undefined) throw new SnapringError("EIO", `${handle.name}: the volume has ended`);
    throw new SnapringError(
      "EINVAL",
      `${handle.cow.file.path} is smaller than what snapshot ${handle.name} uses of it`,
    );
  }

  async #newSectors(handle: SnapshotHandle, size: number | undefined): Promise<number> {
    const { path, isBlockDevice } = handle.cow.file;
    const now = await this.#opened.sectorsNow(handle);
    if (size === undefined) return now;
    const [has, wanted] = [exactSize(now * SECTOR_BYTES), exactSize(size)];
    if (size < now * SECTOR_BYTES)
      throw new SnapringError("EINVAL", `${path} has ${has}, and does not shrink to ${wanted}`);
    if (size === now * SECTOR_BYTES) return now;
    if (this.#options.readOnly) throw new SnapringError("EPERM", "the volume is read-only");
    if (!isBlockDevice) return this.#opened.growTo(handle, size);
    throw new SnapringError("EINVAL", `${path} is a block device of ${has}: grow it to ${wanted} first`);
  }

  /** What the core wants recorded of a snapshot before it goes on; resolves when it is durable (E-46). */
  async register(index: number, what: Registration): Promise<void> {
    const handle = this.#opened.at(index);
    if (handle === undefined || !handle.persistent) return;
    if (what !== "removed") return await this.#registered.record(handle.registrand, what);
    handle.staysRegistered = true;
    await this.#registered.remove(handle.registrand);
    handle.staysRegistered = false;
  }

  /**
   * The volume closes, and everything is on disk: the register remembers what the stores hold. What cannot be noted is not lost: the register knows an
   * older state of stores that only grow.
   */
  async see(): Promise<void> {
    await this.#seeing;
    const persistent = this.#opened.all().filter((handle) => handle.persistent);
    const registrands = persistent.map(({ registrand }) => registrand);
    await this.#registered.see(registrands, true).catch((error: Error) => {
      this.#options.log(`closing: ${error.message}`);
    });
  }

  /**
   * Exceptions are durable. Now and then, each time that there are many more of them, the register is told: a store that is put back to an
   * older state after a crash is found out then, too.
   */
  committed(index: number): void {
    const handle = this.#opened.at(index);
    if (handle === undefined || --handle.lookIn > 0) return;
    handle.lookIn = COMMITS_PER_LOOK;
    const status = this.#shell.core.status(index);
    if (status.state !== SnapshotState.Active) return;
    const most = handle.loaded.exceptions + status.counters.exceptionsCommitted;
    if (most < handle.seeAt) return;
    handle.seeAt = most * SEE_FACTOR;
    this.#seeing = this.#seeing
      .then(() => this.#registered.see([{ ...handle.registrand, most }], false))
      // Nothing depends on it, and the close tries again.
      .catch(() => {});
  }

  stats(handle: SnapshotHandle): SnapshotStats {
    return snapshotStats(handle, this.#shell.core.status(handle.index));
  }

  status(handle: SnapshotHandle): SnapshotStatus {
    const { name, state, status } = this.stats(handle);
    const store = storeKindOf(handle.store, this.growths.policyOf(handle));
    const table = formatTableLine({
      origin: this.#origin.file.path,
      cow: handle.cow.file.path,
      store,
      chunkSectors: handle.loaded.chunkSectors,
      discardZeroesCow: handle.description.discardZeroesCow,
      discardPassdownOrigin: handle.description.discardPassdownOrigin,
    });
    const { chunkBytes } = handle.description;
    return { name, state, status, table, cow: handle.cow.file.path, store: handle.store, chunkSize: chunkBytes };
  }

  /** Resolves when nothing looks at a store, or writes the register, any more: the devices may be closed. */
  async looked(): Promise<void> {
    await this.growths.end();
    await this.#seeing;
    await this.#registered.idle();
  }

  #config(handle: SnapshotHandle): Parameters<CoreShell["core"]["openSnapshot"]>[1] {
    return {
      index: handle.index,
      store: handle.store,
      ports: handle.ports(this.#volume, this.#words, this.#serving.threads.exports),
      metadataBlockBytes: handle.cow.metadataBlockBytes,
      registered: handle.persistent && !this.#options.readOnly,
      merging: this.#stateAtOpening(handle) === "merging",
      room: corePolicy(handle.full, this.#options.readOnly),
    };
  }

  /** Every worker has the snapshot's memory and device before the core may list it. */
  async #introduce(handle: SnapshotHandle): Promise<void> {
    const readOnly = this.#options.readOnly || handle.readOnly;
    const { fd } = handle.cow;
    this.growths.add(handle);
    await this.#serving.tell(
      { kind: "snapshot", volume: this.#volume, snapshot: handle.description, fd, readOnly },
      { file: handle.file, fd, inline: handle.cow.inline, cow: true },
    );
  }

  async #forget(handle: SnapshotHandle): Promise<void> {
    const { index, name, file } = handle;
    await this.growths.forget(handle);
    await this.#serving.tell({ kind: "forget", volume: this.#volume, index, name }, { gone: [file] });
    this.#opened.close(handle);
  }

  async #operate(name: string, event: (operation: number) => void): Promise<void> {
    const { error, message } = await this.#shell.operate(event);
    if (error !== 0) throw coreError(name, error, message);
  }
}
