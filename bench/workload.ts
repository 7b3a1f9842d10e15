/**
 * What a client does to a server during one run: a value, from which fio's arguments and the report's headings are made.
 *
 *   random   reads or writes at random offsets of a region, for some seconds
 *   mixed    both, a fixed number of them: their cost changes as the snapshot fills, so time must not decide how far they get
 *   list     writes at offsets from a list, each unit of the list once: every write is a first touch
 *
 * `side` tells which export is driven: the snapshot's, or the live volume's while the snapshot exists. A workload knows nothing
 * of servers; which of them can run it is asked in server-kind.ts.
 */

export interface RandomLoad {
  readonly kind: "random";
  readonly operation: "randread" | "randwrite" | "read";
  readonly blockBytes: number;
  /** From the start of the volume; undefined: all of it. */
  readonly regionBytes?: number | undefined;
}

export interface MixedLoad {
  readonly kind: "mixed";
  readonly readPercent: number;
  readonly blockBytes: number;
  readonly regionBytes: number;
  readonly count: number;
}

export interface ListLoad {
  readonly kind: "list";
  readonly count: number;
  /** Writes of the warm-up, on units that the measured part does not touch. */
  readonly warmUpCount: number;
  readonly blockBytes: number;
  /** One write in each unit of this size. */
  readonly strideBytes: number;
  /** The units lie side by side from the start of the volume; else they are drawn from all of it. */
  readonly dense: boolean;
  /** An NBD flush after so many writes; 0: none. */
  readonly flushEvery: number;
}

export interface Workload {
  readonly name: string;
  readonly text: string;
  readonly side: "snapshot" | "origin";
  readonly writes: boolean;
  /** The first `mappedBytes` are written through the server beforehand, so that the snapshot holds them. */
  readonly mapped: boolean;
  /** Each has an origin, a snapshot and a client of its own. */
  readonly volumes: number;
  readonly connections: number;
  readonly depth: number;
  readonly load: RandomLoad | MixedLoad | ListLoad;
  /** Whom ratios are taken against: the first of these that ran in the same round. */
  readonly baselines: readonly string[];
}

/** How long and how much, the same for every server of one bench. */
export interface Extent {
  /** Of all volumes together. */
  readonly originBytes: number;
  /** Of a run that is bounded by time. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Multiplies the counts of runs that are bounded by count. */
  readonly scale: number;
}

export const KIB = 1024;
export const MIB: number = 1024 * KIB;
export const GIB: number = 1024 * MIB;

/** 4 KiB at random offsets of the whole origin: for a bench that is none of the list (workloads.ts). */
export function randomWorkload(operation: "randread" | "randwrite", depth: number): Workload {
  const writes = operation === "randwrite";
  const what = writes ? "write" : "read";
  return {
    name: `${what}-4k-qd${depth}`,
    text: `random 4k ${what}s, ${depth} in flight`,
    side: "origin",
    writes,
    mapped: false,
    connections: 1,
    volumes: 1,
    depth,
    load: { kind: "random", operation, blockBytes: 4 * KIB },
    baselines: [],
  };
}

/** The region that is filled beforehand, of all volumes together. */
export const MAPPED_BYTES: number = 256 * MIB;

/** Of one volume. */
export function mappedBytes({ volumes }: Workload): number {
  return MAPPED_BYTES / volumes;
}

/** What one of several volumes has of it. */
export function extentOfOne(extent: Extent, { volumes }: Workload): Extent {
  return { ...extent, originBytes: extent.originBytes / volumes };
}
