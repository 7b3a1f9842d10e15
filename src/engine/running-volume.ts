/**
 * A volume that runs: an origin, its snapshots, and its part in the engine whose threads serve them. A program holds it through a `Volume`
 * (volume.ts).
 *
 *   openVolume
 *     open and lock origin ─▶ open every store (E-46: the whole set, before the first write) ─▶ threads know it ─▶ core
 *     ─▶ snapshots: memory to every worker, open in the core, one that merges presented (E-36) ─▶ listen
 *   close
 *     stop listening ─▶ its clients drain ─▶ core: commit all, flush ─▶ its copies and commits end ─▶ threads forget it ─▶ locks released
 *   its core fails: the volume alone ends    a thread dies: every volume of the engine
 *
 * Everything here runs on the main thread. It holds no rule of its own about exceptions: that is core's.
 */
import { VolumeClients } from "./volume-clients.ts";
import { EventEmitter } from "node:events";
import { assert } from "../base/assert.ts";
import { ABANDON_GRACE_MS, CLOSE_FLUSH_MS } from "../base/constants.ts";
import { AbortError, throwIfAborted, whenAborted, whenOverdue } from "../base/abort-error.ts";
import { SnapringError } from "../base/errno.ts";
import { errnoWhy } from "../base/errno-words.ts";
import type { NoticeKind } from "../core/ports.ts";
import { createExportCounters } from "../ring/counters.ts";
import { createVolumeWords, VolumeWords } from "../ring/volume-words.ts";
import { CloseWatch } from "./close-watch.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { CreatedSnapshot } from "./created.ts";
import { create, type CreationVolume } from "./creation.ts";
import type { CreationPart } from "./creation-part.ts";
import type { CreationPause } from "./creation-pause.ts";
import { exportList } from "./export-list.ts";
import { Listener } from "./listener.ts";
import type { Merges } from "./merges.ts";
import { sayWhatIsMissing } from "./missing.ts";
import { checkSnapshotOptions } from "./option-schema.ts";
import { OpenedSnapshots } from "./opened-snapshots.ts";
import { openOrigin } from "./origin-opening.ts";
import { Orders } from "./orders.ts";
import { coreError, defect, inWords } from "./refusal.ts";
import { RegisteredSet } from "./registered-set.ts";
import type { Member, RunningEngine } from "./running-engine.ts";
import { Serving, type ServingParts } from "./serving.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import { SnapshotSet } from "./snapshot-set.ts";
import type { VolumeStats } from "./stats.ts";
import { guarded } from "./user-callback.ts";
import type { VolumeDevice } from "./volume-device.ts";
import { volumeStats } from "./volume-stats.ts";
import type { ExportInfo, SnapshotStatus, VolumeEvents } from "./volume-events.ts";
import { VolumeNews } from "./volume-news.ts";
import type { CreateOptions, GrowthOptions, MergeOptions, SnapshotOptions, SnapshotPolicy } from "./volume-options.ts";

export class RunningVolume extends EventEmitter<VolumeEvents> implements Member, CreationVolume {
  readonly name: string;
  readonly #engine: RunningEngine;
  readonly #number: number;
  readonly #left: () => Promise<void>;
  readonly #options: CompleteOptions;
  readonly #words = createVolumeWords();
  readonly #counters: SharedArrayBuffer;
  readonly #orders = new Orders();
  #origin: VolumeDevice | undefined;
  #originFile: number | undefined;
  #serving: Serving | undefined;
  readonly #listener: Listener;
  readonly #news: VolumeNews;
  readonly clients: VolumeClients;
  #opened: OpenedSnapshots | undefined;
  #set: SnapshotSet | undefined;
  #registered: RegisteredSet | undefined;
  #closing: Promise<void> | undefined;
  #isOpen = false;
  readonly #closeWatch: CloseWatch;
  #dead: Error | undefined;
  /** It has failed alone: resolves when its clients are cut off, and nothing of it is under way. */
  #cut: Promise<void> | undefined;
  /** Resolves when a worker dies, or anything of ours throws, if that happens. */
  readonly #death: Promise<void>;
  #died: (() => void) | undefined;

