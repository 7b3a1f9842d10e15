/**
 * A volume under mixed load for as long as it is told: users on the origin and on snapshots, snapshots that are made, dropped, merged
 * and grown meanwhile, and a model that knows every sector of every export all the time.
 *
 *   users ── NBD ──▶ server.ts (built library, real threads) ◀── orders ── the schedule, from the seed
 *     └──────────── models: one per export ◀───────────────────────────────┘
 *
 * A snapshot that is made while users write holds, for each sector in question, one of the versions that it had meanwhile: which is
 * read at once, and stays. At the end everybody leaves, every byte is read, everything must be free, the volume is closed, opened
 * again, and read once more.
 */
import { writeFileSync } from "node:fs";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { RemoteVolume } from "./remote-volume.ts";
import { SECTOR, SectorModel } from "./sector-model.ts";
import type { Facts } from "./server.ts";
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
const WATCH_MS = 200;
const READ_SECTORS = 2048;
/** How much more memory than after the warm-up is no leak: arenas that are touched for the first time, and the garbage collector's mood. */
const MEMORY_TOLERANCE: number = 48 * MIB;
/** Runs shorter than this say nothing about memory. */
const FLAT_FROM_MS = 120_000;
const BAD_EVENTS = ["invalid", "overflow", "merge-failed", "header-write-failed", "register-failed", "died"];

interface Living {
  readonly name: string;
  readonly cow: string;
  readonly model: SectorModel;
  readonly users: User[];
  cowBytes: number;
}

export interface SoakOptions {
  readonly seed: number;
  readonly milliseconds: number;
  /** Requests per second, of all users together. */
  readonly rate: number;
  readonly progress: (line: string) => void;
}

interface Write {
  readonly first: number;
  readonly count: number;
  readonly version: number;
}

export class Soak implements Shared {
  readonly count = { requests: 0, connections: 0 };
  readonly #options: SoakOptions;
  readonly #random: SeededRandom;
  readonly #scratch: Scratch;
  readonly #volume: RemoteVolume;
  readonly #origin = new SectorModel(SECTORS);
  readonly #originUsers: User[];
  readonly #living: Living[] = [];
  readonly #underWay = new Set<Write>();
  /** While a snapshot is made: the versions that sectors of the origin had meanwhile. */
  #recording: Map<number, Set<number>> | undefined;
  #version = 1;
  #names = 0;
  #turn = 0;
  #failed: Error | undefined;
  #merged: (() => void) | undefined;
  readonly #memory: { readonly at: number; readonly bytes: number }[] = [];
  readonly #done = { created: 0, dropped: 0, merged: 0, grown: 0 };
  #start = 0;

