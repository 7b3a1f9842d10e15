/**
 * Depth B: all of a volume but its threads, its kernel and its clock, on one thread.
 *
 *   NBD clients ─▶ export loops ─▶ rings ─▶ the shell, the core ─▶ rings ─▶ copy loop, metadata loop
 *                      └──────────── sim-ring.ts: fake disks ──────────────────┘
 *
 * A step is one turn of one worker, one turn of main, or one thing that main waited for: the seed chooses. Who sleeps has no turn
 * until it is woken by the words that the real threads use. Tables, shared words, gates and message rings are the product's.
 */
import { TRACK_CHUNKS_PER_BUCKET } from "../../../src/base/constants.ts";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT } from "../../../src/ring/copy-arena.ts";
import { EXPORT_ARENA_BYTES } from "../../../src/ring/export-arena.ts";
import { cowFile, ORIGIN_FILE } from "../../../src/ring/file-table.ts";
import { Message } from "../../../src/ring/messages.ts";
import { METADATA_ARENA_BYTES, METADATA_ZERO_BYTES, METADATA_ZEROES } from "../../../src/ring/metadata-arena.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { RingConsumer } from "../../../src/ring/spsc-ring.ts";
import { createVolumeWords, VolumeWords } from "../../../src/ring/volume-words.ts";
import type { ExportControl, FileControl } from "../../../src/ring/worker-data.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { Core } from "../../../src/core/core.ts";
import type { LoadedStore } from "../../../src/core/loaded-store.ts";
import type { OriginPorts } from "../../../src/core/ports.ts";
import { FileKind } from "../../../src/device/port.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { originPorts } from "../../../src/engine/origin-ports.ts";
import type { WorkerLoop } from "../../../workers/drive.ts";
import { CopyLoop } from "../../../workers/copy/copy-loop.ts";
import { SegmentShares } from "../../../workers/copy/segment-shares.ts";
import { assembleExportLoop } from "../../../workers/export/assembly.ts";
import { MetadataLoop } from "../../../workers/metadata/metadata-loop.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import type { ShellOptions } from "../../support/core/fake-shell.ts";
import type { SeededRandom } from "../../support/core/seeded-random.ts";
import type { FakeSocket } from "../../support/fake-socket.ts";
import type { Swarm } from "../swarm.ts";
import type { Ask, CowSpec, SimRequest, SimVolume } from "../sim-volume.ts";
import { SimClients } from "./sim-clients.ts";
import { sendWords } from "../../support/raw-message.ts";
import { SimRing, SLOW_TURNS, type SimMachine } from "./sim-ring.ts";
import { SimShell, type SimThreads } from "./sim-shell.ts";
import { SimChannel, SimThread } from "./sim-thread.ts";
import { SimSnapshot } from "./sim-snapshot.ts";

const ORIGIN_FD = 10;
const COW_FD = 100;
const SOCKET_FD = 10_000;
const RING_ENTRIES = 512;
const JOBS = 8;

/** Arenas are large, and what the last life has left in them is as good as any garbage: made once. */
const arenas = new Map<string, SharedArrayBuffer>();

function arena(name: string, bytes: number): SharedArrayBuffer {
  const memory = arenas.get(name) ?? new SharedArrayBuffer(bytes);
  arenas.set(name, memory);
  return memory;
}

/** At most so many are in a life. */
const EXPORT_WORKERS = 2;
const EXPORT_WORKERS_MANY = 5;

export class ThreadsVolume implements SimVolume {
  readonly servesMerging = false;
  /** A worker begins with four. */
  readonly reserveMargin = 4 * 16;
  readonly origin: FakeDisk;
  readonly core: Core;
  readonly #options: ShellOptions;
  readonly #random: SeededRandom;
  readonly #disks = new Map<number, FakeDisk>();
  readonly #sockets = new Map<number, FakeSocket>();
  readonly #machine: SimMachine;
  readonly #words = createVolumeWords();
  readonly #volumeWords = new VolumeWords(this.#words);
  readonly #threads: SimThread[] = [];
  readonly #channels: SimThreads;
  readonly #shell: SimShell;
  readonly #clients: SimClients;
  readonly #snapshots = new Map<number, SimSnapshot>();
  /** Main has something to do. */
  #mainAwake = true;
  #merging = -1;
  #stalled = -1;
  #nextOperation = 1;
  #nextConnection = 1;

