/**
 * A writer that goes from volume to volume, one write at a time, each begun when the one before has been answered: what shows whether snapshots are of one moment.
 *
 *   volume a   … 17 ──────▶ 19 …          a snapshot of a and b holds a beginning of this, whole: with 20 it has 19, with 19 it has 18
 *   volume b        └▶ 18 ──┘ └▶ 20
 *
 * It has the first sectors of each volume for itself: a slot in each page. A volume can be left out for a while.
 */
import { NbdClient } from "../support/nbd-client.ts";
import type { SeededRandom } from "../support/core/seeded-random.ts";
import { sectorBytes, SECTOR } from "../soak/sector-model.ts";
import type { ExportModel } from "./export-model.ts";

const SLOTS = 128;
const SLOT_SECTORS = 8;
export const CHAIN_SECTORS: number = SLOTS * SLOT_SECTORS;

export interface ChainPlace {
  readonly name: string;
  readonly origin: ExportModel;
}

interface Link {
  readonly place: ChainPlace;
  readonly sector: number;
  readonly version: number;
}

/** What was written while something was made, in its order, and what stood there before. */
export class ChainRecording {
  readonly #before: ReadonlyMap<string, Uint32Array>;
  readonly #links: Link[] = [];

  constructor(places: readonly ChainPlace[]) {
    this.#before = new Map(
      places.map(({ name, origin }) => [name, origin.sectors.versions.slice(0, CHAIN_SECTORS)] as const),
    );
  }

  begun(link: Link): void {
    if (this.#before.has(link.place.name)) this.#links.push(link);
  }

  /** It was cut, and has not reached the volume. */
  neverWas(link: Link): void {
    if (this.#links.at(-1) === link) this.#links.pop();
  }

  /** Throws where what was found, in all of these volumes together, is no beginning of what was written. */
  judge(found: ReadonlyMap<string, ExportModel>): void {
    const now = new Map([...this.#before].map(([name, versions]) => [name, versions.slice()]));
    for (let taken = 0; ; taken++) {
      if ([...found].every(([name, model]) => isSame(now.get(name), model))) return;
      const link = this.#links[taken];
      if (link === undefined) break;
      now.get(link.place.name)?.fill(link.version, link.sector, link.sector + 1);
    }
    throw new Error(`${[...found.keys()].join(", ")}: no moment of the ${this.#links.length} writes in a row`);
  }
}

function isSame(versions: Uint32Array | undefined, { sectors }: ExportModel): boolean {
  return versions?.every((version, sector) => sectors.versions[sector] === version) === true;
}

export interface ChainParts {
  readonly places: readonly ChainPlace[];
  readonly random: SeededRandom;
  readonly address: { readonly path: string };
  readonly nextVersion: () => number;
  readonly pace: () => Promise<void>;
}

export class Chain {
  readonly #parts: ChainParts;
  readonly #leftOut = new Set<string>();
  readonly #recordings = new Set<ChainRecording>();
  readonly #clients = new Map<string, NbdClient>();
  #underWay: Link | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isStopped = true;
  #running: Promise<void> = Promise.resolve();
  /** Writes that were answered. */
  written = 0;

  constructor(parts: ChainParts) {
    this.#parts = parts;
  }

  start(failed: (error: Error) => void): void {
    this.#isStopped = false;
    this.#running = this.#run().catch(failed);
  }

  /** Its connections go. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    for (const client of this.#clients.values()) client.destroy();
    this.#clients.clear();
  }

  /** After a kill, when all volumes have been read: whether the write that was cut is there is known now. */
  settle(): void {
    const link = this.#underWay;
    this.#underWay = undefined;
    if (link === undefined || link.place.origin.sectors.versions[link.sector] === link.version) return;
    for (const recording of this.#recordings) recording.neverWas(link);
  }

  /** Nothing of it is under way in this volume when it resolves. */
  async leaveOut(name: string): Promise<void> {
    this.#leftOut.add(name);
    await this.#turn.catch(() => {});
  }

  takeIn(name: string): void {
    this.#leftOut.delete(name);
  }

  record(names: readonly string[]): ChainRecording {
    const recording = new ChainRecording(this.#parts.places.filter(({ name }) => names.includes(name)));
    if (this.#underWay !== undefined) recording.begun(this.#underWay);
    this.#recordings.add(recording);
    return recording;
  }

  end(recording: ChainRecording): void {
    this.#recordings.delete(recording);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#parts.pace();
      const places = this.#parts.places.filter(({ name }) => !this.#leftOut.has(name));
      if (this.#isStopped || places.length === 0) continue;
      this.#turn = this.#write(this.#parts.random.pick(places));
      await this.#turn;
    }
  }

  async #write(place: ChainPlace): Promise<void> {
    const { random, nextVersion, address } = this.#parts;
    const link: Link = { place, sector: random.below(SLOTS) * SLOT_SECTORS, version: nextVersion() };
    const client = this.#clients.get(place.name) ?? (await NbdClient.open(address, place.name));
    this.#clients.set(place.name, client);
    this.#underWay = link;
    for (const recording of this.#recordings) recording.begun(link);
    const write = place.origin.begins(link.sector, 1, link.version);
    await client.write(link.sector * SECTOR, sectorBytes(link.sector, 1, link.version));
    place.origin.sectors.fill(link.sector, 1, link.version);
    place.origin.ends(write, false);
    this.#underWay = undefined;
    this.written += 1;
  }
}
