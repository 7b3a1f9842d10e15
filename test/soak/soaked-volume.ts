/**
 * One volume under load: users on the origin and on snapshots, snapshots that are made, dropped, merged and grown meanwhile, and a model that knows
 * every sector of every export all the time. Beside others it is also closed and opened again, while they go on.
 *
 *   users ── NBD ──▶ server.ts ◀── orders ── the schedule, from the seed
 *     └──────────── models: one per export ◀──────────────┘
 *
 * A snapshot that is made while users write holds, for each sector in question, one of the versions that it had meanwhile: which is
 * read at once, and stays.
 */
import { writeFileSync } from "node:fs";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { SECTOR, SectorModel } from "./sector-model.ts";
import type { Facts, Order } from "./server.ts";
import { type Shared, User } from "./user.ts";

const MIB = 2 ** 20;
const SECTORS: number = (48 * MIB) / SECTOR;
const ORIGIN_USERS = 3;
const SNAPSHOT_USERS = 2;
const SNAPSHOTS_MAX = 3;
const COW_BYTES = 24 * MIB;
const COW_STEP = 16 * MIB;
/** A COW device with less room than this grows. */
const COW_ROOM = 12 * MIB;
const READ_SECTORS = 2048;
/** Of a hundred things that happen to a volume beside others, so many are that it is closed and opened again. */
const CLOSES_PERCENT = 10;
const BAD_EVENTS = ["invalid", "overflow", "merge-failed", "header-write-failed", "register-failed", "died"];

interface Living {
  readonly name: string;
  readonly cow: string;
  readonly model: SectorModel;
  readonly users: User[];
  cowBytes: number;
}

interface Write {
  readonly first: number;
  readonly count: number;
  readonly version: number;
}

/** What a volume has from the run. */
export interface Load {
  readonly address: { readonly path: string };
  readonly count: { requests: number; connections: number };
  /** Throws what has failed anywhere; false: the time is over. */
  isRunning(): boolean;
  failed(error: Error): void;
  pace(requests: number): Promise<void>;
  order(order: Order): Promise<Facts | undefined>;
  /** The path of a file of this name. */
  file(name: string): string;
}

export interface SoakedOptions {
  /** "": it has an engine of its own. */
  readonly name: string;
  readonly seed: number;
  /** Of its own, where it has an engine of its own. */
  readonly listen: readonly string[];
}

export class SoakedVolume implements Shared {
  readonly name: string;
  readonly done = { created: 0, dropped: 0, merged: 0, grown: 0, closed: 0 };
  readonly #load: Load;
  readonly #options: SoakedOptions;
  readonly #random: SeededRandom;
  readonly #origin = new SectorModel(SECTORS);
  readonly #originUsers: User[];
  readonly #living: Living[] = [];
  readonly #underWay = new Set<Write>();
  /** While a snapshot is made: the versions that sectors of the origin had meanwhile. */
  #recording: Map<number, Set<number>> | undefined;
  #version = 1;
  #names = 0;
  #merged: (() => void) | undefined;

  constructor(load: Load, options: SoakedOptions) {
    this.name = options.name;
    this.#load = load;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#originUsers = this.#users(this.#exportOf("origin"), this.#origin, ORIGIN_USERS);
  }

  get address(): { readonly path: string } {
    return this.#load.address;
  }

  get count(): { requests: number; connections: number } {
    return this.#load.count;
  }

  nextVersion(): number {
    return this.#version++;
  }

