/**
 * What a life has at a moment: the volume on its fake disks, the models that say what may be read, the requests and orders that
 * have not been answered, and the clock. The parts of the simulator change it; nothing happens by itself.
 */
import { MAX_SNAPSHOTS } from "../../src/base/constants.ts";
import { errno, errnoName } from "../../src/base/errno.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { StoreKind } from "../../src/format/table-line.ts";
import { FakeDisk } from "../support/core/fake-disk.ts";
import type { ShellOptions } from "../support/core/fake-shell.ts";
import type { SeededRandom } from "../support/core/seeded-random.ts";
import { RegisterModel, stampsOf } from "./register-model.ts";
import { answerRooms, hasRoom, settleRooms, type SimulatedRoom } from "./rooms.ts";
import type { Ask, SimRequest, SimVolume } from "./sim-volume.ts";
import type { Swarm } from "./swarm.ts";

export interface SimulatedSnapshot {
  readonly index: number;
  readonly store: StoreKind;
  readonly disk: FakeDisk;
  readonly chunkSectors: number;
  /** It has room for the whole origin. */
  roomy: boolean;
  /** What it may show; undefined until its creation has ended. */
  model: RegisterModel | undefined;
  /** The moment at which its creation was ordered, and the origin's model then. */
  readonly since: number;
  readonly of: RegisterModel | undefined;
  /** Its clients may not write; its discards reach the origin (E-44, E-12). */
  readonly readOnly: boolean;
  readonly passdown: boolean;
  /** What happens when its store runs full. */
  readonly room: SimulatedRoom | undefined;
  /** Its user has ordered its drop. */
  dropped: boolean;
}

/** What a cut has left of a snapshot, and what the engine makes of it. */
export interface CutImages {
  readonly name: string;
  readonly origin: Uint8Array;
  readonly cow: Uint8Array;
  /** Undefined: the snapshot is Invalid. */
  readonly view: Uint8Array | undefined;
  readonly status: string;
}

/** What worlds have in common whose volumes are on one engine: one power, one process. */
export interface Machine {
  readonly worlds: readonly World[];
  /** There is a new engine, with no volume, for the old one is dead. */
  restart(death: "cut" | "kill"): void;
  /** The world's volume is there again. */
  serves(world: World): void;
}

/** What is under way comes to its end sooner, or never. */
const STEPS_MAX = 100_000;

/** Opens nothing: an empty volume on this origin. */
export type VolumeMaker = (origin: FakeDisk, options: ShellOptions, swarm: Swarm) => SimVolume;

interface Discard {
  readonly first: number;
  readonly count: number;
}

interface Watched {
  readonly request: SimRequest;
  readonly ended: (error: number) => void;
}

export class World {
  readonly random: SeededRandom;
  /** For what was added to lives later on (rooms.ts). */
  readonly side: SeededRandom;
  readonly swarm: Swarm;
  readonly snapshots = new Map<number, SimulatedSnapshot>();
  /** What happened how often. */
  readonly seen: Record<string, number> = {};
  readonly #trace: ((line: string) => void) | undefined;
  readonly #watched: Watched[] = [];
  readonly #orders: { readonly operation: number; readonly then: (error: number) => void }[] = [];
  volume: SimVolume;
  readonly #make: VolumeMaker;
  origin: RegisterModel;
  /** The snapshot that is presented in place of the origin, -1 for none. */
  merging = -1;
  /** A merge of this snapshot begins or ends: its record may say the one or the other. */
  changesHands = -1;
  clock = 1;
  stamp = 1;
  nextIndex = 0;
  /** Discards that go through to the origin, and have not ended (E-12). */
  readonly discards = new Set<Discard>();
  /** Something has been acknowledged since it was last looked at what a cut would leave. */
  promised = false;
  /** A world has one of its own, unless it is put beside others. */
  machine: Machine = { worlds: [this], restart: () => {}, serves: () => {} };
  /** Its volume is being closed, or has failed: requests fail for that. */
  ending: "closed" | "failed" | undefined;
  /** It was closed, and nothing failed: whatever was acknowledged is durable (E-42). */
  isClosedWell = false;
  /** Gets every snapshot that is opened after a cut. */
  found: ((images: CutImages) => void) | undefined;

