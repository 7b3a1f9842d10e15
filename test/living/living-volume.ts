/**
 * One volume of a life: its clients, which never rest for long, and the models by which they and its snapshots are judged.
 *
 *   0        CHAIN          users                 quiet      rest            end
 *   ├─ chain ─┼─ two users, each a half ───────────┼──────────┼─ fio ─────────┤      of the live volume
 *   │         ├─ a user ───────────────────────────┤          │ nobody        │      of a snapshot
 *   └──────────────── a model knows each sector ──────────────┴ fio knows ────┘
 *
 * What is done to it takes its turn (`turn`), so that a group and its own verbs do not meet in it. It gives no orders itself (verbs.ts, merging.ts).
 */
import { writeFileSync } from "node:fs";
import { Turns } from "../../src/base/turns.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { SECTOR, sectorBytes } from "../soak/sector-model.ts";
import { type Shared, User } from "../soak/user.ts";
import type { Chain } from "./chain.ts";
import { CHAIN_SECTORS } from "./chain.ts";
import { MIB } from "./drawn-spec.ts";
import { ExportModel, type Write } from "./export-model.ts";
import { FioRounds } from "./fio-rounds.ts";
import type { LivingDaemon } from "./living-daemon.ts";
import type { LivingSnapshot } from "./living-snapshot.ts";
import type { Merging } from "./merging.ts";
import type { SnapshotView } from "./living-daemon.ts";

const READ_SECTORS: number = MIB / SECTOR;
/** Under way at a time. */
const READS = 4;
/** Of the modelled part, at its end. */
const QUIET_PART = 8;
const FIRST_VERSION = 1;

/** What all volumes of a life share. */
export interface LifeParts {
  readonly daemon: LivingDaemon;
  readonly chain: () => Chain;
  readonly nextVersion: () => number;
  readonly pace: (requests: number) => Promise<void>;
  readonly failed: (error: Error) => void;
  readonly isOver: () => boolean;
  readonly count: { requests: number; connections: number };
  /** Something was done. */
  readonly done: (verb: string) => void;
}

export interface VolumeSpec {
  readonly name: string;
  readonly bytes: number;
  readonly folder: string;
  readonly settings: { readonly direct?: boolean; readonly trim?: "keep" | "preserve" };
}

export class LivingVolume implements Shared {
  readonly name: string;
  readonly origin: ExportModel;
  readonly path: string;
  readonly snapshots: LivingSnapshot[] = [];
  /** Under way. */
  merging: Merging | undefined;
  /** Operations of merges that have ended. */
  readonly knownMerges = new Set<string>();
  readonly turn = new Turns();
  readonly fio: FioRounds;
  readonly random: SeededRandom;
  readonly spec: VolumeSpec;
  readonly life: LifeParts;
  /** What is being done just now, for whoever wonders. */
  now = "nothing";
  readonly #modelled: number;
  #users: User[] = [];
  #names = 0;

