/**
 * Pools: folders in which COW files are made, with a limit of what they may take together.
 *
 *   DIR/VOLUME@SNAPSHOT.RANDOM.cow    a file for each snapshot that has a size and no device; it goes when the snapshot is dropped
 *
 * The limit is looked at when a snapshot is made or grown, and bounds how far files grow by themselves. What else lies in the folder is nobody's here, and does not
 * count. A pool is a name for a folder: its files are found by the register of the origin, wherever they are.
 */
import { randomBytes } from "node:crypto";
import { readdir, realpath, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Turns } from "../base/turns.ts";
import type { Journal } from "./journal.ts";
import { checkPlainName, own } from "./names.ts";
import { Problem, problemOf } from "./problem.ts";
import type { PoolSpec, SnapshotSpec } from "./state.ts";
import type { StateFile } from "./state-file.ts";
import { abandonedIn, removeFiles } from "./unfinished-files.ts";

const SUFFIX = ".cow";
/** As `fileName` makes them. */
const OURS = /@.*\.[0-9a-f]{8}\.cow$/;
const NAME_LETTERS_MAX = 180;
export const DEFAULT_POOL = "default";

export interface PoolView extends PoolSpec {
  readonly name: string;
  /** Bytes of its files, as long as they are. */
  readonly usedBytes: number;
  /** What may be made yet: of the limit, and of the file system. */
  readonly freeBytes: number;
}

/** Where a new store is made. */
export interface StorePlace {
  readonly cow: string;
  readonly size?: number | undefined;
  /** Of the file that is made; undefined: as the engine makes it. */
  readonly space?: PoolSpec["space"] | undefined;
  /** What the file may grow to, of its pool. */
  readonly most?: number | undefined;
  /** The file is the daemon's: it goes with its snapshot. */
  readonly pool?: string | undefined;
}

export class Pools {
  readonly #state: StateFile;
  readonly #journal: Journal;
  /** Of an earlier daemon, by pool. */
  readonly #unfinished = new Map<string, Promise<readonly string[]>>();
  /** Bytes of files that `place` has named, and that are not there yet: they count as if they were. */
  readonly #promised = new Map<string, number>();
  /** One is placed at a time, by pool: the next sees what the one before was promised. */
  readonly #turns = new Map<string, Turns>();

  constructor(state: StateFile, journal: Journal) {
    this.#state = state;
    this.#journal = journal;
  }

  /** Before anything is made: what is unfinished now nobody will finish. Only who makes or undoes something there waits for a folder that does not answer. */
  begin(): void {
    for (const [name, { dir }] of Object.entries(this.#state.now.pools))
      this.#unfinished.set(name, abandonedIn(dir, performance.timeOrigin));
  }

  async list(): Promise<PoolView[]> {
    return await Promise.all(Object.entries(this.#state.now.pools).map(([name, spec]) => view(name, spec)));
  }

  /** Throws a Problem (not-found). */
  async get(name: string): Promise<PoolView> {
    return await view(name, this.#spec(name));
  }

  /** True: it is new. Throws a Problem: differs, not-found (there is no such folder), bad-request. */
  async create(name: string, spec: PoolSpec): Promise<boolean> {
    checkPlainName("a pool", name);
    if (!spec.dir.startsWith("/")) throw new Problem("bad-request", "the folder of a pool must be an absolute path");
    const found = await stat(spec.dir).catch((error: unknown) => {
      throw problemOf(error);
    });
    if (!found.isDirectory()) throw new Problem("refused", `${spec.dir} is no folder`);
    const made = { ...spec, dir: await realpath(spec.dir) };
    const isNew = await this.#state.change((state) => {
      const there = own(state.pools, name);
      if (there === undefined) {
        state.pools[name] = made;
        return true;
      }
      if (JSON.stringify(sorted(there)) !== JSON.stringify(sorted(made)))
        throw new Problem("differs", `there is a pool '${name}' with another folder, or other settings`);
      return false;
    });
    if (isNew) this.#journal.add({ type: "pool-created", data: { pool: name, dir: spec.dir } });
    return isNew;
  }

  /** False: there is none. Throws a Problem (busy): snapshots have their files there. */
  async remove(name: string): Promise<boolean> {
    const isGone = await this.#state.change((state) => {
      if (own(state.pools, name) === undefined) return false;
      for (const [volume, snapshots] of Object.entries(state.snapshots))
        for (const [snapshot, spec] of Object.entries(snapshots))
          if (spec.pool === name) throw new Problem("busy", `pool '${name}' has the store of ${volume}@${snapshot}`);
      delete state.pools[name];
      return true;
    });
    if (isGone) this.#journal.add({ type: "pool-removed", data: { pool: name } });
    return isGone;
  }

  /** As `look`; what it needs is counted until it is released. Throws a Problem: bad-request, not-found, no-room. */
  async place(volume: string, snapshot: string, spec: SnapshotSpec): Promise<StorePlace> {
    if (spec.device !== undefined) return await this.look(volume, snapshot, spec);
    return await ownTurns(this.#turns, spec.pool ?? this.#only()).take(async () => {
      const place = await this.look(volume, snapshot, spec);
      this.#promised.set(place.cow, place.size ?? 0);
      return place;
    });
  }

  /** Its file is there, or will not be. */
  release({ cow }: StorePlace): void {
    this.#promised.delete(cow);
  }

