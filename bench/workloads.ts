/**
 * The workloads, each named for what it does: side or state of the data, size, depth.
 *
 * First-touch lists put one 4 KiB write into each 64 KiB, so that each is the first touch of a unit of 4, 16 or 64 KiB alike,
 * and none of 128 KiB. Counts are bounded by what a 2 GiB volume holds: warm-up and measured writes never share a unit.
 */
import { KIB, type ListLoad, MAPPED_BYTES, MIB, type Workload } from "./workload.ts";

const RAW = ["qemu-raw"];
const OVERLAY = ["qcow2-16k"];
const COPY_BEFORE_WRITE = ["qsd-cbw"];

const ONE = { connections: 1, volumes: 1 } as const;

type Settings = Partial<Workload> & Pick<Workload, "depth" | "load">;

function snapshotRead(name: string, text: string, settings: Settings): Workload {
  return { name, text, side: "snapshot", writes: false, mapped: false, baselines: RAW, ...ONE, ...settings };
}

function snapshotWrite(name: string, text: string, settings: Settings): Workload {
  return { name, text, side: "snapshot", writes: true, mapped: false, baselines: OVERLAY, ...ONE, ...settings };
}

function originLoad(name: string, text: string, settings: Settings): Workload {
  const baselines = COPY_BEFORE_WRITE;
  return { name, text, side: "origin", writes: true, mapped: false, baselines, ...ONE, ...settings };
}

const READ_4K = { kind: "random", operation: "randread", blockBytes: 4 * KIB } as const;
const REWRITE_4K = {
  kind: "random",
  operation: "randwrite",
  blockBytes: 4 * KIB,
  regionBytes: MAPPED_BYTES,
} as const;

const FIRST_TOUCH: ListLoad = {
  kind: "list",
  count: 16384,
  warmUpCount: 8192,
  blockBytes: 4 * KIB,
  strideBytes: 64 * KIB,
  dense: false,
  flushEvery: 0,
};
const FIRST_TOUCH_ALONE: ListLoad = { ...FIRST_TOUCH, count: 6144, warmUpCount: 3072 };
const FIRST_TOUCH_FLUSHED: ListLoad = { ...FIRST_TOUCH_ALONE, flushEvery: 32 };

/** One client each. Their first touches are as many together as those of one volume. */
export const MANY_VOLUMES = 16;

const MANY = { depth: 8, volumes: MANY_VOLUMES } as const;
const FIRST_TOUCH_MANY: ListLoad = {
  ...FIRST_TOUCH,
  count: FIRST_TOUCH.count / MANY_VOLUMES,
  warmUpCount: FIRST_TOUCH.warmUpCount / MANY_VOLUMES,
};
const MANY_OVERLAYS = ["qsd-qcow2-x16"];