  constructor(origin: FakeDisk, options: ShellOptions, swarm: Swarm) {
    this.origin = origin;
    this.#options = options;
    this.#random = options.random as SeededRandom;
    this.#disks.set(ORIGIN_FD, origin);
    this.#machine = {
      random: this.#random,
      disks: this.#disks,
      sockets: this.#sockets,
      allocates: this.#random.chance(70),
      stalled: undefined,
      slowPercent: options.slowClients ?? 0,
      turns: 0,
    };
    this.#channels = this.#openThreads(swarm.on.has("manyWorkers") ? EXPORT_WORKERS_MANY : EXPORT_WORKERS);
    this.#shell = new SimShell(
      this.#channels,
      (connection) => this.#clients.closed(connection),
      (effects) => new Core(effects, this.#originPorts(), origin.bytes.length / SECTOR_BYTES, coreOptions(options)),
    );
    this.core = this.#shell.core;
    this.#clients = new SimClients(this.#random, this.#machine.slowPercent > 0, (socket) => this.#adopt(socket));
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
    this.#machine.stalled = device < 0 ? undefined : this.#disks.get(device === 0 ? ORIGIN_FD : COW_FD + device - 1);
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

  order(start: (operation: number) => void): number {
    const operation = this.#nextOperation++;
    start(operation);
    this.#shell.turn();
    return operation;
  }

  grow(index: number, sectors: number): void {
    this.core.grow(index, sectors);
    this.#shell.turn();
  }

  mergeContinue(): void {
    this.#shell.mergeContinue();
  }