  constructor(random: SeededRandom, swarm: Swarm, make: VolumeMaker, trace: ((line: string) => void) | undefined) {
    this.random = random;
    this.side = random.beside();
    this.#make = make;
    this.swarm = swarm;
    this.#trace = trace;
    const { originSectors } = swarm;
    this.volume = this.newVolume(this.newOrigin(new Uint8Array(originSectors * SECTOR_BYTES)));
    this.origin = new RegisterModel(Array.from({ length: originSectors }, () => [0]));
  }

  newOrigin(bytes: Uint8Array): FakeDisk {
    return this.#newDisk(bytes, this.swarm.blocks.origin);
  }

  newCow(bytes: Uint8Array): FakeDisk {
    return this.#newDisk(bytes, this.swarm.blocks.cow);
  }

  #newDisk(bytes: Uint8Array, blockSectors: number): FakeDisk {
    const disk = new FakeDisk(bytes, this.swarm.on.has("crashes"));
    disk.random = this.random;
    disk.blockBytes = blockSectors * SECTOR_BYTES;
    return disk;
  }

  newVolume(origin: FakeDisk): SimVolume {
    const traced = this.#trace === undefined ? {} : { trace: (line: string): void => this.note(line) };
    return this.#make(origin, { ...this.swarm.options, ...traced }, this.swarm);
  }

  note(line: string): void {
    this.#trace?.(`${String(this.clock).padStart(5)}  ${line}`);
  }

  /** True in so many of a thousand cases. */
  perMille(weight: number): boolean {
    return this.random.below(1000) < weight;
  }

  count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  /** The oracle's word: undefined is right. */
  must(wrong: string | undefined, where: string): void {
    if (wrong !== undefined) throw new Error(`${where}: ${wrong}`);
  }

  name(snapshot: SimulatedSnapshot | undefined): string {
    return snapshot === undefined
      ? "origin"
      : `snapshot ${snapshot.index} (${snapshot.store} ${snapshot.chunkSectors})`;
  }

  /** Snapshots whose creation has ended, and that nobody has dropped. */
  live(): readonly SimulatedSnapshot[] {
    return [...this.snapshots.values()].filter((snapshot) => snapshot.model !== undefined && !snapshot.dropped);
  }

  /** There is room for one more; a slot is used again only when no request can still name it: here, never. */
  mayCreate(): boolean {
    return this.snapshots.size < (this.swarm.on.has("severalSnapshots") ? 3 : 1) && this.nextIndex < MAX_SNAPSHOTS;
  }

  // ---- requests and orders ----

  /** Ask for something; `then` gets its end. */
  ask(snapshot: SimulatedSnapshot | undefined, ask: Ask, then: (error: number) => void): void {
    const { kind } = ask;
    const request = this.volume.request(snapshot?.index, ask);
    const refused = snapshot?.readOnly === true && (kind === "write" || kind === "trim");
    const ended = (error: number): void => {
      this.count(error === 0 ? kind : `${kind} failed`);
      if (refused) this.must(error === 0 ? `a ${kind} is taken by a read-only export (E-44)` : undefined, kind);
      else if (error !== 0 && request.gone !== true) this.mayFail(kind, snapshot, error);
      then(error);
      if (kind !== "read" && error === 0) this.promised = true;
    };
    this.#watched.push({ request, ended });
  }

  /** A request fails only for a reason: a disk that has failed, or a snapshot without room (E-8, E-15). */
  mayFail(kind: string, snapshot: SimulatedSnapshot | undefined, error: number): void {
    if (this.ending === "failed" || (this.ending === "closed" && error === errno.ESHUTDOWN)) return;
    const origin = this.volume.origin.failures > 0;
    if (snapshot === undefined) {
      const presented = this.snapshots.get(this.merging);
      const reason = origin || (presented !== undefined && presented.disk.failures > 0);
      this.must(reason ? undefined : `a ${kind} fails with ${errnoName(error)} for no reason`, "origin");
    } else if (this.snapshots.get(snapshot.index) === snapshot && !this.mayBeInvalid(snapshot)) {
      // While it is presented in place of the origin, its own export may be closed.
      if (error === errno.ESHUTDOWN && !this.volume.servesMerging) return;
      this.must(`a ${kind} fails with ${errnoName(error)} for no reason`, this.name(snapshot));
    }
  }

  mayBeInvalid(snapshot: SimulatedSnapshot): boolean {
    return (
      snapshot.dropped ||
      (!snapshot.roomy && !hasRoom(snapshot)) ||
      snapshot.disk.failures > 0 ||
      this.volume.origin.failures > 0
    );
  }

  /** An order to the core; `then` gets its end. */
  order(operation: number, then: (error: number) => void): void {
    this.#orders.push({ operation, then });
  }

  collect(): void {
    const { results } = this.volume;
    for (let i = this.#orders.length - 1; i >= 0; i--) {
      const { operation, then } = this.#orders[i]!;
      const result = results.get(operation);
      if (result === undefined) continue;
      this.#orders.splice(i, 1);
      then(result.error);
    }
    for (let i = this.#watched.length - 1; i >= 0; i--) {
      const { request, ended } = this.#watched[i]!;
      if (!request.done) continue;
      this.#watched.splice(i, 1);
      ended(request.error);
    }
  }

  /** The power is gone: nobody gets an answer. */
  forget(): void {
    this.#watched.length = 0;
    this.#orders.length = 0;
    this.discards.clear();
  }

  get underWay(): number {
    return this.#watched.length;
  }

  get ordered(): number {
    return this.#orders.length;
  }

  /** Its volume has failed: nobody hears how they end. */
  abandonOrders(): void {
    this.#orders.length = 0;
  }

  // ---- time ----

  /** A few steps, in which nothing comes from outside. */
  steps(count: number): void {
    for (let i = 0; i < count; i++) {
      this.clock += 1;
      this.volume.step();
      answerRooms(this);
      this.collect();
    }
  }

  stepUntil(condition: () => boolean): void {
    const end = this.clock + STEPS_MAX;
    this.volume.stalled = -1;
    while (!condition()) {
      this.must(this.clock < end ? undefined : "it never comes to rest", "volume");
      if (!this.volume.step() && !this.volume.fireTimer() && !settleRooms(this)) break;
      answerRooms(this);
      this.clock += 1;
      this.collect();
    }
  }

  /** Let everything come to its end: every request is answered. A merge goes as far as it can. */
  drain(): void {
    this.stepUntil(() => false);
    this.collect();
    const left = this.#watched.length;
    this.must(left === 0 ? undefined : `${left} requests are never answered`, "volume");
    this.must(this.volume.core.waiting === 0 ? undefined : "tokens are left at main", "volume");
    this.must(this.#orders.length === 0 ? undefined : "an order never ends", "volume");
  }

  /** The whole view, as a client reads it. */
  readWhole(index: number | undefined): { readonly error: number; readonly bytes: Uint8Array } {
    const bytes = new Uint8Array(this.swarm.originSectors * SECTOR_BYTES);
    for (;;) {
      const request = this.volume.request(index, { kind: "read", at: 0, into: bytes });
      this.stepUntil(() => request.done);
      this.must(request.done ? undefined : "a read is never answered", "volume");
      if (request.gone !== true) return { error: request.error, bytes };
    }
  }

  /** Everything as it is now, against the models. */
  readEverything(): void {
    for (const snapshot of [undefined, ...this.live()]) {
      const model = snapshot === undefined ? this.origin : snapshot.model!;
      this.clock += 2;
      const { error, bytes } = this.readWhole(snapshot?.index);
      if (error === 0) this.must(model.check(0, stampsOf(bytes), this.clock - 1, this.clock), this.name(snapshot));
      else this.mayFail("read", snapshot, error);
    }
  }
}

/** What is certain: one value for each sector. */
export function modelOf(values: readonly number[]): RegisterModel {
  return new RegisterModel(values.map((value) => [value]));
}

/** What a snapshot may show whose creation has not ended earlier than now: any state of the origin since it was ordered. */
export function candidates(world: World, { of, since }: SimulatedSnapshot): (readonly number[])[] {
  return Array.from({ length: world.swarm.originSectors }, (_, sector) => of!.candidates(sector, since, world.clock));
}

/** … and what is left of it after a cut, where it has not ended: the origin has not been flushed for its sake (E-40). */
export function candidatesOfCrash(world: World, { of, since }: SimulatedSnapshot): (readonly number[])[] {
  const { clock, swarm } = world;
  return Array.from({ length: swarm.originSectors }, (_, sector) => of!.candidatesOfCrash(sector, since, clock));
}