export const WORKLOADS: readonly Workload[] = [
  snapshotRead("read-unmapped-4k-qd1", "random 4k reads, nothing copied yet, one at a time", {
    depth: 1,
    load: READ_4K,
  }),
  snapshotRead("read-unmapped-4k-qd32", "random 4k reads, nothing copied yet, 32 in flight", {
    depth: 32,
    load: READ_4K,
  }),
  snapshotRead("read-unmapped-4k-qd32x4", "random 4k reads, nothing copied yet, 4 connections of 32 in flight", {
    depth: 32,
    connections: 4,
    load: READ_4K,
  }),
  snapshotRead("read-seq-1m-qd4", "sequential 1 MiB reads, nothing copied yet, 4 in flight", {
    depth: 4,
    load: { kind: "random", operation: "read", blockBytes: MIB },
  }),
  snapshotRead("read-mapped-4k-qd32", "random 4k reads of copied data, 32 in flight", {
    depth: 32,
    mapped: true,
    load: { ...READ_4K, regionBytes: MAPPED_BYTES },
    baselines: OVERLAY,
  }),
  snapshotWrite("write-mapped-4k-qd1", "random 4k writes to a region that was copied, one at a time", {
    depth: 1,
    mapped: true,
    load: REWRITE_4K,
  }),
  snapshotWrite("write-mapped-4k-qd32", "random 4k writes to a region that was copied, 32 in flight", {
    depth: 32,
    mapped: true,
    load: REWRITE_4K,
  }),
  snapshotWrite("write-mapped-64k-qd16", "random 64k writes to a region that was copied, 16 in flight", {
    depth: 16,
    mapped: true,
    load: { ...REWRITE_4K, blockBytes: 64 * KIB },
  }),
  snapshotWrite("cow-first-4k-qd1", "each 4k write is the first in its 64k, in random order, one at a time", {
    depth: 1,
    load: FIRST_TOUCH_ALONE,
  }),
  snapshotWrite("cow-first-4k-qd32", "each 4k write is the first in its 64k, in random order, 32 in flight", {
    depth: 32,
    load: FIRST_TOUCH,
  }),
  snapshotWrite("cow-first-fullchunk", "16k-aligned 16k writes, each once, dense region, random order, 32 in flight", {
    depth: 32,
    load: { ...FIRST_TOUCH, blockBytes: 16 * KIB, strideBytes: 16 * KIB, dense: true },
  }),
  snapshotWrite("cow-first-4k-qd32-fsync", "cow-first-4k-qd32 with an NBD flush after every 32 writes", {
    depth: 32,
    load: FIRST_TOUCH_FLUSHED,
  }),
  snapshotWrite("mixed-70-30-4k-qd16", "70 % reads, 30 % writes, random 4k, a region of which half was copied", {
    depth: 16,
    mapped: true,
    load: { kind: "mixed", readPercent: 70, blockBytes: 4 * KIB, regionBytes: 2 * MAPPED_BYTES, count: 24000 },
  }),
  originLoad("origin-read-4k-qd32", "random 4k reads of the origin while a snapshot exists", {
    depth: 32,
    writes: false,
    load: READ_4K,
  }),
  originLoad("origin-write-cow-4k-qd1", "origin writes whose old data must be copied away first, one at a time", {
    depth: 1,
    load: FIRST_TOUCH_ALONE,
  }),
  originLoad("origin-write-cow-4k-qd32", "origin writes whose old data must be copied away first, 32 in flight", {
    depth: 32,
    load: FIRST_TOUCH,
  }),
  originLoad("origin-write-cow-4k-qd32-fsync", "origin-write-cow-4k-qd32 with an NBD flush after every 32 writes", {
    depth: 32,
    load: FIRST_TOUCH_FLUSHED,
  }),
  originLoad("origin-write-again-4k-qd32", "origin writes to a region whose old data was copied away before", {
    depth: 32,
    mapped: true,
    load: REWRITE_4K,
  }),
  snapshotRead(
    "many-read-4k-qd8",
    "16 volumes: random 4k reads of their snapshots, nothing copied yet, 8 in flight each",
    {
      ...MANY,
      load: READ_4K,
      baselines: MANY_OVERLAYS,
    },
  ),
  snapshotWrite(
    "many-write-mapped-4k-qd8",
    "16 volumes: random 4k writes to a region that was copied, 8 in flight each",
    {
      ...MANY,
      mapped: true,
      load: { ...REWRITE_4K, regionBytes: MAPPED_BYTES / MANY_VOLUMES },
      baselines: MANY_OVERLAYS,
    },
  ),
  snapshotWrite("many-cow-first-4k-qd8", "16 volumes: each 4k write is the first in its 64k, 8 in flight each", {
    ...MANY,
    load: FIRST_TOUCH_MANY,
    baselines: MANY_OVERLAYS,
  }),
  originLoad("many-origin-write-cow-4k-qd8", "16 volumes: origin writes that need a copy first, 8 in flight each", {
    ...MANY,
    load: FIRST_TOUCH_MANY,
    baselines: ["qsd-cbw-x16"],
  }),
];

/** Throws for a name that is none. */
export function workloadNamed(name: string): Workload {
  const workload = WORKLOADS.find((w) => w.name === name);
  if (workload === undefined) throw new RangeError(`there is no workload ${name}`);
  return workload;
}