  /**
   * Joins the engine, until it is closed. `name`: as clients know it at addresses of the engine. `left`: it has left the engine, which the last of its
   * volumes may end.
   */
  constructor(options: CompleteOptions, engine: RunningEngine, name: string, left: () => Promise<void>) {
    super();
    this.name = name;
    this.#options = options;
    this.#engine = engine;
    this.#left = left;
    this.#counters = createExportCounters(options.workers);
    this.#number = engine.join(this);
    this.#listener = new Listener(engine.front, this.#number, (error) => this.fail(defect(error)));
    const { log } = options;
    const at = (snapshot: number): SnapshotHandle | undefined => this.#set?.at(snapshot);
    this.#news = new VolumeNews({ at, log, emit: (...told) => this.emit("snapshot", ...told) });
    this.clients = new VolumeClients({ at, emit: (...told) => this.emit("client", ...told) });
    this.#closeWatch = new CloseWatch(options.log, () => (this.#serving?.ended ?? 0) + (this.#opened?.operations ?? 0));
    this.#death = new Promise((resolve) => {
      this.#died = resolve;
    });
  }

  /** It neither is closed, nor is being closed, nor has failed. */
  get isServing(): boolean {
    return this.#closing === undefined && this.#dead === undefined;
  }

  /** What clients may ask for. */
  get exports(): readonly ExportInfo[] {
    return exportList(this.#originDevice.file.sizeBytes, this.#options, this.#snapshots, this.#listener.addresses);
  }

  stats(): VolumeStats {
    return volumeStats(this.#snapshots, this.#serving?.counters ?? [], this.#engine, this.#options);
  }

  /** Throws a SnapringError (ENOENT) for a name that no snapshot has. */
  status(name: string): SnapshotStatus {
    return this.#snapshots.status(this.#snapshots.find(name));
  }

  /** Atomic against writes of clients; resolves when it is durable and served (E-40). */
  async createSnapshot(options: SnapshotOptions, how: CreateOptions = {}): Promise<CreatedSnapshot> {
    this.#refuseDead();
    const snapshot = checkSnapshotOptions(options);
    const { pauseUs } = await create([{ volume: this, snapshot }], false, how).catch(inWords);
    return { pauseUs };
  }

  part(wanted: readonly SnapshotOptions[], nameOf: (name: string) => string, pause: CreationPause): CreationPart {
    this.#refuseDead();
    return this.#snapshots.creation(wanted, nameOf, pause);
  }

  during(order: () => Promise<void>): Promise<void> {
    return this.#orders.run(order);
  }

  /** Its header is invalid, durably, and its COW device released (E-41). */
  async dropSnapshot(name: string): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => handle.whileDropping(() => this.#snapshots.drop(handle)));
  }

  /** The COW device has another size now, or is to have it (E-45); growth ends an overflow (S-43). Throws a SnapringError (EINVAL) if it lost used chunks. */
  async growSnapshot(name: string, options: GrowthOptions): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => this.#snapshots.grow(handle, options));
  }

  /** What it does when its store runs full (E-47, E-48). */
  setSnapshotPolicy(name: string, policy: SnapshotPolicy): void {
    this.#refuseDead();
    this.#snapshots.setPolicy(this.#snapshots.find(name), policy);
  }

  /** Resolves when the snapshot is presented (volume.ts, E-30…E-36). */
  async startMerge(name: string, held: boolean): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => this.#snapshots.merges.start(handle, held)).catch(inWords);
  }

  /** The same to its end. A close does not wait for it: it goes on at the next opening. */
  async merge(name: string, options: MergeOptions = {}): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.outlive(this.#snapshots.merges.merge(handle, options)).catch(inWords);
  }

  /** It ends after the step in progress (E-36). */
  async stopMerge(): Promise<void> {
    this.#refuseDead();
    await this.#orders.run(() => this.#snapshots.merges.stop());
  }

  /** To pace it. */
  get merges(): Merges {
    this.#refuseDead();
    return this.#snapshots.merges;
  }

  /** E-42: drain, commit, flush, release (volume.ts). `signal`, of any of its calls, ends the draining. */
  close(signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#closeWatch.watch(this.#close(), () => this.#flushAtLast());
    if (signal !== undefined) whenAborted(signal, () => this.#serving?.stop.cut(), this.#closing);
    return this.#closing;
  }

  /** Called by `openVolume`, once. */
  async open(signal?: AbortSignal): Promise<void> {
    const options = this.#options;
    sayWhatIsMissing(options);
    const { files, openings } = this.#engine;
    this.#origin = await openOrigin(options, openings, signal);
    for (const line of this.#origin.remarks()) options.log(line);
    for (const address of options.listen) await this.#listener.listen(address, options);
    this.#registered = await RegisteredSet.open(this.#origin, options, openings, signal);
    this.#originFile = files.take();
    const opened = new OpenedSnapshots(
      this.#registered.options,
      this.#origin,
      this.#registered,
      files,
      this.#originFile,
      openings,
    );
    this.#opened = opened;
    throwIfAborted(signal);
    await opened.openAll(() => this.#engine.start(), signal);
    const serving = await this.#serve(opened, this.#origin);
    throwIfAborted(signal);
    const set = new SnapshotSet({
      options,
      origin: this.#origin,
      registered: this.#registered,
      opened,
      serving,
      volume: this.#number,
      words: new VolumeWords(this.#words),
      notice: (...told) => this.#news.notice(...told),
      growth: this.#news,
    });
    this.#set = set;
    const attached = set.attach();
    const done = Promise.race([attached, this.#death]);
    // The stores are made and registered: that comes to its end, unless a device hangs.
    if (signal !== undefined) whenOverdue(signal, () => this.fail(new AbortError(signal, true)), done);
    await done;
    if (this.#dead !== undefined) throw this.#dead;
    throwIfAborted(signal);
    this.#listener.serve(serving.threads.exports);
    this.#isOpen = true;
    set.merges.opened();
  }

  get #originDevice(): VolumeDevice {
    return there(this.#origin);
  }

  get #snapshots(): SnapshotSet {
    return there(this.#set);
  }

  async #serve(opened: OpenedSnapshots, origin: VolumeDevice): Promise<Serving> {
    const threads = await this.#engine.start();
    if (this.#dead !== undefined) throw this.#dead;
    const events: ServingParts["events"] = {
      register: (index, what) => this.#snapshots.register(index, what),
      flushOrigin: () => this.#originDevice.flush(this.#engine.openings),
      committed: (index) => this.#set?.committed(index),
      notice: (index, event, error) => this.#notice(index, event, error),
      wantRoom: (index) => this.#snapshots.growths.wanted(index),
      level: (index, percent, rising) => this.#news.level(index, { percent, rising }),
      failed: (error) => this.fail(defect(error)),
    };
    const fileOf = (device: number): number => opened.fileOf(device);
    const [engine, number, name] = [this.#engine, this.#number, this.name];
    const countersOf = (snapshot: number): readonly Float64Array[] => opened.at(snapshot)?.counters ?? [];
    const memory = { words: this.#words, counters: this.#counters, countersOf };
    const parts = { ...memory, engine, threads, number, name, options: this.#options, origin, fileOf, events };
    try {
      this.#serving = await Serving.begin(parts);
      return this.#serving;
    } catch (error) {
      // A worker that has died refuses what it is told, and why it died is what there is to say.
      throw this.#dead ?? error;
    }
  }

  async #close(): Promise<void> {
    this.#closeWatch.step("orders under way");
    const merges = this.#set?.merges.close();
    await this.#listener.stop();
    await Promise.race([merges, this.#death]);
    await this.#orders.over();
    const serving = this.#serving;
    if (serving !== undefined) {
      if (this.#dead === undefined) await Promise.race([this.#drain(serving), this.#death]);
      this.#closeWatch.step("what is under way to end");
    }
    await this.#cut;
    serving?.shell.end();
    await this.#forgotten(serving);
    this.#listener.close();
    this.#engine.leave(this.#number);
    this.#closeWatch.step("the register");
    await this.#set?.looked();
    if (!this.#isOpen) await this.#opened?.takeBack();
    this.#closeWatch.step("threads to end");
    await this.#left();
    const quiet = this.#engine.dead === undefined;
    this.#closeWatch.step("devices to be released");
    try {
      this.#opened?.closeAll(quiet);
    } finally {
      this.#origin?.close(quiet);
      if (this.#originFile !== undefined) this.#engine.files.give(this.#originFile);
    }
    guarded(() => this.emit("close"))();
  }

  /** The threads have let go of everything; those of an engine that is dead by ending. */
  async #forgotten(serving: Serving | undefined): Promise<void> {
    const engine = this.#engine;
    try {
      if (engine.dead === undefined) await serving?.end((this.#opened?.all() ?? []).map(({ file }) => file));
    } catch (error) {
      if (engine.dead === undefined) throw error;
    }
    await engine.gone();
  }

  async #drain({ stop, shell }: Serving): Promise<void> {
    const watch = this.#closeWatch;
    watch.step("requests of clients");
    shell.tell((core) => core.endStalls());
    await stop.drain();
    if (this.#dead !== undefined) return;
    watch.sayCut(stop.cutClients, stop.wasCut);
    watch.step("commits and flushes of the snapshots", CLOSE_FLUSH_MS);
    const { error, message } = await shell.operate((operation) => shell.core.close(operation));
    if (this.#dead !== undefined) return;
    if (error !== 0) this.#options.log(coreError("closing", error, message).message);
    watch.step("copies and commits under way");
    await shell.idle();
    if (this.#options.readOnly || this.#dead !== undefined) return;
    watch.step("a flush of the origin", CLOSE_FLUSH_MS);
    // What clients wrote to the origin and did not flush: the core has flushed only the COW devices.
    const flushError = this.#options.originReadOnly ? 0 : await this.#originDevice.flush(this.#engine.openings);
    if (flushError !== 0) this.#options.log(`closing: cannot flush the origin: ${errnoWhy(flushError)}`);
    watch.step("the register");
    if (error === 0 && flushError === 0) await this.#set?.see();
  }

  /** A device hangs. Exceptions are committed while their devices answer; what clients wrote to the origin and did not flush is flushed. */
  async #flushAtLast(): Promise<void> {
    if (this.#options.originReadOnly || this.#origin === undefined) return;
    await this.#origin.flushAtLast();
  }

  /**
   * The one way in which a volume fails: a worker has died, or something of ours has thrown. Nothing can be promised any more; what is
   * durable stays so. Orders are rejected, requests that wait get EIO, streams end, nobody is accepted any longer; the user closes the rest.
   */
  fail(error: Error): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#died?.();
    this.#orders.abandon(error);
    this.#serving?.shell.end();
    this.#cut = this.#cutClients();
    // An opening that fails says so itself.
    if (!this.#isOpen) return;
    this.#options.log(error.message);
    process.nextTick(() => this.emit("error", error));
  }

  /** The workers answer what waits, and end the streams; main ends those that they cannot. */
  async #cutClients(): Promise<void> {
    const serving = this.#serving;
    const late = setTimeout(() => this.#engine.front.endStreamsOf(this.#number), 2 * ABANDON_GRACE_MS);
    try {
      await this.#listener.stop();
      // Of an engine that is dead the threads end, with all that is theirs.
      if (serving !== undefined && this.#engine.dead === undefined) {
        await Promise.race([this.#nothingLeft(serving), this.#engine.died]);
      }
    } catch (error) {
      this.#options.log(`ending the volume: ${defect(error).message}`);
    }
    clearTimeout(late);
    serving?.stop.close();
    this.#listener.close();
  }

  async #nothingLeft({ stop, shell }: Serving): Promise<void> {
    await stop.abandon();
    await shell.idle();
  }

  #refuseDead(): void {
    if (this.#dead !== undefined) throw this.#dead;
    if (this.#closing !== undefined) throw new SnapringError("ESHUTDOWN", "the volume is closed");
  }

  #notice(index: number, event: NoticeKind, error: number): void {
    this.#snapshots.growths.notice(index, event, error);
    if (this.#snapshots.merges.tells(event)) this.#news.notice(index, event, error);
  }
}

/** What every volume has that a program was given. */
function there<T>(part: T | undefined): T {
  assert(part !== undefined, "the volume has been opened");
  return part;
}