  begins(exportName: string, first: number, count: number, version: number, model: SectorModel): object {
    const write: Write = { first, count, version };
    if (exportName !== this.#exportOf("origin")) return write;
    this.#underWay.add(write);
    if (this.#recording !== undefined) this.#record(this.#recording, write, model);
    return write;
  }

  ends(write: object): void {
    this.#underWay.delete(write as Write);
  }

  pace(requests: number): Promise<void> {
    return this.#load.pace(requests);
  }

  /** A blank origin, and nobody who uses it yet. */
  async begin(): Promise<void> {
    writeFileSync(this.#originPath, Buffer.alloc(SECTORS * SECTOR));
    await this.#open([]);
  }

  /** Users, and lives of snapshots, whose order follows from the seed, until the time is over. */
  async run(): Promise<void> {
    for (const user of this.#originUsers) this.#let(user);
    while (this.#load.isRunning()) {
      await this.#happen();
      for (let rest = 300 + this.#random.below(3000); rest > 0 && this.#load.isRunning(); rest -= 100) await sleep(100);
    }
  }

  async #happen(): Promise<void> {
    if (this.name !== "" && this.#random.chance(CLOSES_PERCENT)) return this.#closeAndOpen();
    const what = this.#random.below(100);
    if (this.#living.length === 0 || (this.#living.length < SNAPSHOTS_MAX && what < 55)) await this.#create();
    else if (what < 80) await this.#drop(this.#random.pick(this.#living));
    else await this.#merge(this.#random.pick(this.#living));
  }

  async #create(): Promise<void> {
    const name = `snapshot${this.#names++}`;
    const cow = this.#load.file(`${this.name}${name}.cow`);
    const recording = new Map<number, Set<number>>();
    for (const write of this.#underWay) this.#record(recording, write, this.#origin);
    this.#recording = recording;
    const store = this.#random.pick(["P", "PO"] as const);
    const chunkSize = this.#random.pick([4096, 16_384, 65_536]);
    await this.#load.order({
      order: "create",
      volume: this.name,
      options: { name, cow, chunkSize, store, size: COW_BYTES, sparse: true },
    });
    const model = new SectorModel(SECTORS, this.#origin);
    this.#recording = undefined;
    const exportName = this.#exportOf(name);
    const users = this.#users(exportName, model, SNAPSHOT_USERS);
    // It grows from now on: on a busy machine it was full, and Invalid, before all of this had been read.
    this.#living.push({ name, cow, model, users, cowBytes: COW_BYTES });
    const client = await NbdClient.open(this.address, exportName);
    for (const [first, count] of runsOf([...recording.keys()])) {
      const bytes = await client.read(first * SECTOR, count * SECTOR);
      model.learn(first, bytes, (sector) => recording.get(sector)!, `${exportName}, just made`);
    }
    await client.disconnect();
    for (const user of users) this.#let(user);
    this.done.created += 1;
  }

  async #drop(snapshot: Living): Promise<void> {
    await this.#end(snapshot);
    await this.#load.order({ order: "drop", volume: this.name, name: snapshot.name });
    this.done.dropped += 1;
  }

  /** The origin is rolled back to the snapshot, then the snapshot dropped; users of the origin stop only at the beginning. */
  async #merge(snapshot: Living): Promise<void> {
    await this.#end(snapshot);
    await Promise.all(this.#originUsers.map((user) => user.pause()));
    const merged = new Promise<void>((resolve) => (this.#merged = resolve));
    await this.#load.order({ order: "merge", volume: this.name, name: snapshot.name });
    this.#origin.versions.set(snapshot.model.versions);
    for (const user of this.#originUsers) this.#let(user);
    await Promise.race([merged, this.#failure()]);
    await this.#load.order({ order: "drop", volume: this.name, name: snapshot.name });
    this.done.merged += 1;
  }

  /** Its users leave, its owner closes it, and all come back; other volumes are served meanwhile. */
  async #closeAndOpen(): Promise<void> {
    const users = [...this.#originUsers, ...this.#living.flatMap((snapshot) => snapshot.users)];
    await Promise.all(users.map((user) => user.leave()));
    await this.#load.order({ order: "close", volume: this.name });
    await this.#open(this.#living);
    for (const user of users) this.#let(user);
    this.done.closed += 1;
  }

  /** Its users go; its model stays as it is. */
  async #end(snapshot: Living): Promise<void> {
    this.#living.splice(this.#living.indexOf(snapshot), 1);
    for (const user of snapshot.users) await user.leave();
  }

  /** COW devices that have little room grow. */
  async look({ stats }: Facts): Promise<void> {
    for (const { name, allocatedSectors, totalSectors } of stats[this.name]?.snapshots ?? []) {
      const living = this.#living.find((one) => one.name === name);
      if (living !== undefined && (totalSectors - allocatedSectors) * SECTOR < COW_ROOM) await this.#grow(living);
    }
  }

  async #grow(snapshot: Living): Promise<void> {
    snapshot.cowBytes += COW_STEP;
    const { name, cow, cowBytes } = snapshot;
    const [volume, { closed }] = [this.name, this.done];
    await this.#load.order({ order: "grow", volume, name, cow, bytes: cowBytes }).catch((error: Error) => {
      // It was dropped in the meantime, or its volume closed.
      if (
        this.#living.includes(snapshot) &&
        this.done.closed === closed &&
        !/is not open|is closed/.test(error.message)
      )
        throw error;
    });
    this.done.grown += 1;
  }

  /** Everybody leaves. */
  async usersLeave(): Promise<void> {
    for (const user of this.#originUsers) await user.leave();
    for (const { users } of this.#living) for (const user of users) await user.leave();
  }

  /** All snapshots but one are dropped; with that one it is closed, opened, and read once more. */
  async reopen(): Promise<void> {
    const [kept] = this.#living;
    for (const snapshot of [...this.#living]) if (snapshot !== kept) await this.#drop(snapshot);
    await this.#load.order({ order: "close", volume: this.name });
    await this.#open(kept === undefined ? [] : [kept]);
    await this.readAll();
    if (kept !== undefined) await this.#drop(kept);
  }

  async close(): Promise<void> {
    await this.#load.order({ order: "close", volume: this.name });
  }

  async readAll(): Promise<void> {
    for (const { name, model } of [{ name: "origin", model: this.#origin }, ...this.#living]) {
      const exportName = this.#exportOf(name);
      const client = await NbdClient.open(this.address, exportName);
      for (let at = 0; at < SECTORS; at += READ_SECTORS) {
        model.check(at, await client.read(at * SECTOR, READ_SECTORS * SECTOR), `${exportName}, at the end`);
      }
      await client.disconnect();
    }
  }

  heard(event: string, name: string, error: string): void {
    if (event === "merged") this.#merged?.();
    // One that is dropped becomes invalid.
    if (event === "invalid" && !this.#living.some((snapshot) => snapshot.name === name)) return;
    if (BAD_EVENTS.includes(event)) this.#load.failed(new Error(`${this.name} ${name}: ${event} ${error}`));
  }

  get #originPath(): string {
    return this.#load.file(`${this.name}origin`);
  }

  async #open(snapshots: readonly { readonly name: string; readonly cow: string }[]): Promise<void> {
    const listen = [...this.#options.listen];
    const options = {
      origin: this.#originPath,
      snapshots: snapshots.map(({ name, cow }) => ({ name, cow })),
      ...(this.name === "" ? { listen, workers: 2 } : {}),
    };
    await this.#load.order({ order: "open", volume: this.name, options });
  }

  /** An export's name, as clients of its address know it. */
  #exportOf(name: string): string {
    if (this.name === "") return name;
    return name === "origin" ? this.name : `${this.name}@${name}`;
  }

  #record(recording: Map<number, Set<number>>, { first, count, version }: Write, model: SectorModel): void {
    for (let sector = first; sector < first + count; sector++) {
      const versions = recording.get(sector) ?? new Set();
      recording.set(sector, versions.add(model.versions[sector]!).add(version));
    }
  }

  #users(exportName: string, model: SectorModel, count: number): User[] {
    const slice = Math.floor(SECTORS / count);
    return Array.from({ length: count }, (_, i) => {
      return new User(
        this,
        exportName,
        [i * slice, slice],
        model,
        this.#options.seed * 1000 + this.#names * 16 + i + 1,
      );
    });
  }

  #let(user: User): void {
    user.start((error) => this.#load.failed(new Error(`${user.exportName}: ${error.message}`, { cause: error })));
  }

  /** Rejects when something has failed. */
  async #failure(): Promise<never> {
    for (;;) {
      this.#load.isRunning();
      await sleep(100);
    }
  }
}

/** Sectors as ranges of at most READ_SECTORS. */
function runsOf(sectors: number[]): readonly (readonly [first: number, count: number])[] {
  const runs: [number, number][] = [];
  for (const sector of sectors.sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === sector && last[1] < READ_SECTORS) last[1] += 1;
    else runs.push([sector, 1]);
  }
  return runs;
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
}
