/**
 * A volume that runs: an origin, its snapshots, and the threads that serve them. A program holds it through a `Volume` (volume.ts).
 *
 *   openVolume
 *     open and lock origin ─▶ open every store (E-46: the whole set, before the first write) ─▶ threads ─▶ core
 *     ─▶ snapshots: memory to every worker, open in the core, one that merges presented (E-36) ─▶ listen
 *   close
 *     stop listening ─▶ export workers drain ─▶ core: commit all, flush ─▶ metadata, copy workers ─▶ locks released
 *
 * Everything here runs on the main thread. It holds no rule of its own about exceptions: that is core's.
 */
import { EventEmitter } from "node:events";
import { assert } from "../base/assert.ts";
import { ABANDON_GRACE_MS, CLOSE_FLUSH_MS, CLOSE_GRACE_MS } from "../base/constants.ts";
import { throwIfAborted, whenAborted } from "../base/abort-error.ts";
import { errnoName, SnapringError } from "../base/errno.ts";
import { errnoWhy } from "../base/errno-words.ts";
import type { NoticeKind } from "../core/ports.ts";
import { createVolumeWords, VolumeWords } from "../ring/volume-words.ts";
import { CloseWatch } from "./close-watch.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { CoreShell, ShellEvents } from "./core-shell.ts";
import { NO_CLIENTS } from "./client-limits.ts";
import { uriOf } from "./listen-address.ts";
import { Listener } from "./listener.ts";
import { MainWake } from "./main-wake.ts";
import { MergePacer } from "./merge-pacer.ts";
import { sayWhatIsMissing } from "./missing.ts";
import { checkSnapshotOptions } from "./option-schema.ts";
import { OpenedSnapshots } from "./opened-snapshots.ts";
import { Orders } from "./orders.ts";
import { coreError, defect, inWords } from "./refusal.ts";
import { canKeepRegister } from "../register/register-place.ts";
import { RegisteredSet } from "./registered-set.ts";
import { type Served, serve } from "./serving.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import { SnapshotSet } from "./snapshot-set.ts";
import { exportStats, type VolumeStats, workerStats } from "./stats.ts";
import type { Threads } from "./threads.ts";
import { guarded } from "./user-callback.ts";
import { VolumeDevice } from "./volume-device.ts";
import { type ExportInfo, noticeWords, type SnapshotStatus, type VolumeEvents } from "./volume-events.ts";
import type { MergeOptions, SnapshotOptions } from "./volume-options.ts";

export class RunningVolume extends EventEmitter<VolumeEvents> {
  readonly #options: CompleteOptions;
  readonly #words = createVolumeWords();
  readonly #orders = new Orders();
  #origin: VolumeDevice | undefined;
  #wake: MainWake | undefined;
  #threads: Threads | undefined;
  #shell: CoreShell | undefined;
  #listener: Listener | undefined;
  readonly #pacer: MergePacer;
  #opened: OpenedSnapshots | undefined;
  #set: SnapshotSet | undefined;
  #registered: RegisteredSet | undefined;
  #closing: Promise<void> | undefined;
  #isOpen = false;
  readonly #closeWatch: CloseWatch;
  #dead: Error | undefined;
  /** After a death: resolves when its clients are cut off and its threads have ended. */
  #cut: Promise<void> | undefined;
  /** Resolves when a worker dies, or anything of ours throws, if that happens. */
  readonly #death: Promise<void>;
  #died: (() => void) | undefined;

