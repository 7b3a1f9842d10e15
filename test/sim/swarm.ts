/**
 * What one life of a volume is like, drawn from its seed: which things happen at all, how often, and how the core is set.
 *
 * Swarm testing: a life in which everything happens a little rarely reaches a corner; one without crashes, or with hardly
 * anything but merges, does. Every draw is made whatever is switched off, so that a failing seed can be shrunk: the rest of the
 * life stays as near to the same as it can. A plain life has the kernel's commit rule: without S-57, S-54 and S-55.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { SeededRandom } from "../support/core/seeded-random.ts";
import type { ShellOptions } from "../support/core/fake-shell.ts";

export const SWITCHES = [
  "crashes",
  "kills",
  "cowFaults",
  "originFaults",
  "slowDisks",
  "slowClients",
  "merges",
  "drops",
  "growth",
  "smallStores",
  "prefilledStores",
  "overflowStores",
  "transientStores",
  "severalSnapshots",
  "largeChunks",
  "largeRequests",
  "floods",
  "zeroes",
  "fua",
  "flushes",
  "exclusives",
  "reserves",
  "timers",
  "turns",
  "fills",
  "limits",
  "mergeBatches",
  "pacedMerges",
  "registry",
  "chases",
  "sieges",
  "brims",
  "directBlocks",
  "passdown",
  "readOnlyExports",
  "manyWorkers",
  "autoGrowth",
  "stalls",
] as const;
export type Switch = (typeof SWITCHES)[number];

/** What the clients and disks of depth A do not know. */
export const THREADS_ONLY: readonly Switch[] = ["directBlocks", "passdown", "readOnlyExports", "manyWorkers"];

/** Drawn beside the others: lives without them are what they were before these came. */
const BESIDE: ReadonlySet<Switch> = new Set<Switch>(["autoGrowth", "stalls"]);

/** Chances in a thousand steps. */
export interface Weights {
  readonly request: number;
  readonly create: number;
  readonly drop: number;
  readonly grow: number;
  readonly merge: number;
  readonly crash: number;
  /** That the process is killed. */
  readonly kill: number;
  readonly timer: number;
  readonly slow: number;
  /** That reads of a snapshot are followed at once by writes of the origin to the same place. */
  readonly chase: number;
  /** That a snapshot fills up while chunks in reserve are being filled. */
  readonly brim: number;
  /** That an origin write is surrounded by reads of a snapshot that never cease. */
  readonly siege: number;
  /** That a merge may go on (E-26). */
  readonly pace: number;
  /** That it is looked at what a cut would leave. */
  readonly glance: number;
  /** Of a request: that it goes to a snapshot; that it is a read, a write; percent. */
  readonly toSnapshot: number;
  readonly read: number;
  readonly write: number;
}

export interface Swarm {
  readonly plain: boolean;
  readonly on: ReadonlySet<Switch>;
  readonly weights: Weights;
  readonly originSectors: number;
  /** Sectors that a device takes whole only, as with direct I/O. */
  readonly blocks: { readonly origin: number; readonly cow: number };
  readonly options: ShellOptions;
  /** In depth B, a trim of the origin leaves what a snapshot needs as it is (E-19); else it is a write. */
  readonly keepsTrims: boolean;
}

/** Things that most lives should have are rarely off. */
const OFTEN: ReadonlySet<Switch> = new Set<Switch>(["crashes", "flushes", "severalSnapshots", "timers"]);
const RARELY: ReadonlySet<Switch> = new Set<Switch>(["transientStores", "originFaults", "floods"]);

/** What a life is told to be like. */
export interface Bias {
  readonly without: ReadonlySet<Switch>;
  /** What shall be possible in any case. */
  readonly having: ReadonlySet<Switch>;
}

export function drawSwarm(random: SeededRandom, plain: boolean, { without, having }: Bias): Swarm {
  const on = new Set<Switch>();
  const side = random.beside();
  for (const name of SWITCHES) {
    const drawn = (BESIDE.has(name) ? side : random).chance(OFTEN.has(name) ? 85 : RARELY.has(name) ? 25 : 50);
    if ((drawn || having.has(name)) && !without.has(name)) on.add(name);
  }
  const weights: Weights = {
    request: random.pick([60, 120, 250]),
    create: random.pick([5, 10, 20]),
    drop: random.pick([1, 3, 6]),
    grow: random.pick([2, 5, 10]),
    merge: random.pick([2, 5, 12]),
    crash: random.pick([1, 2, 5]),
    kill: random.pick([1, 2, 5]),
    timer: random.pick([5, 20]),
    slow: random.pick([5, 20]),
    chase: random.pick([5, 20, 60]),
    brim: random.pick([1, 3]),
    siege: random.pick([0, 1]),
    pace: random.pick([20, 100]),
    glance: random.pick([10, 40]),
    toSnapshot: random.pick([30, 55, 80]),
    read: random.pick([20, 40, 60]),
    write: random.pick([30, 40]),
  };
  const drawn = { origin: random.pick([1, 2, 4, 8]), cow: random.pick([1, 2, 4, 8]) };
  const blocks = on.has("directBlocks") ? drawn : { origin: 1, cow: 1 };
  const block = Math.max(blocks.origin, blocks.cow);
  const originSectors = Math.ceil((random.pick([40, 40, 80]) + random.below(60)) / block) * block;
  const options = drawOptions(random, plain, on, block * SECTOR_BYTES);
  // Drawn with the reads, of which it makes none the likelier: in two lives of three.
  const keepsTrims = weights.read !== 40;
  return { plain, on, weights, originSectors, blocks, options, keepsTrims };
}

function drawOptions(random: SeededRandom, plain: boolean, on: ReadonlySet<Switch>, blockBytes: number): ShellOptions {
  const cowThreshold = random.pick([1, 3, 2048]);
  const chunksPerNeed = random.pick([1, 4, 256]);
  const copyBytes = Math.max(blockBytes, random.pick([1024, 4096, 1 << 20]));
  const limits = {
    cowThreshold,
    chunksPerNeed,
    mergeWindow: chunksPerNeed,
    mergeRuns: chunksPerNeed,
    copyBytes,
    mergeSliceBytes: copyBytes,
    copyTargets: random.pick([1, 2, 31]),
    mergeChunks: random.pick([1, 5, 40]),
    mergeCopies: random.pick([1, 4]),
  };
  const slowClients = random.pick([5, 5, 20]);
  const groupCount = random.pick([2, 7, 1024]);
  const metadataBlockBytes = random.pick([512, 512, 4096]);
  return {
    random,
    registered: on.has("registry"),
    turns: on.has("turns"),
    fills: on.has("fills"),
    reserves: on.has("reserves"),
    mergeBatches: on.has("mergeBatches"),
    mergePaced: on.has("pacedMerges"),
    slowClients: on.has("slowClients") ? slowClients : 0,
    ...(on.has("limits") ? limits : {}),
    early: !plain,
    groupCount: plain ? 1 << 30 : groupCount,
    metadataBlockBytes: plain ? 1 << 20 : metadataBlockBytes,
  };
}
