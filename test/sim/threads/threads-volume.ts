/**
 * Depth B: all of a volume but its threads, its kernel and its clock, on one thread.
 *
 *   NBD clients ─▶ export loops ─▶ rings ─▶ switchboard, shell, core ─▶ rings ─▶ copy loop, metadata loop      (sim-engine.ts)
 *                      └──────────── sim-ring.ts: fake disks ──────────────────────────────┘
 *
 * Tables, shared words, gates and message rings are the product's. It has an engine of its own, or shares one with other volumes.
 */
import { TRACK_CHUNKS_PER_BUCKET } from "../../../src/base/constants.ts";
import { createVolumeWords, VolumeWords } from "../../../src/ring/volume-words.ts";
import { createExportCounters, exportCounters } from "../../../src/ring/counters.ts";
import type { ExportControl, FileControl } from "../../../src/ring/worker-data.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import type { RoomNews } from "../../../src/core/room-policy.ts";
import { Core } from "../../../src/core/core.ts";
import type { GroupedCreation } from "../../../src/core/creation-group.ts";
import type { LoadedStore } from "../../../src/core/loaded-store.ts";
import type { CreationHalt, DeviceId, OriginPorts } from "../../../src/core/ports.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { originPorts } from "../../../src/engine/origin-ports.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import type { ShellOptions } from "../../support/core/fake-shell.ts";
import type { SeededRandom } from "../../support/core/seeded-random.ts";
import type { Swarm } from "../swarm.ts";
import type { Ask, CowSpec, SimRequest, SimVolume } from "../sim-volume.ts";
import { SimClients } from "./sim-clients.ts";
import { SimEnd } from "./sim-end.ts";
import { SimEngine } from "./sim-engine.ts";
import { type GroupedSteps, SimShell } from "./sim-shell.ts";
import { SimSnapshot } from "./sim-snapshot.ts";

/** At most so many are in a life. */
const EXPORT_WORKERS = 2;
const EXPORT_WORKERS_MANY = 5;

/** An engine with other volumes, and the name of this one among them. */
export interface SharedEngine {
  readonly engine: SimEngine;
  readonly name: string;
  /** The engine has made a step for this volume: the others have their part in it. */
  readonly stepped: () => void;
}

export class ThreadsVolume implements SimVolume {
  readonly servesMerging = false;
  /** A worker begins with four. */
  readonly reserveMargin = 4 * 16;
  readonly origin: FakeDisk;
  readonly core: Core;
  readonly #options: ShellOptions;
  readonly #random: SeededRandom;
  readonly keepsTrims: boolean;
  readonly #engine: SimEngine;
  readonly #number: number;
  readonly #originFile: number;
  readonly #words = createVolumeWords();
  readonly #volumeWords = new VolumeWords(this.#words);
  readonly #counters: SharedArrayBuffer;
  readonly #shell: SimShell;
  readonly #clients: SimClients;
  readonly #end: SimEnd;
  readonly #shared: SharedEngine | undefined;
  readonly #snapshots = new Map<number, SimSnapshot>();
  /** The disk that was introduced last, by snapshot. */
  readonly #cows = new Map<number, FakeDisk>();
  #merging = -1;
  #stalled = -1;
  #stalledDisk: FakeDisk | undefined;
  #nextOperation = 1;

