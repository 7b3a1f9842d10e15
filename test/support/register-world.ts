/**
 * An origin, a store of it and what the register says of it, on small files and without threads: the states in which people meet a volume
 * that was used before, as the rows and columns of the table in docs/RELIABILITY.md name them.
 *
 *   a/disk.img  a/s.cow      the origin that is asked about, and its snapshot `s`, which has two exceptions
 *   b/disk.img  b/s.cow      another origin, which the store is of where the register is another's
 *   away/                    what stood somewhere and was taken away: it keeps its inode, so that no other file gets it
 *
 * The register is written by the engine's own part (registered-set.ts), as by a volume that was opened and closed.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { RegisteredSet, type Registrand } from "../../src/engine/registered-set.ts";
import { type OpenedStore, openStore } from "../../src/engine/store-opening.ts";
import { VolumeDevice } from "../../src/engine/volume-device.ts";
import { openDevice } from "../../src/opening/open-device.ts";
import { inlineOpenings } from "./inline-openings.ts";
import { completeOptions } from "../../src/engine/complete-options.ts";
import type { VolumeOptions } from "../../src/engine/volume-options.ts";
import type { RegisteredState } from "../../src/register/register-text.ts";
import { dataPattern } from "./data-pattern.ts";
import { makeScratch, type Scratch } from "./free-socket.ts";
import { type ExceptionPair, storeImage } from "./store-image.ts";

export const SAYS = ["nothing", "active", "merging", "invalid", "of another origin"] as const;
export type Says = (typeof SAYS)[number];

export const THERE = [
  "its store",
  "its store, moved",
  "a copy of it",
  "another store",
  "blank",
  "foreign content",
  "nothing there",
] as const;
export type There = (typeof THERE)[number];

export const CHUNK = 4096;
const BYTES = 16 * CHUNK;
const ITS: readonly ExceptionPair[] = [
  [1, 2],
  [3, 3],
];
const ANOTHERS: readonly ExceptionPair[] = [
  [0, 2],
  [1, 3],
  [5, 4],
];

/** Of the test that runs: live for who imports them. */
export let scratch: Scratch;
export let lines: string[];

/** What a volume says; kept in `lines`. */
export const log = (line: string): void => void lines.push(line);

/** Called once, at the top of a file: each of its tests gets an empty folder, and no lines yet. */
export function eachTestHasPlace(): void {
  beforeEach(async () => {
    scratch = await makeScratch();
    lines = [];
  });

  afterEach(() => scratch.remove());
}

export interface World {
  readonly folder: string;
  readonly origin: string;
  /** The path that is given. */
  readonly cow: string;
  /** What the snapshot shows. */
  readonly view: Buffer;
}

/** `root` is an empty folder. */
export async function makeWorld(root: string, says: Says, there: There): Promise<World> {
  for (const name of ["a", "b", "away"]) mkdirSync(join(root, name));
  const [a, b] = ["a", "b"].map((name) => join(root, name));
  for (const folder of [a, b]) writeFileSync(join(folder, "disk.img"), dataPattern(BYTES, 1));
  const home = says === "of another origin" ? b : a;
  const its = join(home, "s.cow");
  const image = storeOf(ITS);
  if (says !== "nothing") {
    writeFileSync(its, image);
    await register(home, says === "of another origin" ? "active" : says);
  }
  return { folder: a, origin: join(a, "disk.img"), cow: arrange(root, its, says, there), view: viewOf(image) };
}

function storeOf(exceptions: readonly ExceptionPair[]): Buffer {
  const image = Buffer.from(storeImage(BYTES, CHUNK / 512, exceptions));
  dataPattern(BYTES - 2 * CHUNK, 9).copy(image, 2 * CHUNK);
  return image;
}

function viewOf(image: Buffer): Buffer {
  const view = dataPattern(BYTES, 1);
  for (const [oldChunk, newChunk] of ITS) image.copy(view, oldChunk * CHUNK, newChunk * CHUNK, (newChunk + 1) * CHUNK);
  return view;
}

