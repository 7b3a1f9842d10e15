/**
 * A volume: an origin, its snapshots, and the threads that serve them. The library's one entry, and what `serve` runs.
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
import { errnoName, SnapringError } from "../base/errno.ts";
import { Core } from "../core/core.ts";
import type { NoticeKind, OriginPorts } from "../core/ports.ts";
import { NOTHING_LOCKED } from "../device/device-lock.ts";
import { loadNative, probeUring } from "../device/native.ts";
import { ORIGIN_FILE } from "../ring/file-table.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../base/gate-numbers.ts";
import { createVolumeWords, VolumeWords } from "../ring/volume-words.ts";
import { CoreShell, sectorsOf, type ShellEvents } from "./core-shell.ts";
import { NO_CLIENTS } from "./client-limits.ts";
import { type ListenAddress, Listener, parseListenAddress } from "./listener.ts";
import { MainWake } from "./main-wake.ts";
import { MergePacer } from "./merge-pacer.ts";
import { Orders } from "./orders.ts";
import { RegisteredSet } from "./registered-set.ts";
import { gatePort, type SnapshotHandle } from "./snapshot-handle.ts";
import { SnapshotSet } from "./snapshot-set.ts";
import { exportStats, type VolumeStats, workerStats } from "./stats.ts";
import { Threads } from "./threads.ts";
import { VolumeDevice } from "./volume-device.ts";
import { type CompleteOptions, completeOptions, type SnapshotOptions, type VolumeOptions } from "./volume-options.ts";

export type { NoticeKind } from "../core/ports.ts";
export type { SnapshotOptions, VolumeOptions } from "./volume-options.ts";
export type { ClientStats } from "./client-limits.ts";
export type { ExportStats, SnapshotStats, VolumeStats, WorkerStats } from "./stats.ts";

export interface ExportInfo {
  /** "origin", or the snapshot's name. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** NBD URIs, one for each address. */
  readonly uris: readonly string[];
}

export interface SnapshotStatus {
  readonly name: string;
  readonly state: "active" | "overflow" | "invalid" | "merging";
  /** S-72. */
  readonly status: string;
  /** S-73. */
  readonly table: string;
}

export interface VolumeEvents {
  /** A snapshot's state has changed, or something went wrong with it. */
  snapshot: [name: string, event: NoticeKind, error: string];
  /** The volume cannot go on: every request fails; close it. */
  error: [error: Error];
  close: [];
}

/** Throws (rejects with) a SnapringError; whatever was opened by then is closed again. */
export async function openVolume(options: VolumeOptions): Promise<Volume> {
  const volume = new Volume(completeOptions(options));
  try {
    await volume.open();
  } catch (error) {
    await volume.close().catch(() => {});
    throw error;
  }
  return volume;
}

export class Volume extends EventEmitter<VolumeEvents> implements AsyncDisposable {
  readonly #options: CompleteOptions;
  readonly #words = createVolumeWords();
  readonly #orders = new Orders();
  #origin: VolumeDevice | undefined;
  #wake: MainWake | undefined;
  #threads: Threads | undefined;
  #shell: CoreShell | undefined;
  #listener: Listener | undefined;
  readonly #pacer: MergePacer;
  #set: SnapshotSet | undefined;
  #registered: RegisteredSet | undefined;
  #closing: Promise<void> | undefined;
  #dead: Error | undefined;
  /** Resolves when a worker dies, if one does. */
  readonly #death: Promise<void>;
  #died: (() => void) | undefined;

