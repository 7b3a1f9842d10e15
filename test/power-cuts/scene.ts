/**
 * What a recording is of: the kind of life, and everything about the volume that the seed decides.
 */
import type { VolumeOptions } from "../../src/index.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { SECTOR_BYTES } from "./ledger.ts";

/**
 * plain   writes of the origin and of two snapshots
 * live    also a snapshot that is made amid them, and one that is dropped
 * merge   then the origin is rolled back to the first snapshot while it is written; now and then the merge is stopped half-way
 * full    the second snapshot's store is too small and becomes invalid
 * killed  the process is killed amid all this, twice, and opened again on the same devices; now and then a merge is under way
 */
export const KINDS = ["plain", "live", "merge", "full", "killed"] as const;
export type SceneKind = (typeof KINDS)[number];

export interface SceneSnapshot {
  readonly name: string;
  readonly chunkSectors: number;
  readonly sectors: number;
}

export interface Scene {
  readonly kind: SceneKind;
  readonly seed: number;
  readonly originSectors: number;
  readonly snapshots: readonly SceneSnapshot[];
  readonly options: Pick<
    VolumeOptions,
    | "early"
    | "direct"
    | "io"
    | "fills"
    | "reserves"
    | "mergeBatches"
    | "mergePercent"
    | "groupWaitMs"
    | "groupCount"
    | "workers"
  >;
  /** Requests of each client before the orders come, and after. */
  readonly requests: number;
  /** Largest write of a client. */
  readonly writeSectors: number;
  /** Milliseconds that a call of each device may take, origin first. */
  readonly slowness: readonly number[];
  /** Of a merge: stop it half-way. Of a life with kills: one of them comes amid a merge. */
  readonly stops: boolean;
}

/** Pairs of chunk sizes, in sectors: whole areas fill where they are small. */
const CHUNKS = [
  [8, 32],
  [1, 8],
  [2, 16],
  [32, 8],
  [4, 1],
] as const;

/** The end of the origin cuts a chunk short. */
const ORIGIN_SECTORS = 1024 + 5;
const SPREAD = 0x9e37_79b1;

export function makeScene(seed: number, kind: SceneKind): Scene {
  const random = new SeededRandom(Math.imul(seed + 1, SPREAD));
  // The generator's first numbers are alike for neighbouring seeds.
  for (let i = 0; i < 8; i++) random.below(2);
  const chunks = random.pick(CHUNKS);
  const names = kind === "live" ? ["a", "b", "c"] : ["a", "b"];
  return {
    kind,
    seed,
    originSectors: ORIGIN_SECTORS,
    snapshots: names.map((name, i) => {
      const chunkSectors = chunks[i % 2];
      const small = kind === "full" && name === "b";
      return { name, chunkSectors, sectors: small ? smallFor(chunkSectors) : roomFor(chunkSectors) };
    }),
    options: {
      early: random.chance(60),
      direct: random.chance(75) ? true : "auto",
      io: random.chance(75) ? "auto" : "sync",
      fills: random.chance(75),
      reserves: random.chance(75),
      mergeBatches: random.chance(60),
      mergePercent: random.pick([10, 50, 100]),
      groupWaitMs: random.pick([0, 5, 50, 1000]),
      groupCount: random.pick([1, 4, 1024]),
      workers: 1 + random.below(2),
    },
    requests: 24 + random.below(24),
    writeSectors: random.pick([4, 16, 48]),
    slowness: [0, ...names].map(() => random.pick([0, 0, 1, 4])),
    stops: random.chance(40),
  };
}

/** Too few chunks; but not shorter than a default chunk, which would have to be named at every opening (S-30). */
function smallFor(chunkSectors: number): number {
  return Math.max(64, 24 * chunkSectors);
}

/** All chunks of the origin, their areas, and the reserves of the workers. */
function roomFor(chunkSectors: number): number {
  const chunks = Math.ceil(ORIGIN_SECTORS / chunkSectors);
  const perArea = (chunkSectors * SECTOR_BYTES) / 16;
  return chunkSectors * (chunks + Math.ceil(chunks / perArea) + 256);
}
