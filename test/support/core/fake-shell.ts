/**
 * The shell around the core, on one thread and fake disks: it executes effects step by step, in an order that the test decides.
 *
 * Each effect becomes tasks; a task is one step of I/O or one event for the core. Client requests are generators: each `yield`
 * is a place where something else may happen. `run` takes one task after the other, first come first served or by a seeded
 * random choice, until nothing is left; the timers of S-54 go off last.
 *
 *   client (generator) ──need──▶ core ──effects──▶ tasks ──▶ disks
 *          ▲ release, grant ◀─────┘    ◀──events──┘
 */
import { Core } from "../../../src/core/core.ts";
import type { CoreOptions } from "../../../src/core/core-options.ts";
import type { LoadedStore } from "../../../src/core/loaded-store.ts";
import {
  allTargets,
  type CopyJob,
  type CreationStep,
  type Effects,
  type MetadataJob,
} from "../../../src/core/ports.ts";
import type { NoticeKind, Registration } from "../../../src/core/ports.ts";
import type { RoomPolicy } from "../../../src/core/room-policy.ts";
import type { StoreKind } from "../../../src/format/table-line.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import type { FakeDisk } from "./fake-disk.ts";
import { FakeOriginPorts, type FakeSnapshotPorts, type FakeGate } from "./fake-ports.ts";
import type { SeededRandom } from "./seeded-random.ts";

const SLOW_STEPS = 100;
/** Chunks that are kept in reserve. */
const RESERVES = 3;

export interface Answer {
  readonly error: number;
  readonly grantedChunk: number;
}

/** Blocks the generator until `ready`. */
export type Wait = () => boolean;
export type ClientSteps = Generator<Wait | undefined, number, void>;

export interface Request {
  done: boolean;
  /** Error number. */
  error: number;
}

export interface FakeSnapshot {
  readonly index: number;
  readonly store: StoreKind;
  readonly disk: FakeDisk;
  readonly ports: FakeSnapshotPorts;
  readonly chunkSectors: number;
  /** The register says that it merges. */
  readonly merging: boolean;
  readonly room: RoomPolicy | undefined;
}

export interface ShellOptions extends Partial<CoreOptions> {
  readonly metadataBlockBytes?: number;
  readonly registered?: boolean;
  /** Clients fill reserved chunks before they ask. */
  readonly reserves?: boolean;
  /** Undefined: first come, first served. */
  readonly random?: SeededRandom | undefined;
  /** Percent of a client's steps after which it is slow for a while. */
  readonly slowClients?: number;
  /** Gets a line for each effect. */
  readonly trace?: ((line: string) => void) | undefined;
}

interface Task {
  readonly run: () => void;
  /** Of the device that it does I/O on, -1 for none. */
  readonly device: number;
}

/** The register is a file, too. */
const REGISTER = -2;

interface Running {
  readonly steps: ClientSteps;
  readonly request: Request;
  wait: Wait | undefined;
  /** A slow client: nothing of it happens before this step while anything else can. */
  heldUntil: number;
}

export class FakeShell implements Effects {
  readonly origin: FakeDisk;
  readonly originPorts = new FakeOriginPorts();
  readonly core: Core;
  readonly snapshots = new Map<number, FakeSnapshot>();
  readonly notices: { readonly snapshot: number; readonly event: NoticeKind; readonly error: number }[] = [];
  readonly registry = new Map<number, string>();
  /** Chunks in reserve, by snapshot; empty unless `reserves` is on. */
  readonly reserves = new Map<number, { readonly chunk: number; readonly epoch: number }[]>();
  readonly results = new Map<number, { readonly error: number; readonly message: string }>();
  registerError = 0;
  /** Snapshots for which room was asked; whoever answers takes them out. */
  readonly wants = new Set<number>();
  /** What was told of how full stores are, in order. */
  readonly levels: string[] = [];
  /** This device is slow: nothing happens on it while anything else can. -1: none. */
  stalled = -1;
  readonly #options: ShellOptions;
  readonly #tasks: Task[] = [];
  readonly #running: Running[] = [];
  readonly #timers: number[] = [];
  readonly #answers = new Map<number, Answer>();
  readonly #exclusives = new Set<number>();
  #steps = 0;
  #nextToken = 1;
  #nextOperation = 1;