  /** Use `openVolume`. */
  constructor(options: CompleteOptions) {
    super();
    this.#options = options;
    this.#pacer = new MergePacer(options.mergePercent, () => this.#shell?.mergeContinue());
    this.#death = new Promise((resolve) => {
      this.#died = resolve;
    });
  }

  /** What clients may ask for. */
  get exports(): readonly ExportInfo[] {
    const sizeBytes = this.#originDevice.file.sizeBytes;
    const { readOnly } = this.#options;
    const addresses = this.#listener?.addresses ?? [];
    return ["origin", ...this.#snapshots.served().map((handle) => handle.name)].map((name) => ({
      name,
      sizeBytes,
      readOnly,
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
    };
  }

  /** Throws a SnapringError (ENOENT) for a name that no snapshot has. */
  status(name: string): SnapshotStatus {
    return this.#snapshots.status(this.#snapshots.find(name));
  }

  /** E-40: atomic against writes of clients; resolves when it is durable and served. */
  async createSnapshot(options: SnapshotOptions): Promise<void> {
    this.#refuseDead();
    await this.#orders.run(() => this.#snapshots.create(options));
  }

  /** E-41: its header is invalid, durably, and its COW device released. */
  async dropSnapshot(name: string): Promise<void> {
    this.#refuseDead();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => this.#snapshots.drop(handle));
  }

  /** E-45: the COW device has another size now; growth ends an overflow (S-43). Throws a SnapringError (EINVAL) if it lost used chunks. */
  growSnapshot(name: string): void {
    this.#refuseDead();
    this.#snapshots.grow(this.#snapshots.find(name));
  }

  /**
   * E-30…E-36: resolves when the snapshot is presented in place of the origin, and will be at every opening until the merge is stopped;
   * the end comes as a `snapshot` event ("merged", "merge-failed").
   */
  async startMerge(name: string): Promise<void> {
    this.#refuseDead();
    this.#pacer.began();
    const handle = this.#snapshots.find(name);
    await this.#orders.run(() => this.#snapshots.startMerge(handle));
  }

  /** E-36: ends after the run in progress. */
  async stopMerge(): Promise<void> {
    this.#refuseDead();
    await this.#orders.run(() => this.#snapshots.stopMerge());
  }

  /** E-42: drain, commit, flush, release. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Called by `openVolume`, once. */
  async open(): Promise<void> {
    const options = this.#options;
    sayWhatIsMissing(options);
    const { readOnly, direct } = options;
    this.#origin = new VolumeDevice({ path: options.origin, what: "origin", readOnly, direct });
    this.#sayTail(this.#origin);
    await this.#listen();
    this.#registered = await RegisteredSet.open(this.#origin, options);
    const set = new SnapshotSet(options, this.#origin, this.#registered);
    this.#set = set;
    await this.#openStores(set, this.#origin);
    this.#pacer.began();
    const attached = set.attach(this.#shell as CoreShell, this.#threads as Threads, new VolumeWords(this.#words));
    await Promise.race([attached, this.#death]);
    if (this.#dead !== undefined) throw this.#dead;
    this.#listener?.serve((this.#threads as Threads).exports);
  }

  /** The whole set opens before the origin accepts its first write (E-46). Threads start beside a store that takes its time. */
  async #openStores(set: SnapshotSet, origin: VolumeDevice): Promise<void> {
    let threads: Promise<void> | undefined;
    try {
      await set.openStores(() => {
        // A store that is refused may be read twice, to say why.
        threads ??= this.#startThreads(origin);
        threads.catch(() => {});
      });
    } finally {
      await threads?.catch(() => {});
    }
    await (threads ?? this.#startThreads(origin));
  }

  get #originDevice(): VolumeDevice {
    return this.#origin as VolumeDevice;
  }

  get #snapshots(): SnapshotSet {
    return this.#set as SnapshotSet;
  }

  async #startThreads(origin: VolumeDevice): Promise<void> {
    const options = this.#options;
    this.#wake = new MainWake(() => this.#shell?.turn());
    this.#threads = await Threads.open({
      exportWorkers: options.workers,
      copyWorkers: options.copyWorkers,
      mode: options.mode,
      wakeMain: this.#wake.handle,
      originFd: origin.fd,
      originInline: origin.inline,
      exportData: {
        volume: this.#words,
        origin: origin.describe(ORIGIN_FILE),
        originBytes: origin.file.sizeBytes,
        readOnly: options.readOnly,
        busyPollUs: options.busyPoll,
      },
      died: (_channel, error) => this.#fail(error),
    });
    const words = new VolumeWords(this.#words);
    const ports: OriginPorts = {
      writeGate: gatePort(words, ORIGIN_WRITE_GATE, this.#threads.exports),
      readGate: gatePort(words, ORIGIN_READ_GATE, this.#threads.exports),
      setList: (snapshots) => words.setList(snapshots),
      setMerging: (snapshot) => words.setMerging(snapshot),
    };
    const events: ShellEvents = {
      register: (index, what) => this.#snapshots.register(index, what),
      notice: (index, event, error) => this.#notice(index, event, error),
      connectionClosed: (id, cause) => this.#listener?.connectionClosed(id, cause),
      entered: (id) => this.#listener?.entered(id),
      waiting: (worker) => this.#listener?.waiting(worker),
    };
    this.#shell = new CoreShell(this.#threads, events, options.groupWaitMs);
    const coreOptions = {
      early: options.early,
      turns: true,
      grantParts: options.fills,
      mergePaced: options.mergePercent < 100,
      mergeBatches: options.mergeBatches,
      groupCount: options.groupCount,
      readOnly: options.readOnly,
    };
    this.#shell.attach(new Core(this.#shell, ports, sectorsOf(origin.file.sizeBytes), coreOptions));
    this.#shell.turn();
  }

  async #listen(): Promise<void> {
    this.#listener = new Listener(this.#options.log);
    for (const address of this.#options.listen.map(parseListenAddress)) await this.#listener.listen(address);
  }

  async #close(): Promise<void> {
    await this.#listener?.stop();
    await this.#orders.over();
    const threads = this.#threads;
    const shell = this.#shell;
    if (threads !== undefined && shell !== undefined) {
      if (this.#dead === undefined) await Promise.race([this.#drain(threads, shell), this.#death]);
      if (this.#dead !== undefined) await threads.abandon();
    }
    this.#pacer.close();
    shell?.end();
    this.#listener?.close();
    this.#wake?.close();
    const quiet = this.#dead === undefined;
    this.#set?.closeDevices(quiet);
    this.#origin?.close(quiet);
    this.emit("close");
  }

  async #drain(threads: Threads, shell: CoreShell): Promise<void> {
    await threads.stop(threads.exports);
    const { error, message } = await shell.operate((operation) => shell.core.close(operation));
    if (error !== 0) this.#options.log(`closing: ${message}`);
    await threads.stop([threads.metadata, ...threads.copies]);
    if (this.#options.readOnly) return;
    // What clients wrote to the origin and did not flush: the core has flushed only the COW devices.
    const flushError = await this.#originDevice.flush();
    if (flushError !== 0) this.#options.log(`closing: cannot flush the origin (${errnoName(flushError)})`);
  }

  /** A worker has died: nothing can be promised any more; what is durable stays so. */
  #fail(error: Error): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#died?.();
    this.#orders.abandon(error);
    this.#options.log(error.message);
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  #refuseDead(): void {
    if (this.#dead !== undefined) throw this.#dead;
    if (this.#closing !== undefined) throw new SnapringError("ESHUTDOWN", "the volume is closed");
  }

  #notice(index: number, event: NoticeKind, error: number): void {
    if (event === "merge-progress" && this.#options.mergePercent < 100) this.#pacer.stepDone();
    const handle: SnapshotHandle | undefined = this.#snapshots.at(index);
    const name = handle?.name ?? `snapshot ${index}`;
    const reason = error === 0 ? "" : errnoName(error);
    if (event !== "merge-progress")
      this.#options.log(`${name}: ${NOTICES[event]}${reason === "" ? "" : ` (${reason})`}`);
    this.emit("snapshot", name, event, reason);
  }

  /** S-18. */
  #sayTail(origin: VolumeDevice): void {
    const { tailBytes, path } = origin.file;
    if (tailBytes > 0) this.#options.log(`${path}: the last ${tailBytes} bytes fill no sector and are not served`);
    if (origin.note !== undefined && this.#options.direct === true) this.#options.log(`${path}: ${origin.note}`);
  }
}

const NOTICES: Readonly<Record<NoticeKind, string>> = {
  invalid: "the snapshot is invalid now",
  overflow: "the store is full, writes to the snapshot fail",
  "overflow-cleared": "the store has room again",
  "merge-failed": "the merge has failed",
  "merge-progress": "merging",
  "merge-stopped": "the merge has stopped",
  merged: "the merge is complete",
  "header-write-failed": "its header could not be marked invalid",
  "register-failed": "the register of snapshots could not be written",
};

/** The fallback is chosen with one clear message. */
function sayWhatIsMissing(options: CompleteOptions): void {
  const { native, reason } = loadNative();
  const probe = probeUring();
  if (probe.works || (options.io === "sync" && native !== undefined)) return;
  if (options.io === "uring") {
    throw new SnapringError("EOPNOTSUPP", `io_uring cannot be used: ${probe.reason}`, { hint: "leave --io uring out" });
  }
  if (native === undefined) {
    options.log(`no io_uring (${reason}): using node's own file system calls, slower; ${NOTHING_LOCKED}`);
  } else options.log(`no io_uring (${probe.reason}): using preadv2 and pwritev2, slower`);
}

function uriOf(address: ListenAddress, name: string): string {
  const path = encodeURIComponent(name);
  if (address.unix !== undefined) return `nbd+unix:///${path}?socket=${encodeURI(address.unix)}`;
  const host = address.host?.includes(":") ? `[${address.host}]` : address.host;
  return `nbd://${host}:${address.port}/${path}`;
}