  private constructor(options: SoakOptions, scratch: Scratch) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#scratch = scratch;
    this.#volume = new RemoteVolume((event, name, error) => this.#event(event, name, error));
    this.#originUsers = this.#users("origin", this.#origin, ORIGIN_USERS);
  }

  /** Throws what was wrong; resolves with a summary. */
  static async run(options: SoakOptions): Promise<string> {
    const soak = new Soak(options, await makeScratch());
    try {
      return await soak.#run();
    } finally {
      await soak.#volume.end();
      await soak.#scratch.remove();
    }
  }

  get address(): { readonly path: string } {
    return { path: this.#scratch.file("socket") };
  }

  nextVersion(): number {
    return this.#version++;
  }

  begins(exportName: string, first: number, count: number, version: number, model: SectorModel): object {
    const write: Write = { first, count, version };
    if (exportName !== "origin") return write;
    this.#underWay.add(write);
    if (this.#recording !== undefined) this.#record(this.#recording, write, model);
    return write;
  }

  ends(write: object): void {
    this.#underWay.delete(write as Write);
  }

  async pace(requests: number): Promise<void> {
    const now = performance.now();
    this.#turn = Math.max(this.#turn, now - 100) + (requests * 1000) / this.#options.rate;
    await sleep(this.#turn - now);
  }

  async #run(): Promise<string> {
    writeFileSync(this.#scratch.file("origin"), Buffer.alloc(SECTORS * SECTOR));
    await this.#open([]);
    const first = await this.#volume.facts();
    this.#start = performance.now();
    for (const user of this.#originUsers) this.#let(user);
    await Promise.all([this.#schedule(), this.#watch()]);
    if (this.count.requests === 0) throw new Error("nothing was run: the time was too short for a request");
    await this.#finish(first);
    return this.#line();
  }

  async #open(snapshots: readonly { readonly name: string; readonly cow: string }[]): Promise<void> {
    const options = {
      origin: this.#scratch.file("origin"),
      snapshots,
      listen: [`unix:${this.address.path}`],
      workers: 2,
    };
    await this.#volume.order({ order: "open", options });
  }

  get #running(): boolean {
    if (this.#failed !== undefined) throw this.#failed;
    return performance.now() < this.#start + this.#options.milliseconds;
  }

  /** Lives of snapshots: their order follows from the seed. */
  async #schedule(): Promise<void> {
    while (this.#running) {
      const what = this.#random.below(100);
      if (this.#living.length === 0 || (this.#living.length < SNAPSHOTS_MAX && what < 55)) await this.#create();
      else if (what < 80) await this.#drop(this.#random.pick(this.#living));
      else await this.#merge(this.#random.pick(this.#living));
      for (let rest = 300 + this.#random.below(3000); rest > 0 && this.#running; rest -= 100) await sleep(100);
    }
  }

  async #create(): Promise<void> {
    const name = `snapshot${this.#names++}`;
    const cow = this.#scratch.file(`${name}.cow`);
    const recording = new Map<number, Set<number>>();
    for (const write of this.#underWay) this.#record(recording, write, this.#origin);
    this.#recording = recording;
    const store = this.#random.pick(["P", "PO"] as const);
    const chunkSize = this.#random.pick([4096, 16_384, 65_536]);
    await this.#volume.order({
      order: "create",
      options: { name, cow, chunkSize, store, size: COW_BYTES, sparse: true },
    });
    const model = new SectorModel(SECTORS, this.#origin);
    this.#recording = undefined;
    const client = await NbdClient.open(this.address, name);
    for (const [first, count] of runsOf([...recording.keys()])) {
      const bytes = await client.read(first * SECTOR, count * SECTOR);
      model.learn(first, bytes, (sector) => recording.get(sector)!, `${name}, just made`);
    }
    await client.disconnect();
    const living: Living = { name, cow, model, users: this.#users(name, model, SNAPSHOT_USERS), cowBytes: COW_BYTES };
    this.#living.push(living);
    for (const user of living.users) this.#let(user);
    this.#done.created += 1;
  }

  async #drop(snapshot: Living): Promise<void> {
    await this.#end(snapshot);
    await this.#volume.order({ order: "drop", name: snapshot.name });
    this.#done.dropped += 1;
  }

  /** The origin is rolled back to the snapshot, then the snapshot dropped; users of the origin stop only at the beginning. */
  async #merge(snapshot: Living): Promise<void> {
    await this.#end(snapshot);
    await Promise.all(this.#originUsers.map((user) => user.pause()));
    const merged = new Promise<void>((resolve) => (this.#merged = resolve));
    await this.#volume.order({ order: "merge", name: snapshot.name });
    this.#origin.versions.set(snapshot.model.versions);
    for (const user of this.#originUsers) this.#let(user);
    await Promise.race([merged, this.#failure()]);
    await this.#volume.order({ order: "drop", name: snapshot.name });
    this.#done.merged += 1;
  }

  /** Its users go; its model stays as it is. */
  async #end(snapshot: Living): Promise<void> {
    this.#living.splice(this.#living.indexOf(snapshot), 1);
    for (const user of snapshot.users) await user.leave();
  }

  /** Grows COW devices, takes samples, tells how it goes. */
  async #watch(): Promise<void> {
    for (let shown = performance.now(); this.#running; ) {
      await sleep(WATCH_MS);
      const { stats, residentBytes } = await this.#volume.facts();
      this.#memory.push({ at: performance.now() - this.#start, bytes: residentBytes });
      for (const { name, allocatedSectors, totalSectors } of stats.snapshots) {
        const living = this.#living.find((one) => one.name === name);
        if (living !== undefined && (totalSectors - allocatedSectors) * SECTOR < COW_ROOM) await this.#grow(living);
      }
      if (performance.now() < shown + 10_000) continue;
      shown = performance.now();
      this.#options.progress(this.#line());
    }
  }

  async #grow(snapshot: Living): Promise<void> {
    snapshot.cowBytes += COW_STEP;
    const { name, cow, cowBytes } = snapshot;
    await this.#volume.order({ order: "grow", name, cow, bytes: cowBytes }).catch((error: Error) => {
      // It was dropped in the meantime.
      if (this.#living.includes(snapshot)) throw error;
    });
    this.#done.grown += 1;
  }

  async #finish(first: Facts): Promise<void> {
    for (const user of this.#originUsers) await user.leave();
    for (const { users } of this.#living) for (const user of users) await user.leave();
    await this.#readAll();
    await this.#allFree();
    this.#flat();
    const [kept] = this.#living;
    for (const snapshot of [...this.#living]) if (snapshot !== kept) await this.#drop(snapshot);
    await this.#volume.order({ order: "close" });
    await this.#open(kept === undefined ? [] : [{ name: kept.name, cow: kept.cow }]);
    await this.#readAll();
    if (kept !== undefined) await this.#drop(kept);
    const last = await this.#settledFacts((facts) => facts.descriptors === first.descriptors);
    if (last.descriptors !== first.descriptors)
      throw new Error(`${last.descriptors} descriptors, there were ${first.descriptors}`);
    await this.#volume.order({ order: "close" });
    if (this.#failed !== undefined) throw this.#failed;
    const said = this.#volume.stderr.split("\n").filter((line) => /assert|error|warning/i.test(line));
    if (said.length > 0) throw new Error(said.join("\n"));
  }

  async #readAll(): Promise<void> {
    for (const { name, model } of [{ name: "origin", model: this.#origin }, ...this.#living]) {
      const client = await NbdClient.open(this.address, name);
      for (let at = 0; at < SECTORS; at += READ_SECTORS) {
        model.check(at, await client.read(at * SECTOR, READ_SECTORS * SECTOR), `${name}, at the end`);
      }
      await client.disconnect();
    }
  }

  async #allFree(): Promise<void> {
    const used = ({ stats }: Facts): number =>
      stats.clients.connections +
      stats.workers.reduce((sum, { requests, pieces, slots }) => sum + requests + pieces + slots, 0) +
      stats.snapshots.reduce((sum, { pending }) => sum + pending, 0);
    const facts = await this.#settledFacts((now) => used(now) === 0);
    if (used(facts) > 0) throw new Error(`something is left: ${JSON.stringify(facts.stats)}`);
  }

  /** The facts when they are so, or after a while. */
  async #settledFacts(right: (facts: Facts) => boolean): Promise<Facts> {
    for (let rest = 10_000; ; rest -= 50) {
      const facts = await this.#volume.facts();
      if (right(facts) || rest <= 0) return facts;
      await sleep(50);
    }
  }

  /** After the first quarter memory grows no more. */
  #flat(): void {
    const { milliseconds } = this.#options;
    if (milliseconds < FLAT_FROM_MS) return;
    const level = this.#level(0.25, 0.4);
    const end = this.#level(0.85, 1);
    if (end - level > MEMORY_TOLERANCE) throw new Error(`memory grew from ${level} to ${end} bytes`);
  }

  #level(from: number, to: number): number {
    const { milliseconds } = this.#options;
    const part = this.#memory
      .filter(({ at }) => at >= from * milliseconds && at <= to * milliseconds)
      .map(({ bytes }) => bytes);
    return part.sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  }

  #record(recording: Map<number, Set<number>>, { first, count, version }: Write, model: SectorModel): void {
    for (let sector = first; sector < first + count; sector++) {
      const versions = recording.get(sector) ?? new Set();
      recording.set(sector, versions.add(model.versions[sector]!).add(version));
    }
  }

  #users(name: string, model: SectorModel, count: number): User[] {
    const slice = Math.floor(SECTORS / count);
    return Array.from({ length: count }, (_, i) => {
      return new User(this, name, [i * slice, slice], model, this.#options.seed * 1000 + this.#names * 16 + i + 1);
    });
  }

  #let(user: User): void {
    user.start((error) => (this.#failed ??= error));
  }

  #event(event: string, name: string, error: string): void {
    if (event === "merged") this.#merged?.();
    // One that is dropped becomes invalid.
    if (event === "invalid" && !this.#living.some((snapshot) => snapshot.name === name)) return;
    if (BAD_EVENTS.includes(event)) this.#failed ??= new Error(`${name}: ${event} ${error}`);
  }

  /** Rejects when something has failed. */
  async #failure(): Promise<never> {
    for (;;) {
      if (this.#failed !== undefined) throw this.#failed;
      await sleep(100);
    }
  }

  #line(): string {
    const { requests, connections } = this.count;
    const { created, dropped, merged, grown } = this.#done;
    const memory = this.#memory.length === 0 ? 0 : Math.round(this.#memory.at(-1)!.bytes / MIB);
    const lives = `${created} snapshots made, ${dropped} dropped, ${merged} merged, ${grown} times grown`;
    const levels = `${Math.round(this.#level(0.25, 0.4) / MIB)} → ${Math.round(this.#level(0.85, 1) / MIB)}`;
    const seconds = Math.round((performance.now() - this.#start) / 1000);
    return `${seconds} s: ${requests} requests, ${connections} connections, ${lives}, ${memory} MiB (${levels})`;
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

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
}