  constructor(origin: FakeDisk, options: ShellOptions = {}) {
    this.origin = origin;
    this.#options = options;
    const {
      metadataBlockBytes: _block,
      registered: _registered,
      reserves: _reserves,
      random: _random,
      trace: _trace,
      slowClients: _slow,
      ...core
    } = options;
    this.core = new Core(this, this.originPorts, origin.bytes.length / SECTOR_BYTES, core);
  }

  // ---- opening ----

  attach(
    index: number,
    store: StoreKind,
    disk: FakeDisk,
    chunkSectors: number,
    ports: FakeSnapshotPorts,
    merging = false,
    room?: RoomPolicy,
  ): FakeSnapshot {
    const snapshot = { index, store, disk, ports, chunkSectors, merging, room };
    this.snapshots.set(index, snapshot);
    return snapshot;
  }

  /** A snapshot has gone: its slot may be used again, a timer of it does not go off. */
  detach(index: number): void {
    this.snapshots.delete(index);
    this.wants.delete(index);
    const at = this.#timers.indexOf(index);
    if (at >= 0) this.#timers.splice(at, 1);
  }

  open(snapshot: FakeSnapshot, loaded: LoadedStore): number {
    const operation = this.#nextOperation++;
    this.core.openSnapshot(operation, this.#config(snapshot), loaded);
    return operation;
  }

  create(snapshot: FakeSnapshot, loaded: LoadedStore): number {
    const operation = this.#nextOperation++;
    this.core.createSnapshot(operation, this.#config(snapshot), loaded);
    return operation;
  }

  operation(start: (operation: number) => void): number {
    const operation = this.#nextOperation++;
    start(operation);
    return operation;
  }

  /** A chunk of the present epoch that may be filled at once, or undefined: then some are asked for. */
  takeReserve(snapshot: FakeSnapshot): { readonly chunk: number; readonly epoch: number } | undefined {
    if (this.#options.reserves !== true) return undefined;
    const { index, ports } = snapshot;
    const kept = (this.reserves.get(index) ?? []).filter(({ epoch }) => epoch === ports.reserveEpoch);
    this.reserves.set(index, kept);
    if (kept.length < RESERVES) this.#askReserve(index, kept);
    return kept.shift();
  }

  #askReserve(index: number, kept: { readonly chunk: number; readonly epoch: number }[]): void {
    this.later(() => {
      const epoch = this.core.reserveEpoch(index);
      for (const [first, count] of this.core.reserve(index, 1)) {
        for (let i = 0; i < count; i++) kept.push({ chunk: first + i, epoch });
      }
    });
  }

  // ---- running ----

  start(steps: ClientSteps): Request {
    const request: Request = { done: false, error: 0 };
    this.#running.push({ steps, request, wait: undefined, heldUntil: 0 });
    return request;
  }

  later(run: () => void, device = -1): void {
    this.#tasks.push({ run, device });
  }

  /** One step; false if there is nothing to do but wait for a timer. */
  step(): boolean {
    this.#steps += 1;
    const able = this.#running.filter((running) => running.wait === undefined || running.wait());
    const quick = able.filter((running) => running.heldUntil <= this.#steps);
    const ready = quick.length > 0 || this.#tasks.length > 0 ? quick : able;
    const choices = this.#tasks.length + ready.length;
    if (choices === 0) return this.#options.turns === true && this.#turn();
    let choice = this.#options.random?.below(choices) ?? 0;
    if (this.#tasks[choice]?.device === this.stalled && this.stalled >= 0)
      choice = this.#unstalled(ready.length, choice);
    if (choice < this.#tasks.length) this.#tasks.splice(choice, 1)[0]!.run();
    else this.#advance(ready[choice - this.#tasks.length]!);
    if (this.#options.turns === true && (this.#options.random?.chance(30) ?? true)) this.core.turn();
    return true;
  }

  /** The process is killed: some of its I/O that is under way still lands, the rest never will. */
  die(): void {
    for (const { run, device } of [...this.#tasks])
      if (device !== -1 && (this.#options.random?.chance(50) ?? true)) run();
  }

  /** Until nothing can happen any more; with `timers`, the timers of S-54 go off, too. */
  run(timers = false): void {
    do {
      while (this.step());
    } while (timers && this.fireTimer());
  }

  fireTimer(): boolean {
    const snapshot = this.#timers.shift();
    if (snapshot === undefined) return false;
    this.core.tick(snapshot);
    return true;
  }

  get unfinished(): number {
    return this.#running.length;
  }

  token(): number {
    return this.#nextToken++;
  }

  /** Waits for the answer to a token; takes it. */
  *answer(token: number): Generator<Wait | undefined, Answer, void> {
    yield () => this.#answers.has(token);
    const answer = this.#answers.get(token)!;
    this.#answers.delete(token);
    return answer;
  }

  *exclusive(token: number): Generator<Wait | undefined, void, void> {
    yield () => this.#exclusives.has(token);
    this.#exclusives.delete(token);
  }

  /** A request has ended. */
  leave(gate: FakeGate, number: number): void {
    gate.inside -= 1;
    this.originPorts.ended += 1;
    this.withdraw(gate, number);
  }

  /** An announcement ends (C-10): main is told when the last one leaves a closed gate. */
  withdraw(gate: FakeGate, number: number): void {
    gate.count -= 1;
    if (gate.closed && gate.count === 0) this.later(() => this.core.gateDrained(number));
  }

  disk(device: number): FakeDisk {
    return device === 0 ? this.origin : this.snapshots.get(device - 1)!.disk;
  }

  // ---- effects ----

  copy(job: CopyJob): void {
    const { id, source, sector, sectors, targets } = job;
    if (this.#options.trace !== undefined) {
      const to = targets.map((target) => `${target.device}:${target.sector}+${target.sectors}`);
      this.#options.trace(`copy ${id}: ${source}:${sector}+${sectors} → ${to.join(" ")}`);
    }
    this.later(() => {
      const { error, bytes } = this.disk(source).read(sector * SECTOR_BYTES, sectors * SECTOR_BYTES);
      if (error !== 0) return this.core.copied(id, allTargets(job), error, 0, 0);
      this.#writeTargets(job, bytes);
    }, source);
  }

  metadata(job: MetadataJob): void {
    const { disk } = this.snapshots.get(job.snapshot)!;
    this.#options.trace?.(describeJob(job));
    const done = (error: number): void => this.core.metadataDone(job.snapshot, error);
    switch (job.kind) {
      case "format": {
        const header = job.header.slice();
        return this.#sequence(
          [() => disk.zero(0, 2 * job.chunkBytes), () => disk.flush(), ...durableWrite(disk, 0, header)],
          done,
          1 + job.snapshot,
        );
      }
      case "header": {
        const header = job.header.slice();
        return this.#sequence(durableWrite(disk, 0, header), done, 1 + job.snapshot);
      }
      case "commit": {
        const bytes = job.bytes.slice();
        const zero = job.zeroArea === -1 ? [] : [() => disk.zero(job.zeroPosition, job.zeroBytes)];
        const parts = [...zero, () => disk.flush(), ...durableWrite(disk, job.position, bytes)];
        return this.#sequence(parts, done, 1 + job.snapshot);
      }
      case "flush":
        return this.#sequence([() => this.disk(job.device).flush()], done, job.device);
      case "readArea":
        return this.later(() => {
          const { error, bytes } = disk.read(job.position, job.length);
          this.core.areaRead(job.snapshot, error, bytes);
        }, 1 + job.snapshot);
    }
  }

  grant(token: number, _snapshot: number, _chunk: number, newChunk: number): void {
    this.#answer(token, { error: 0, grantedChunk: newChunk });
  }

  grantExclusive(token: number): void {
    this.#exclusives.add(token);
  }

  release(token: number, error: number): void {
    this.#options.trace?.(`release ${token} ${error}`);
    this.#answer(token, { error, grantedChunk: -1 });
  }

  register(snapshot: number, what: Registration): void {
    this.#options.trace?.(`register ${snapshot} ${what}`);
    // Something may happen between the record and the answer.
    this.later(() => {
      const error = this.registerError;
      if (error === 0) this.registry.set(snapshot, what);
      this.later(() => this.core.registered(snapshot, error));
    }, REGISTER);
  }

  /** Whoever makes a group of several volumes hears it after the step (together.ts). */
  creation(operation: number, step: CreationStep): void {
    this.#options.trace?.(`creation ${operation}: ${step}`);
  }

  flushOrigin(operation: number): void {
    this.later(() => {
      const error = this.origin.flush();
      this.later(() => this.core.tellCreation(operation, (creation) => creation.originFlushed(error)));
    }, 0);
  }

  finished(operation: number, error: number, message: string): void {
    this.#options.trace?.(`finished ${operation}: ${error} ${message}`);
    if (this.results.has(operation)) throw new Error("an operation ends twice");
    this.results.set(operation, { error, message });
  }

  notice(snapshot: number, event: NoticeKind, error: number): void {
    this.#options.trace?.(`notice ${snapshot}: ${event} ${error}`);
    this.notices.push({ snapshot, event, error });
  }

  wantRoom(snapshot: number): void {
    this.#options.trace?.(`want room ${snapshot}`);
    this.wants.add(snapshot);
  }

  level(snapshot: number, percent: number, rising: boolean): void {
    this.levels.push(`${snapshot} ${percent} ${rising ? "up" : "down"}`);
  }

  armTimer(snapshot: number): void {
    if (this.#timers.includes(snapshot)) throw new Error("the timer is armed already");
    this.#timers.push(snapshot);
  }

  // ---- inside ----

  #config(snapshot: FakeSnapshot): Parameters<Core["openSnapshot"]>[1] {
    return {
      index: snapshot.index,
      store: snapshot.store,
      ports: snapshot.ports,
      metadataBlockBytes: this.#options.metadataBlockBytes ?? 512,
      registered: this.#options.registered ?? false,
      merging: snapshot.merging,
      room: snapshot.room,
    };
  }

  #answer(token: number, answer: Answer): void {
    if (this.#answers.has(token)) throw new Error("a token is answered twice");
    this.#answers.set(token, answer);
  }

  #advance(running: Running): void {
    const { done, value } = running.steps.next();
    running.wait = done === true ? undefined : value;
    const { random, slowClients = 0 } = this.#options;
    if (slowClients > 0 && random?.chance(slowClients)) running.heldUntil = this.#steps + random.below(SLOW_STEPS);
    if (done !== true) return;
    running.request.done = true;
    running.request.error = value;
    this.#running.splice(this.#running.indexOf(running), 1);
  }

  /** A choice that is not of the slow device, if there is one. */
  #unstalled(ready: number, choice: number): number {
    const other = this.#tasks.findIndex((task) => task.device !== this.stalled);
    if (other >= 0) return other;
    return ready > 0 ? this.#tasks.length : choice;
  }

  #turn(): boolean {
    this.core.turn();
    return this.#tasks.length > 0 || this.#running.some((running) => running.wait === undefined || running.wait());
  }

  /** Parts of a metadata job, each only if the one before it has succeeded; other things happen in between. */
  #sequence(parts: readonly (() => number)[], done: (error: number) => void, device: number): void {
    const [first, ...rest] = parts;
    this.later(() => {
      const error = first!();
      if (error !== 0 || rest.length === 0) done(error);
      else this.#sequence(rest, done, device);
    }, device);
  }

  /** The targets, in any order, each of which ends by itself or together with others. */
  #writeTargets(job: CopyJob, bytes: Uint8Array): void {
    let written = 0;
    let mask = 0;
    let firstError = 0;
    let left = job.targets.length;
    job.targets.forEach((target, i) => {
      const from = target.offsetSectors * SECTOR_BYTES;
      const part = bytes.subarray(from, from + target.sectors * SECTOR_BYTES);
      if (part.length !== target.sectors * SECTOR_BYTES) throw new Error("a target is larger than what was read");
      this.later(() => {
        const error = this.disk(target.device).write(target.sector * SECTOR_BYTES, part);
        written |= 1 << i;
        if (error !== 0) mask |= 1 << i;
        firstError ||= error;
        left -= 1;
        if (left > 0 && this.#options.random?.chance(50) !== true) return;
        const [ended, failed, why] = [written, mask, firstError];
        [written, mask, firstError] = [0, 0, 0];
        this.core.copied(job.id, ended, 0, failed, why);
      }, target.device);
    });
  }
}

/** On a disk that may crash a durable write is done twice: in between it may be torn. */
function durableWrite(disk: FakeDisk, position: number, bytes: Uint8Array): readonly (() => number)[] {
  const once = (): number => disk.write(position, bytes, true);
  return disk.mayCrash ? [() => disk.write(position, bytes), once] : [once];
}

function describeJob(job: MetadataJob): string {
  const { kind, snapshot } = job;
  if (kind === "commit") return `commit ${snapshot}: zero area ${job.zeroArea}, ${job.position}+${job.bytes.length}`;
  return kind === "flush" ? `flush device ${job.device} for ${snapshot}` : `${kind} ${snapshot}`;
}