  detach(index: number): void {
    this.#snapshots.delete(index);
    const at = this.#shell.timers.indexOf(index);
    if (at >= 0) this.#shell.timers.splice(at, 1);
    this.#tell(
      { kind: "forget", index, name: nameOf(index) },
      { file: cowFile(index), fd: -1, inline: false },
      () => {},
    );
  }

  state(index: number): SnapshotState {
    return this.#snapshots.get(index)?.state ?? SnapshotState.Absent;
  }

  entries(index: number): number {
    return this.#snapshots.get(index)!.table.count();
  }

  step(): boolean {
    const runnable = this.#threads.filter((thread) => thread.isRunnable);
    const { later } = this.#shell;
    const choices = runnable.length + later.length + (this.#mainAwake ? 1 : 0);
    if (choices === 0) return this.#skipSlow();
    const choice = this.#random.below(choices);
    if (choice < runnable.length) {
      runnable[choice]!.turn();
      this.#clients.collect();
    } else {
      this.#mainAwake = false;
      if (choice - runnable.length < later.length) later.splice(choice - runnable.length, 1)[0]!();
      this.#shell.turn();
    }
    return true;
  }

  /** Nothing else can happen: what is slow comes to its end. */
  #skipSlow(): boolean {
    if (!this.#threads.some((thread) => thread.ring.isHeld)) return false;
    this.#machine.turns += SLOW_TURNS;
    return true;
  }

  fireTimer(): boolean {
    const index = this.#shell.timers.shift();
    if (index === undefined) return false;
    this.core.tick(index);
    this.#shell.turn();
    return true;
  }

  die(): void {
    for (const { ring } of this.#threads) ring.die();
    for (const happen of [...this.#shell.later]) if (this.#random.chance(50)) happen();
    this.end();
  }

  end(): void {
    this.#shell.end();
  }

  // ---- workers ----

  #openThreads(most: number): SimThreads {
    const workers = 1 + this.#random.below(most);
    const exports = Array.from({ length: workers }, (_, i) => this.#exportThread(i));
    const copies = [this.#copyThread()];
    const metadata = this.#metadataThread();
    return { exports, copies, metadata, all: [...exports, ...copies, metadata] };
  }

  #channel(role: string, index: number, bytes: number, shortPercent: number): { channel: SimChannel; ring: SimRing } {
    const memory = arena(`${role} ${index}`, bytes);
    const ring = new SimRing(this.#machine, memory, RING_ENTRIES, shortPercent);
    const channel = new SimChannel(role, index, memory, 4096, () => {
      ring.signaled = true;
    });
    ring.setFile(ORIGIN_FILE, ORIGIN_FD, FileKind.Async);
    return { channel, ring };
  }

  #add(channel: SimChannel, ring: SimRing, loop: WorkerLoop): SimChannel {
    this.#threads.push(new SimThread(channel, ring, loop));
    return channel;
  }

  #exportThread(worker: number): SimChannel {
    const { channel, ring } = this.#channel("export", worker, EXPORT_ARENA_BYTES, 5);
    const { arena: memory, toWorker, toMain, counters } = channel;
    const wake = { fd: -1, word: new SharedArrayBuffer(4) };
    const origin = { file: ORIGIN_FILE, align: this.origin.blockBytes, inline: false };
    const loop = assembleExportLoop(
      {
        ...{ arena: memory, toWorker, toMain, counters: counters.buffer, wakeWorker: wake, wakeMain: wake },
        ...{ mode: "auto", originFd: ORIGIN_FD, originInline: false, worker, volume: this.#words, origin },
        ...{ originBytes: this.origin.bytes.length, readOnly: false, busyPollUs: 0 },
      },
      ring,
      () => this.#wakeMain(),
      () => channel.controls.shift() as ExportControl,
    );
    return this.#add(channel, ring, loop);
  }

  #copyThread(): SimChannel {
    const { channel, ring } = this.#channel("copy", 0, COPY_ARENA_BYTES, 5);
    const segments = Math.min(COPY_SEGMENTS, 1 + this.#random.below(8));
    const shares = new SegmentShares(segments);
    const loop = new CopyLoop({
      ring,
      ...this.#ends(channel),
      ...{ wakeAddress: 0, slots: COPY_SLOTS_AT, segments, shares },
      control: () => takeFile(channel, ring, shares),
    });
    return this.#add(channel, ring, loop);
  }

  #metadataThread(): SimChannel {
    const { channel, ring } = this.#channel("metadata", 0, METADATA_ARENA_BYTES, 0);
    const loop = new MetadataLoop({
      ring,
      ...this.#ends(channel),
      ...{ wakeAddress: 0, zeroAddress: METADATA_ZEROES, zeroBytes: METADATA_ZERO_BYTES, jobs: JOBS },
      control: () => takeFile(channel, ring),
    });
    return this.#add(channel, ring, loop);
  }

  #ends(channel: SimChannel): { inbox: RingConsumer; outbox: Outbox; counters: Float64Array } {
    return {
      inbox: new RingConsumer(channel.toWorker),
      outbox: new Outbox(channel.toMain, () => this.#wakeMain()),
      counters: channel.counters,
    };
  }

  #wakeMain(): void {
    this.#mainAwake = true;
  }

  #adopt(socket: FakeSocket): number {
    const id = this.#nextConnection++;
    this.#sockets.set(SOCKET_FD + id, socket);
    const { outbox } = this.#random.pick(this.#channels.exports);
    sendWords(outbox, Message.Adopt, id, SOCKET_FD + id);
    outbox.flush();
    return id;
  }

  // ---- snapshots ----

  #originPorts(): OriginPorts {
    const words = this.#volumeWords;
    const workers = this.#channels.exports as unknown as readonly Channel[];
    return {
      ...originPorts(words, workers),
      setMerging: (snapshot) => {
        this.#merging = snapshot;
        words.setMerging(snapshot);
      },
    };
  }

  /** Its memory and its device go to every worker; the store has been read. */
  #introduce(index: number, spec: CowSpec): SimSnapshot {
    const snapshot = new SimSnapshot(index, nameOf(index), spec, this.origin, this.#options.reserves === true);
    this.#snapshots.set(index, snapshot);
    this.#disks.set(COW_FD + index, spec.disk);
    return snapshot;
  }

  #whenKnown(snapshot: SimSnapshot, then: (loaded: LoadedStore) => void): void {
    const fd = COW_FD + snapshot.index;
    const control: ExportControl = {
      kind: "snapshot",
      snapshot: snapshot.description,
      fd,
      readOnly: snapshot.readOnly,
    };
    const file: FileControl = { file: cowFile(snapshot.index), fd, inline: false };
    this.#tell(control, file, () => this.#shell.later.push(() => then(snapshot.loaded)));
  }

  #tell(toExports: ExportControl, toOthers: FileControl, then: () => void): void {
    const { exports, all } = this.#channels;
    let left = all.length;
    for (const channel of all) {
      channel.expect(exports.includes(channel) ? toExports : toOthers, () => {
        left -= 1;
        if (left === 0) then();
      });
      sendWords(channel.outbox, Message.Control, 0);
    }
    this.#mainAwake = true;
  }

  #config(snapshot: SimSnapshot): Parameters<Core["openSnapshot"]>[1] {
    return {
      index: snapshot.index,
      store: snapshot.store,
      ports: snapshot.ports(this.#volumeWords, this.#channels.exports as unknown as readonly Channel[]),
      metadataBlockBytes: Math.max(this.#options.metadataBlockBytes ?? SECTOR_BYTES, snapshot.blockBytes),
      registered: this.#options.registered ?? false,
      merging: snapshot.merging,
    };
  }
}

function nameOf(index: number): string {
  return `s${index}`;
}

function takeFile(channel: SimChannel, ring: SimRing, shares?: SegmentShares): void {
  const { file, fd } = channel.controls.shift() as FileControl;
  shares?.fileChanged(file, fd >= 0);
  ring.setFile(file, fd, FileKind.Async);
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