/** As a volume leaves it that was opened, did what it did, and was closed in good order. */
async function register(folder: string, state: RegisteredState): Promise<void> {
  await using volume = await Opening.open({ origin: join(folder, "disk.img") }, join(folder, "s.cow"));
  await volume.settle();
  if (state === "active") await volume.set.see([volume.registrand], true);
  else await volume.set.record(volume.registrand, state);
}

/** Where the path that is given leads to. What belongs to another origin is that very file, with whatever is in it now. */
function arrange(root: string, its: string, says: Says, there: There): string {
  const isAnothers = says === "of another origin";
  const takeAway = (): void => {
    if (says !== "nothing" && !isAnothers) renameSync(its, join(root, "away/s.cow"));
  };
  switch (there) {
    case "its store":
      return its;
    case "its store, moved":
      renameSync(its, join(root, "a/t.cow"));
      return join(root, "a/t.cow");
    case "a copy of it":
      copyFileSync(its, join(root, "a/copy.cow"));
      return join(root, "a/copy.cow");
    case "nothing there":
      takeAway();
      return isAnothers ? join(root, "a/s.cow") : its;
    default:
      takeAway();
      writeFileSync(its, contentOf(there));
      return its;
  }
}

function contentOf(there: "another store" | "blank" | "foreign content"): Buffer {
  if (there === "another store") return storeOf(ANOTHERS);
  // Its first bytes are zero, as those of swap, of partition tables and of many file systems: it is no blank device.
  return Buffer.alloc(BYTES).fill(there === "blank" ? 0 : 0x46, CHUNK / 2);
}

/** A volume as far as the register is concerned: without threads, without clients. */
export class Opening implements AsyncDisposable {
  readonly set: RegisteredSet;
  readonly opened: OpenedStore | undefined;
  readonly #origin: VolumeDevice;

  private constructor(origin: VolumeDevice, set: RegisteredSet, opened: OpenedStore | undefined) {
    this.#origin = origin;
    this.set = set;
    this.opened = opened;
  }

  /** Throws what a volume would. `cow`: of snapshot `s`; `make`: as for `createSnapshot`. */
  static async open(options: VolumeOptions, cow?: string, make = false, size = true): Promise<Opening> {
    const snapshots = cow === undefined ? [] : [{ name: "s", cow, chunkSize: CHUNK, ...(size ? { size: BYTES } : {}) }];
    const complete = completeOptions({ ...options, snapshots: make ? [] : snapshots });
    const { readOnly, unlocked, direct, mode, log } = complete;
    const origin = new VolumeDevice(openDevice({ path: options.origin, what: "origin", readOnly, unlocked, direct }));
    try {
      const ties = await RegisteredSet.open(origin, complete, inlineOpenings);
      const around = { openings: inlineOpenings, origin, cows: [], direct, readOnly, unlocked, mode, log, ties, make };
      const opened = snapshots.length === 0 ? undefined : await openStore(snapshots[0], around);
      return new Opening(origin, ties, opened);
    } catch (error) {
      origin.close();
      throw error;
    }
  }

  get state(): string {
    return this.opened?.merging === true ? "merging" : (this.opened?.loaded.state ?? "none");
  }

  get registrand(): Registrand {
    return { name: "s", cow: (this.opened as OpenedStore).cow, chunkBytes: CHUNK };
  }

  /** Everything has opened: what a volume writes down then. */
  async settle(): Promise<void> {
    const state = this.state === "merging" || this.state === "invalid" ? this.state : "active";
    await this.set.settle(this.opened === undefined ? [] : [{ ...this.registrand, state }]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.opened?.cow.close();
    this.#origin.close();
    return Promise.resolve();
  }
}

/** Of the snapshot `s`, as the file beside the origin has it; undefined where it does not know one. */
export function registeredState(folder: string, name = "s"): string | undefined {
  const text = readFileSync(join(folder, "disk.img.snapshots"), "utf8");
  return JSON.parse(text).snapshots[name]?.state;
}

/** Every file below it, by its content. */
export function contents(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path, createHash("md5").update(readFileSync(path)).digest("hex")]));
}