  /** Where the store of a new snapshot would be. Throws a Problem: bad-request, not-found, no-room. */
  async look(volume: string, snapshot: string, { device, size, pool }: SnapshotSpec): Promise<StorePlace> {
    if (device !== undefined) {
      if (pool !== undefined) throw new Problem("bad-request", "a snapshot has a device or a pool, not both");
      return { cow: device, size };
    }
    if (size === undefined)
      throw new Problem("bad-request", "a snapshot needs a size (bytes), or a device", {
        hint: "for example --size 10G, or --device /dev/vg/cow",
      });
    const name = pool ?? this.#only();
    const spec = this.#spec(name);
    await this.#unfinished.get(name);
    const freeBytes = await this.#free(name, spec);
    if (size > freeBytes)
      throw new Problem("no-room", `pool '${name}' (${spec.dir}) has ${freeBytes} bytes left, and ${size} are needed`);
    return {
      cow: join(spec.dir, fileName(volume, snapshot)),
      size,
      space: spec.space,
      pool: name,
      most: spec.limit === undefined ? undefined : freeBytes,
    };
  }

  /** Bytes by which the store may grow, beside what it has. Undefined: it is in no pool, or in one without a limit. */
  async room(pool: string | undefined): Promise<number | undefined> {
    const spec = this.#known(pool);
    if (pool === undefined || spec?.limit === undefined) return undefined;
    return await this.#free(pool, spec);
  }

  /** Beside what is promised. Who is seen in neither is in both, and then it is counted twice rather than not at all. */
  async #free(name: string, spec: PoolSpec): Promise<number> {
    const promised = new Map(this.#promised);
    const { freeBytes, files } = await measured(name, spec);
    const bytes = [...promised].filter(([cow]) => dirname(cow) === spec.dir && !files.has(basename(cow)));
    return Math.max(0, freeBytes - bytes.reduce((sum, [, size]) => sum + size, 0));
  }

  /** A creation was cut by the end of an earlier daemon: what it had begun to make is of no use to anybody. */
  async removeUnfinished(pool: string | undefined): Promise<void> {
    if (pool !== undefined) await removeFiles((await this.#unfinished.get(pool)) ?? []);
  }

  /** Takes away what `place` has named, and nobody needs any more. */
  async removeFile(pool: string | undefined, cow: string): Promise<void> {
    const spec = this.#known(pool);
    if (spec === undefined || dirname(cow) !== spec.dir || !cow.endsWith(SUFFIX)) return;
    await rm(cow, { force: true });
  }

  /** The pool that has this store: by its policy, or, where none tells (the state was lost), by where its file is and what it is called. */
  of(spec: SnapshotSpec | undefined, cow: string): string | undefined {
    if (spec?.pool !== undefined || spec?.device !== undefined) return spec.pool;
    if (!OURS.test(cow)) return undefined;
    return Object.entries(this.#state.now.pools).find(([, { dir }]) => dirname(cow) === dir)?.[0];
  }

  #known(pool: string | undefined): PoolSpec | undefined {
    return pool === undefined ? undefined : own(this.#state.now.pools, pool);
  }

  #spec(name: string): PoolSpec {
    const spec = this.#known(name);
    if (spec === undefined)
      throw new Problem("not-found", `there is no pool '${name}'`, { hint: "snapring pool list shows them" });
    return spec;
  }

  #only(): string {
    const names = Object.keys(this.#state.now.pools);
    if (names.includes(DEFAULT_POOL)) return DEFAULT_POOL;
    if (names.length === 1) return names[0];
    const hint =
      names.length === 0 ? "make one: snapring pool create default DIR" : `name one of them: ${names.join(", ")}`;
    throw new Problem("refused", names.length === 0 ? "there is no pool for its file" : "there are several pools", {
      hint,
    });
  }
}

function ownTurns(all: Map<string, Turns>, name: string): Turns {
  const turns = all.get(name) ?? new Turns();
  all.set(name, turns);
  return turns;
}

async function view(name: string, spec: PoolSpec): Promise<PoolView> {
  const { files, ...seen } = await measured(name, spec);
  return seen;
}

async function measured(name: string, spec: PoolSpec): Promise<PoolView & { readonly files: ReadonlySet<string> }> {
  try {
    const files = (await readdir(spec.dir)).filter((file) => file.endsWith(SUFFIX));
    const sizes = await Promise.all(
      files.map((file) =>
        stat(join(spec.dir, file)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    const usedBytes = sizes.reduce((sum, size) => sum + size, 0);
    const { bavail, bsize } = await statfs(spec.dir);
    const ofLimit = spec.limit === undefined ? Number.POSITIVE_INFINITY : Math.max(0, spec.limit - usedBytes);
    // What is not reserved may be promised several times.
    const ofDisk = spec.space === "sparse" && spec.limit !== undefined ? Number.POSITIVE_INFINITY : bavail * bsize;
    return { name, ...spec, usedBytes, freeBytes: Math.min(ofLimit, ofDisk), files: new Set(files) };
  } catch (error) {
    throw problemOf(error, `pool '${name}'`);
  }
}

/** A name for the eye; what makes it one's own is the end. */
function fileName(volume: string, snapshot: string): string {
  const name = encodeURIComponent(`${volume}@${snapshot}`).replaceAll("%40", "@").slice(0, NAME_LETTERS_MAX);
  return `${name}.${randomBytes(4).toString("hex")}${SUFFIX}`;
}

function sorted({ dir, limit, space }: PoolSpec): unknown[] {
  return [dir, limit ?? null, space];
}

/** Both paths lead to the same file, if it is there. */
export async function isOneFile(a: string, b: string): Promise<boolean> {
  const real = (path: string): Promise<string> => realpath(path).catch(() => path);
  return a === b || (await real(a)) === (await real(b));
}
