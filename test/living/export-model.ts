/**
 * What an export may hold, sector by sector, while clients write it, snapshots are made of it, and its server is killed.
 *
 *   begins ─▶ under way ─▶ ends            the answered version is what a read must find
 *      │          └─ a kill ─▶ either: what it was, or what it was to become
 *      └─▶ a recording: while a snapshot is made, and until a merge has ended, every version that a sector has meanwhile may be in it
 *
 * A snapshot loses, by a kill, its own writes that nobody has flushed (E-10); the live volume loses nothing that was answered. What is not certain is told by the
 * next read, and is certain from then on.
 */
import { SECTOR, SectorModel } from "../soak/sector-model.ts";

export interface Write {
  readonly first: number;
  readonly count: number;
  readonly version: number;
}

/** The versions that sectors have had since it was begun. */
export class Recording {
  readonly allowed = new Map<number, Set<number>>();
}

interface Unflushed {
  readonly versions: Set<number>;
  /** When it was written last. */
  written: number;
}

export interface ModelOptions {
  readonly from?: ExportModel | undefined;
  /** Sectors that may be other than in `from`. */
  readonly recording?: Recording | undefined;
  /** It is a snapshot. */
  readonly losesUnflushed: boolean;
}

export class ExportModel {
  readonly sectors: SectorModel;
  readonly #underWay = new Set<Write>();
  readonly #unflushed: Map<number, Unflushed> | undefined;
  /** What the next read has to tell. */
  readonly #open = new Map<number, Set<number>>();
  #recording: Recording | undefined;
  #clock = 0;

  constructor(count: number, { from, recording, losesUnflushed }: ModelOptions) {
    this.sectors = new SectorModel(count, from?.sectors);
    this.#unflushed = losesUnflushed ? new Map() : undefined;
    // What was not certain of the one that it was made from is not certain here.
    for (const source of [from?.openSectors, recording?.allowed])
      for (const [sector, versions] of source ?? []) this.#mayBe(sector, versions);
  }

  get openSectors(): ReadonlyMap<number, ReadonlySet<number>> {
    return this.#open;
  }

  begins(first: number, count: number, version: number): Write {
    const write: Write = { first, count, version };
    this.#underWay.add(write);
    this.#clock += 1;
    if (this.#recording !== undefined) this.#note(this.#recording, write);
    if (this.#unflushed !== undefined)
      for (let sector = first; sector < first + count; sector++) {
        const one = this.#unflushed.get(sector) ?? { versions: new Set([this.sectors.versions[sector]]), written: 0 };
        one.versions.add(version);
        one.written = this.#clock;
        this.#unflushed.set(sector, one);
      }
    return write;
  }

  ends(write: Write, isDurable: boolean): void {
    if (!this.#underWay.delete(write) || !isDurable) return;
    for (let sector = write.first; sector < write.first + write.count; sector++) this.#unflushed?.delete(sector);
  }

  /** A flush is sent: to be called when it is answered. */
  flushing(): () => void {
    const sent = this.#clock;
    const underWay = [...this.#underWay];
    const isUnderWay = (sector: number): boolean =>
      underWay.some(({ first, count }) => sector >= first && sector < first + count);
    return () => {
      for (const [sector, { written }] of this.#unflushed ?? [])
        if (written <= sent && !isUnderWay(sector)) this.#unflushed?.delete(sector);
    };
  }

  /** From now on, until `endRecording`. */
  record(): Recording {
    const recording = new Recording();
    for (const write of this.#underWay) this.#note(recording, write);
    for (const [sector, versions] of this.#open) add(recording.allowed, sector, versions);
    this.#recording = recording;
    return recording;
  }

  endRecording(): void {
    this.#recording = undefined;
  }

  /** Nobody writes it any more, and nobody will answer. */
  killed(): void {
    for (const { first, count, version } of this.#underWay)
      for (let sector = first; sector < first + count; sector++)
        this.#mayBe(sector, [this.sectors.versions[sector], version]);
    for (const [sector, { versions }] of this.#unflushed ?? []) this.#mayBe(sector, versions);
    this.#underWay.clear();
    this.#unflushed?.clear();
  }

  /** It is rolled back. */
  becomes(other: ExportModel): void {
    this.sectors.versions.set(other.sectors.versions);
    this.#open.clear();
    for (const [sector, versions] of other.openSectors) this.#mayBe(sector, versions);
  }

  /** Each sector is one of the two. */
  mayAlsoBe(versions: Uint32Array): void {
    for (const [sector, version] of versions.entries())
      if (this.sectors.versions[sector] !== version) this.#mayBe(sector, [version, this.sectors.versions[sector]]);
  }

  /** Throws where `bytes`, read at sector `first` while nobody writes, is not what it may hold. */
  read(first: number, bytes: Buffer, where: string): void {
    const count = bytes.length / SECTOR;
    for (let sector = first; sector < first + count; sector++) {
      const versions = this.#open.get(sector);
      if (versions === undefined) continue;
      const at = (sector - first) * SECTOR;
      this.sectors.learn(sector, bytes.subarray(at, at + SECTOR), () => versions, where);
      this.#open.delete(sector);
    }
    this.sectors.check(first, bytes, where);
  }

  #mayBe(sector: number, versions: Iterable<number>): void {
    add(this.#open, sector, versions);
  }

  #note(recording: Recording, { first, count, version }: Write): void {
    for (let sector = first; sector < first + count; sector++)
      add(recording.allowed, sector, [this.sectors.versions[sector], version]);
  }
}

function add(map: Map<number, Set<number>>, sector: number, versions: Iterable<number>): void {
  const set = map.get(sector) ?? new Set();
  for (const version of versions) set.add(version);
  map.set(sector, set);
}