  /** `shared`: an engine with other volumes; else one of its own. */
  constructor(origin: FakeDisk, options: ShellOptions, swarm: Swarm, shared?: SharedEngine) {
    this.origin = origin;
    this.#shared = shared;
    this.#options = options;
    this.#random = options.random as SeededRandom;
    this.keepsTrims = swarm.keepsTrims;
    const slowPercent = options.slowClients ?? 0;
    this.#engine = shared?.engine ?? new SimEngine(this.#random, exportWorkersMost(swarm), slowPercent);
    this.#number = this.#engine.join({
      collect: () => this.#clients.collect(),
      advance: () => this.#end.advance(),
    });
    this.#originFile = this.#engine.files.take();
    this.#counters = createExportCounters(this.#exports.length);
    this.#shell = new SimShell({
      engine: this.#engine,
      volume: this.#number,
      origin,
      fileOf: (device) => this.#fileOf(device),
      newCore: (effects) =>
        new Core(effects, this.#originPorts(), origin.bytes.length / SECTOR_BYTES, coreOptions(options)),
      stopped: (worker) => this.#end.stopped(worker),
    });
    this.core = this.#shell.core;
    this.#end = new SimEnd({
      ...{ engine: this.#engine, volume: this.#number, shell: this.#shell, origin },
      order: (start) => this.order(start),
      files: () => [this.#originFile, ...[...this.#snapshots.values()].map(({ file }) => file)],
    });
    this.#clients = new SimClients(this.#random, slowPercent > 0, {
      name: shared?.name,
      adopt: (socket, all) =>
        this.#engine.adopt(socket, all ? "all" : this.#number, (connection) => this.#clients.closed(connection)),
    });
    this.#serve();
  }

  get notices(): SimVolume["notices"] {
    return this.#shell.notices;
  }

  get registry(): SimVolume["registry"] {
    return this.#shell.registry;
  }

  get results(): SimVolume["results"] {
    return this.#shell.results;
  }

  get merging(): number {
    return this.#merging;
  }

  get indices(): readonly number[] {
    return [...this.#snapshots.keys()];
  }

  get stalled(): number {
    return this.#stalled;
  }

  set stalled(device: number) {
    this.#stalled = device;
    const before = this.#stalledDisk;
    this.#stalledDisk = device < 0 ? undefined : device === 0 ? this.origin : this.#cows.get(device - 1);
    this.#engine.stall(before, this.#stalledDisk);
  }

  bucketMates(chunk: number): readonly number[] {
    const first = chunk - (chunk % TRACK_CHUNKS_PER_BUCKET);
    return Array.from({ length: TRACK_CHUNKS_PER_BUCKET }, (_, i) => first + i).filter((mate) => mate !== chunk);
  }

  request(snapshot: number | undefined, ask: Ask): SimRequest {
    return this.#clients.request(snapshot === undefined ? "" : nameOf(snapshot), ask);
  }

  open(index: number, spec: CowSpec): void {
    const snapshot = this.#introduce(index, spec);
    this.#shell.registry.set(index, spec.merging ? "merging" : "active");
    const operation = this.#nextOperation++;
    this.#whenKnown(snapshot, (loaded) => this.core.openSnapshot(operation, this.#config(snapshot), loaded));
    while (!this.results.has(operation) && this.step());
    const result = this.results.get(operation);
    if (result === undefined || result.error !== 0) throw new Error(`snapshot ${index} is not opened`);
  }

  create(index: number, spec: CowSpec): number {
    const snapshot = this.#introduce(index, spec);
    const operation = this.#nextOperation++;
    this.#whenKnown(snapshot, (loaded) => this.core.createSnapshot(operation, this.#config(snapshot), loaded));
    return operation;
  }

  /**
   * One of a group, which hears how far it has come, and tells it to go on: with what others are told at once, but where gates close and open, which each
   * volume's clients see in a moment of their own.
   */
  createGrouped(
    index: number,
    spec: CowSpec,
    steps: GroupedSteps,
  ): { readonly operation: number; readonly creation: GroupedCreation } {
    const snapshot = this.#introduce(index, spec);
    const operation = this.#nextOperation++;
    let at: CreationHalt | undefined;
    const reached = (halt: CreationHalt): void => {
      at = halt;
      steps.reached(halt);
    };
    this.#shell.grouped.set(operation, { ...steps, reached });
    this.#whenKnown(snapshot, (loaded) =>
      this.core.createSnapshots(operation, [{ config: this.#config(snapshot), loaded }], true),
    );
    const tell = (news: (creation: GroupedCreation) => void): void =>
      this.#event(() => this.core.tellCreation(operation, news));
    const goOn = (): void => tell((one) => one.goOn());
    return {
      operation,
      creation: {
        goOn: () => (at === "durable" ? goOn() : void this.#engine.later.push(goOn)),
        cancel: () => tell((one) => one.cancel()),
      },
    };
  }

  order(start: (operation: number) => void): number {
    const operation = this.#nextOperation++;
    this.#event(() => start(operation));
    return operation;
  }

  grow(index: number, sectors: number): void {
    this.#event(() => void this.core.grow(index, sectors));
  }

  get wants(): SimVolume["wants"] {
    return this.#shell.wants;
  }

  room(index: number, news: RoomNews): void {
    this.#event(() => this.core.room(index, news));
  }

  mergeContinue(): void {
    this.#shell.tell((core) => core.mergeContinue());
  }

  detach(index: number): void {
    const snapshot = this.#snapshots.get(index)!;
    this.#snapshots.delete(index);
    const at = this.#shell.timers.indexOf(index);
    if (at >= 0) this.#shell.timers.splice(at, 1);
    const { file } = snapshot;
    this.#engine.tell({ kind: "forget", volume: this.#number, index, name: nameOf(index) }, { gone: [file] }, () =>
      this.#engine.files.give(file),
    );
  }

  state(index: number): SnapshotState {
    return this.#snapshots.get(index)?.state ?? SnapshotState.Absent;
  }

  entries(index: number): number {
    return this.#snapshots.get(index)!.table.count();
  }

  /** Where nothing goes on before another volume's disk answers, it does. */
  step(): boolean {
    const goesOn = this.#engine.step();
    if (this.#shared === undefined) return goesOn;
    this.#shared.stepped();
    return goesOn || this.#engine.unstall();
  }

  /** Its owner closes it (E-42). */
  close(): void {
    this.#end.close();
  }

  /** The time of its clients is over, while it is being closed. */
  cutClients(): void {
    this.#end.cutClients();
  }

  /** Something in it has thrown: it ends alone. */
  fail(): void {
    this.#end.fail();
  }

  /** Every worker has forgotten it, and its numbers are free. */
  get hasLeft(): boolean {
    return this.#end.isOver;
  }

  /** It was closed, and everything was committed and flushed. */
  get isClosedWell(): boolean {
    return this.#end.isOver && this.#end.isWell;
  }

  leave(): void {
    if (this.#shared === undefined) return this.end();
    this.close();
    while (!this.hasLeft)
      if (!this.step() && !this.fireTimer()) throw new Error("a refused volume never leaves its engine");
  }

  fireTimer(): boolean {
    const index = this.#shell.timers.shift();
    if (index === undefined) return false;
    this.#event(() => this.core.tick(index));
    return true;
  }

  die(): void {
    this.#engine.die();
    this.end();
  }

  end(): void {
    this.#shell.end();
    this.#end.give();
  }

  /** An event of the core that no worker has sent. */
  #event(happen: () => void): void {
    if (this.#shell.hasEnded) return;
    const { switchboard } = this.#engine;
    switchboard.touch(this.#shell);
    happen();
    switchboard.turn();
  }

  /** Workers hear of the volume before anybody is its client: their messages come in order. */
  #serve(): void {
    const { blockBytes, bytes } = this.origin;
    const [file, fd] = [this.#originFile, this.#engine.attach(this.origin)];
    const volume = {
      ...{
        number: this.#number,
        name: this.#shared?.name ?? `v${this.#number}`,
        words: this.#words,
        originBytes: bytes.length,
        keepsTrims: this.keepsTrims,
      },
      counters: this.#counters,
      origin: { file, align: blockBytes, inline: false },
    };
    this.#engine.tell(
      { kind: "volume", volume, fd, readOnly: false },
      { file, fd, inline: false, cow: false },
      () => {},
    );
  }

  #fileOf(device: DeviceId): number {
    return device === 0 ? this.#originFile : this.#snapshots.get(device - 1)!.file;
  }

  // ---- snapshots ----

  #originPorts(): OriginPorts {
    const words = this.#volumeWords;
    const ports = originPorts({
      volume: this.#number,
      words,
      exportWorkers: this.#exports,
      counters: partsOf(this.#counters, this.#exports.length),
      countersOf: (snapshot) => {
        const counters = this.#snapshots.get(snapshot)?.description.counters;
        return counters === undefined ? [] : partsOf(counters, this.#exports.length);
      },
    });
    return {
      ...ports,
      setMerging: (snapshot) => {
        this.#merging = snapshot;
        words.setMerging(snapshot);
      },
    };
  }

  /** Its memory and its device go to every worker; the store has been read. */
  #introduce(index: number, spec: CowSpec): SimSnapshot {
    const place = { file: this.#engine.files.take(), fd: this.#engine.attach(spec.disk) };
    const reserves = this.#options.reserves === true;
    const snapshot = new SimSnapshot(index, nameOf(index), spec, this.origin, reserves, place, this.#exports.length);
    this.#snapshots.set(index, snapshot);
    this.#cows.set(index, spec.disk);
    return snapshot;
  }

  #whenKnown(snapshot: SimSnapshot, then: (loaded: LoadedStore) => void): void {
    const { file, fd } = snapshot;
    const control: ExportControl = {
      kind: "snapshot",
      volume: this.#number,
      snapshot: snapshot.description,
      fd,
      readOnly: snapshot.readOnly,
    };
    const device: FileControl = { file, fd, inline: false, cow: true };
    this.#engine.tell(control, device, () => this.#engine.later.push(() => this.#event(() => then(snapshot.loaded))));
  }

  get #exports(): readonly Channel[] {
    return this.#engine.channels.exports as unknown as readonly Channel[];
  }

  #config(snapshot: SimSnapshot): Parameters<Core["openSnapshot"]>[1] {
    return {
      index: snapshot.index,
      store: snapshot.store,
      ports: snapshot.ports(this.#number, this.#volumeWords, this.#exports),
      metadataBlockBytes: Math.max(this.#options.metadataBlockBytes ?? SECTOR_BYTES, snapshot.blockBytes),
      registered: this.#options.registered ?? false,
      merging: snapshot.merging,
      room: snapshot.room,
    };
  }
}

/** Export workers of an engine in such a life, at most. */
export function exportWorkersMost({ on }: Swarm): number {
  return on.has("manyWorkers") ? EXPORT_WORKERS_MANY : EXPORT_WORKERS;
}

function partsOf(counters: SharedArrayBuffer, workers: number): Float64Array[] {
  return Array.from({ length: workers }, (_, worker) => exportCounters(counters, worker));
}

function nameOf(index: number): string {
  return `s${index}`;
}

/** What is the core's of a life's options; groups are formed in turns, as in the product. */
function coreOptions(options: ShellOptions): ConstructorParameters<typeof Core>[3] {
  const {
    metadataBlockBytes: _block,
    registered: _registered,
    reserves: _reserves,
    random: _random,
    trace: _trace,
    slowClients: _slow,
    ...core
  } = options;
  return { ...core, turns: true };
}