  /** Use `openVolume`. */
  constructor(options: CompleteOptions) {
    super();
    this.#options = options;
    this.#closeWatch = new CloseWatch(options.log, () => (this.#threads?.ended ?? 0) + (this.#shell?.heard ?? 0));
    this.#pacer = new MergePacer(options.mergePercent, () => this.#shell?.mergeContinue());
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
    const sizeBytes = this.#originDevice.file.sizeBytes;
    const { readOnly, originReadOnly } = this.#options;
    const addresses = this.#listener?.addresses ?? [];
    const snapshots = this.#snapshots
      .served()
      .map((handle) => [handle.name, this.#snapshots.stats(handle).state] as const);
    return ([["origin", "active"], ...snapshots] as const).map(([name, state]) => ({
      name,
      sizeBytes,
      readOnly: name === "origin" ? originReadOnly : readOnly,
      state,
      uris: addresses.map((address) => uriOf(address, name)),
    }));
  }

  stats(): VolumeStats {
    const workers = this.#threads?.exports ?? [];
    const handles = this.#snapshots.served();
    return {
      snapshots: handles.map((handle) => this.#snapshots.stats(handle)),
      exports: [
        exportStats("origin", 0, workers),
        ...handles.map((handle) => exportStats(handle.name, 1 + handle.index, workers)),
      ],
      workers: (this.#threads?.all ?? []).map(workerStats),
      clients: this.#listener?.stats() ?? NO_CLIENTS,
      droppedLines: this.#options.droppedLines(),
    };
  }

  /** Throws a SnapringError (ENOENT) for a name that no snapshot has. */
  status(name: string): SnapshotStatus {
    return this.#snapshots.status(this.#snapshots.find(name));
  }

  /** Atomic against writes of clients; resolves when it is durable and served (E-40). */
  async createSnapshot(options: SnapshotOptions, signal?: AbortSignal): Promise<void> {
    this.#refuseDead();
    const checked = checkSnapshotOptions(options);
    await this.#orders.run(() => this.#snapshots.create(checked, signal)).catch(inWords);
  }

  /** Its header is invalid, durably, and its COW device released (E-41). */
  async dropSnapshot(name: string): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => handle.whileDropping(() => this.#snapshots.drop(handle)));
  }

  /** The COW device has another size now (E-45); growth ends an overflow (S-43). Throws a SnapringError (EINVAL) if it lost used chunks. */
  growSnapshot(name: string): void {
    this.#refuseDead();
    this.#snapshots.grow(this.#snapshots.find(name));
  }

  /** Resolves when the snapshot is presented (volume.ts, E-30…E-36). */
  async startMerge(name: string): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => this.#snapshots.merges.start(handle)).catch(inWords);
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

  /** E-42: drain, commit, flush, release (volume.ts). `signal`, of any of its calls, ends the draining. */
  close(signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#closeWatch.watch(this.#close(), () => this.#flushAtLast());
    if (signal !== undefined) whenAborted(signal, () => this.#threads?.cut(), this.#closing);
    return this.#closing;
  }

  /** Called by `openVolume`, once. */
  async open(signal?: AbortSignal): Promise<void> {
    const options = this.#options;
    sayWhatIsMissing(options);
    const { originReadOnly: readOnly, direct, unlocked } = options;
    const alone = readOnly && !options.readOnly && canKeepRegister(options.origin);
    this.#origin = new VolumeDevice({ path: options.origin, what: "origin", readOnly, alone, unlocked, direct });
    for (const line of this.#origin.remarks()) options.log(line);
    await this.#listen();
    this.#registered = await RegisteredSet.open(this.#origin, options);
    const opened = new OpenedSnapshots(options, this.#origin, this.#registered);
    this.#opened = opened;
    throwIfAborted(signal);
    const { shell, threads } = await this.#openStores(opened, this.#origin, signal);
    throwIfAborted(signal);
    const set = new SnapshotSet({
      options,
      origin: this.#origin,
      registered: this.#registered,
      opened,
      shell,
      threads,
      words: new VolumeWords(this.#words),
      merging: { notice: (index, event, error) => this.#tell(index, event, error), began: () => this.#pacer.began() },
    });
    this.#set = set;
    const attached = set.attach();
    await Promise.race([attached, this.#death]);
    if (this.#dead !== undefined) throw this.#dead;
    throwIfAborted(signal);
    this.#listener?.serve(threads.exports);
    this.#isOpen = true;
    set.merges.opened();
  }

  /** The whole set opens before the origin accepts its first write (E-46). Threads start beside a store that takes its time. */
  async #openStores(opened: OpenedSnapshots, origin: VolumeDevice, signal: AbortSignal | undefined): Promise<Served> {
    let served: Promise<Served> | undefined;
    try {
      await opened.openAll(() => {
        // A store that is refused may be read twice, to say why.
        served ??= this.#startThreads(origin);
        served.catch(() => {});
      }, signal);
    } finally {
      await served?.catch(() => {});
    }
    return await (served ?? this.#startThreads(origin));
  }

  get #originDevice(): VolumeDevice {
    return there(this.#origin);
  }

  get #snapshots(): SnapshotSet {
    return there(this.#set);
  }

  async #startThreads(origin: VolumeDevice): Promise<Served> {
    this.#wake = new MainWake(() => this.#shell?.turn());
    const events: ShellEvents = {
      register: (index, what) => this.#snapshots.register(index, what),
      committed: (index) => this.#set?.committed(index),
      notice: (index, event, error) => this.#notice(index, event, error),
      connectionClosed: (id, cause) => this.#listener?.connectionClosed(id, cause),
      entered: (id) => this.#listener?.entered(id),
      waiting: (worker) => this.#listener?.waiting(worker),
      failed: (error) => this.#fail(defect(error)),
    };
    const served = await serve(this.#options, origin, this.#words, this.#wake, events, (error) => this.#fail(error));
    this.#threads = served.threads;
    this.#shell = served.shell;
    served.shell.turn();
    return served;
  }

  async #listen(): Promise<void> {
    this.#listener = new Listener(this.#options.log, (error) => this.#fail(defect(error)));
    for (const address of this.#options.listen) await this.#listener.listen(address);
  }

  async #close(): Promise<void> {
    this.#closeWatch.step("orders under way");
    const merges = this.#set?.merges.close();
    await this.#listener?.stop();
    await Promise.race([merges, this.#death]);
    await this.#orders.over();
    const threads = this.#threads;
    const shell = this.#shell;
    if (threads !== undefined && shell !== undefined) {
      if (this.#dead === undefined) await Promise.race([this.#drain(threads, shell), this.#death]);
      this.#closeWatch.step("threads to end");
    }
    await this.#cut;
    // They may have come up after that.
    if (this.#dead !== undefined) await threads?.abandon();
    this.#closeWatch.step("devices to be released");
    this.#pacer.close();
    shell?.end();
    this.#listener?.close();
    this.#wake?.close();
    const quiet = this.#dead === undefined;
    try {
      if (!this.#isOpen) await this.#opened?.takeBack();
      await this.#set?.looked();
      this.#opened?.closeAll(quiet);
    } finally {
      this.#origin?.close(quiet);
    }
    guarded(() => this.emit("close"))();
  }

  async #drain(threads: Threads, shell: CoreShell): Promise<void> {
    const watch = this.#closeWatch;
    watch.step("requests of clients");
    await threads.stop(threads.exports);
    if (this.#dead !== undefined) return;
    watch.sayCut(threads.exports, threads.wasCut);
    watch.step("commits and flushes of the snapshots", CLOSE_FLUSH_MS);
    const { error, message } = await shell.operate((operation) => shell.core.close(operation));
    if (this.#dead !== undefined) return;
    if (error !== 0) this.#options.log(coreError("closing", error, message).message);
    watch.step("copies and commits under way");
    await threads.stop([threads.metadata, ...threads.copies]);
    if (this.#options.readOnly || this.#dead !== undefined) return;
    watch.step("a flush of the origin", CLOSE_FLUSH_MS);
    // What clients wrote to the origin and did not flush: the core has flushed only the COW devices.
    const flushError = this.#options.originReadOnly ? 0 : await this.#originDevice.flush();
    if (flushError !== 0) this.#options.log(`closing: cannot flush the origin: ${errnoWhy(flushError)}`);
    watch.step("the register");
    if (error === 0 && flushError === 0) await this.#see();
  }

  /** A device hangs. Exceptions are committed while their devices answer; what clients wrote to the origin and did not flush is flushed. */
  async #flushAtLast(): Promise<void> {
    if (this.#options.originReadOnly || this.#origin === undefined) return;
    await Promise.race([this.#origin.flush(), new Promise((resolve) => setTimeout(resolve, CLOSE_GRACE_MS))]);
  }

  /** What cannot be noted is not lost: the register knows an older state of stores that only grow. */
  async #see(): Promise<void> {
    try {
      await this.#set?.see();
    } catch (error) {
      this.#options.log(`closing: ${(error as Error).message}`);
    }
  }

  /**
   * The one way in which a volume fails: a worker has died, or something of ours has thrown. Nothing can be promised any more; what is
   * durable stays so. Orders are rejected, requests that wait get EIO, streams end, nobody is accepted any longer; the user closes the rest.
   */
  #fail(error: Error): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#died?.();
    this.#orders.abandon(error);
    this.#shell?.end();
    this.#cut = this.#cutClients();
    // An opening that fails says so itself.
    if (!this.#isOpen) return;
    this.#options.log(error.message);
    process.nextTick(() => this.emit("error", error));
  }

  /** The threads answer what waits, end the streams, and themselves; main ends the streams of those that cannot. */
  async #cutClients(): Promise<void> {
    const late = setTimeout(() => this.#listener?.endStreams(), 2 * ABANDON_GRACE_MS);
    try {
      await this.#listener?.stop();
      for (const { dead, index } of this.#threads?.exports ?? []) if (dead) this.#listener?.endStreams(index);
      await this.#threads?.abandon();
    } catch (error) {
      this.#options.log(`ending the threads: ${defect(error).message}`);
    }
    clearTimeout(late);
    this.#listener?.close();
  }

  #refuseDead(): void {
    if (this.#dead !== undefined) throw this.#dead;
    if (this.#closing !== undefined) throw new SnapringError("ESHUTDOWN", "the volume is closed");
  }

  #notice(index: number, event: NoticeKind, error: number): void {
    if (event === "merge-progress" && this.#options.mergePercent < 100) this.#pacer.stepDone();
    if (this.#snapshots.merges.tells(event)) this.#tell(index, event, error);
  }

  #tell(index: number, notice: NoticeKind, error: number): void {
    const handle: SnapshotHandle | undefined = this.#snapshots.at(index);
    const name = handle?.name ?? `snapshot ${index}`;
    const event = handle?.eventOf(notice, error) ?? notice;
    const reason = error === 0 ? "" : errnoName(error);
    if (event !== "merge-progress") this.#options.log(`${name}: ${noticeWords(event, error)}`);
    guarded(() => this.emit("snapshot", name, event, reason))();
  }
}

/** What every volume has that a program was given. */
function there<T>(part: T | undefined): T {
  assert(part !== undefined, "the volume has been opened");
  return part;
}