  constructor(life: LifeParts, spec: VolumeSpec, seed: number) {
    this.life = life;
    this.spec = spec;
    this.name = spec.name;
    this.path = `${spec.folder}/${spec.name}.img`;
    this.random = new SeededRandom(seed);
    this.#modelled = Math.floor((spec.bytes * 5) / 8 / MIB) * READ_SECTORS;
    this.origin = new ExportModel(this.#modelled, { losesUnflushed: false });
    const offset = this.#modelled * SECTOR;
    const uri = `nbd+unix:///${this.name}?socket=${life.daemon.address.path}`;
    this.fio = new FioRounds({ uri, offset, bytes: spec.bytes - offset, folder: spec.folder }, this.random);
  }

  get address(): { readonly path: string } {
    return this.life.daemon.address;
  }

  get count(): { requests: number; connections: number } {
    return this.life.count;
  }

  /** The file of the live volume, as it is at first. */
  make(): void {
    const { sectors } = this.origin;
    sectors.fill(0, this.#modelled, FIRST_VERSION);
    const rest = dataPattern(this.spec.bytes - this.#modelled * SECTOR, 7);
    writeFileSync(this.path, Buffer.concat([sectorBytes(0, this.#modelled, FIRST_VERSION), rest]));
  }

  nextName(): string {
    return `s${this.#names++}`;
  }

  nextVersion(): number {
    return this.life.nextVersion();
  }

  pace(requests: number): Promise<void> {
    return this.life.pace(requests);
  }

  begins(exportName: string, first: number, count: number, version: number): Write {
    return this.#modelOf(exportName).begins(first, count, version);
  }

  ends(write: object, isDurable: boolean): void {
    // A write is under way in one model alone.
    this.origin.ends(write as Write, isDurable);
    for (const { model } of this.snapshots) model.ends(write as Write, isDurable);
  }

  flushing(exportName: string): () => void {
    return this.#modelOf(exportName).flushing();
  }

  find(name: string): LivingSnapshot | undefined {
    return this.snapshots.find((snapshot) => snapshot.name === name);
  }

  forget(snapshot: LivingSnapshot): void {
    this.snapshots.splice(this.snapshots.indexOf(snapshot), 1);
  }

  /** The model of a snapshot that is made, or has become one of this moment. */
  modelOfSnapshot(recording: ReturnType<ExportModel["record"]>): ExportModel {
    return new ExportModel(this.#modelled, { from: this.origin, recording, losesUnflushed: true });
  }

  // ---- clients ----

  /** Those of the live volume. */
  startClients(): void {
    const first = CHAIN_SECTORS;
    const half = Math.floor((this.#usersEnd - first) / 2);
    this.#users = [first, first + half].map(
      (at) => new User(this, this.name, [at, half], this.origin.sectors, this.random.below(2 ** 31)),
    );
    for (const user of this.#users) user.start((error) => this.#failed(error));
    this.fio.start((error) => this.#failed(error));
    this.life.chain().takeIn(this.name);
  }

  /** Nothing is under way when it resolves; their connections stay. */
  restClients(): Promise<void> {
    return this.life.daemon.cutBy(async () => {
      await this.life.chain().leaveOut(this.name);
      await Promise.all([...this.#users.map((user) => user.pause()), this.fio.stop()]);
    });
  }

  wakeClients(): void {
    for (const user of this.#users) user.start((error) => this.#failed(error));
    this.fio.start((error) => this.#failed(error));
    this.life.chain().takeIn(this.name);
  }

  startUsersOf(snapshot: LivingSnapshot): void {
    // One that may be lost is only read.
    if (snapshot.drawn.kind === "lossy" || snapshot.users.length > 0) return;
    const { exportName, model } = snapshot;
    const slice = [CHAIN_SECTORS, this.#usersEnd - CHAIN_SECTORS] as const;
    const user = new User(this, exportName, slice, model.sectors, this.random.below(2 ** 31));
    snapshot.users = [user];
    user.start((error) => this.#failed(error));
  }

  endUsersOf(snapshot: LivingSnapshot): Promise<void> {
    return this.life.daemon.cutBy(async () => {
      for (const user of snapshot.users) await user.leave();
      snapshot.users = [];
    });
  }

  /** In good order. */
  async endClients(): Promise<void> {
    await this.restClients();
    for (const user of this.#users) await user.leave();
    for (const snapshot of this.snapshots) await this.endUsersOf(snapshot);
  }

  /** The daemon is gone: so are they. */
  async killed(): Promise<void> {
    await this.fio.kill();
    const users = [...this.#users, ...this.snapshots.flatMap((snapshot) => snapshot.users)];
    await Promise.allSettled(users.map((user) => user.pause()));
    this.#users = [];
    this.origin.killed();
    for (const snapshot of this.snapshots) {
      snapshot.users = [];
      snapshot.model.killed();
    }
  }

  // ---- judgement ----

  /** Throws where the live volume holds what it may not; nobody writes it. What its rest holds. */
  readOrigin(): Promise<Buffer> {
    return this.#read(this.name, this.origin);
  }

  /** The same for a snapshot; false: it is one that may be lost, and is. */
  async readSnapshot(snapshot: LivingSnapshot): Promise<boolean> {
    if (await this.isLost(snapshot)) return false;
    try {
      const rest = await this.#read(snapshot.exportName, snapshot.model);
      if (snapshot.rest === undefined) snapshot.rest = rest;
      else same(rest, snapshot.rest, `${snapshot.exportName}, its rest`);
    } catch (error) {
      if (await this.isLost(snapshot)) return false;
      throw await this.#with(snapshot, error);
    }
    snapshot.chain?.judge(new Map([[this.name, snapshot.model]]));
    snapshot.chain = undefined;
    return true;
  }

  /** The same while it is in use: its users rest meanwhile. */
  async readQuietly(snapshot: LivingSnapshot): Promise<boolean> {
    await this.endUsersOf(snapshot);
    const isThere = await this.readSnapshot(snapshot);
    this.startUsersOf(snapshot);
    return isThere;
  }

  /** Throws where one is lost that may not be. */
  async isLost(snapshot: LivingSnapshot): Promise<boolean> {
    const view = await this.view(snapshot);
    if (view.state !== "invalid") return false;
    if (snapshot.drawn.kind !== "lossy") throw new Error(`${snapshot.exportName} is lost: ${JSON.stringify(view)}`);
    return true;
  }

  view(snapshot: LivingSnapshot): Promise<SnapshotView> {
    return this.life.daemon.view(this.name, snapshot.name);
  }

  /** Throws where the live volume's rest is not what the snapshot has kept. */
  async expectRest(expected: Buffer, where: string): Promise<void> {
    same(await this.readOrigin(), expected, where);
  }

  /** A spec of the daemon's for its file. */
  deviceFor(name: string): string {
    return `${this.spec.folder}/${this.name}-${name}.cow`;
  }

  /** A wrong byte, with what is known of where it is. */
  async #with(snapshot: LivingSnapshot, error: unknown): Promise<unknown> {
    if (!(error instanceof Error) || this.life.daemon.process.isDown) return error;
    const { kind, spec } = snapshot.drawn;
    const merges = this.merging === undefined ? "" : `, ${this.merging.snapshot.name} merges`;
    const view = JSON.stringify(await this.view(snapshot));
    return new Error(`${error.message} (${kind} ${JSON.stringify(spec)}, ${view}${merges})`, { cause: error });
  }

  get #usersEnd(): number {
    return this.#modelled - Math.floor(this.#modelled / QUIET_PART);
  }

  #modelOf(exportName: string): ExportModel {
    if (exportName === this.name) return this.origin;
    const snapshot = this.snapshots.find((one) => one.exportName === exportName);
    if (snapshot === undefined) throw new Error(`there is no ${exportName}`);
    return snapshot.model;
  }

  #read(exportName: string, model: ExportModel): Promise<Buffer> {
    return this.life.daemon.cutBy(async () => {
      const client = await NbdClient.open(this.address, exportName);
      const { sizeBytes } = client;
      const modelled = this.#modelled * SECTOR;
      const rest = Buffer.alloc(sizeBytes - modelled);
      let next = 0;
      const read = async (): Promise<void> => {
        while (next < sizeBytes) {
          const at = next;
          next += MIB;
          const bytes = await client.read(at, Math.min(MIB, sizeBytes - at));
          if (at < modelled) model.read(at / SECTOR, bytes, exportName);
          else bytes.copy(rest, at - modelled);
        }
      };
      await Promise.all(Array.from({ length: READS }, read));
      await client.disconnect();
      return rest;
    });
  }

  #failed(error: Error): void {
    this.life.failed(new Error(`volume ${this.name}: ${error.message}`, { cause: error }));
  }
}

function same(found: Buffer, expected: Buffer, where: string): void {
  if (found.equals(expected)) return;
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  throw new Error(`${where}: differs from byte ${at} on`);
}
