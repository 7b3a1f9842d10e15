/** Statistics of a daemon with two volumes, one of which could not be opened: made up, and different from each other. */
import type { MetricSources } from "../../../src/control/metric-sources.ts";
import type { ExportStats, Histogram, SnapshotStats, WorkerStats } from "../../../src/engine/stats.ts";

/** 24 buckets, all of them 0 but those that are given. */
export function histogram(counts: Readonly<Record<number, number>>): Histogram {
  return Array.from({ length: 24 }, (_, bucket) => counts[bucket] ?? 0);
}

const clients = { connections: 3, handshakes: 1, accepted: 50, refused: 2, handshakeTimeouts: 4, transferTimeouts: 5 };

export const snapshot: SnapshotStats = {
  ...{ name: 'night"ly\n', state: "merging", status: "Merge failed", allocatedSectors: 80, totalSectors: 100 },
  ...{ metadataSectors: 16, exceptions: 7, pending: 1, copies: 11, copiedBytes: 12, grants: 13, commits: 14 },
  ...{ exceptionsCommitted: 15, metadataBytes: 16, tableBytes: 17, mergeFraction: 0.25 },
  ...{ stalled: 18, stalls: 19, growths: 20 },
};

export const exported: ExportStats = {
  ...{ name: "origin", reads: 21, writes: 22, flushes: 23, trims: 24, zeroes: 25, others: 26, readBytes: 27 },
  ...{ writtenBytes: 28, trimmedBytes: 29, untrimmedBytes: 30, errors: 31, operations: 32 },
  readLatency: histogram({ 0: 1, 3: 2, 22: 4, 23: 8 }),
  writeLatency: histogram({}),
  flushLatency: histogram({ 23: 1 }),
};

export const worker: WorkerStats = {
  ...{ role: "export", index: 1, kind: "uring", enters: 41, turns: 42, sleeps: 43, spins: 44, submitted: 45 },
  ...{ completed: 46, inline: 47, connections: 48, requests: 49, pieces: 50, slots: 51, copies: 52, copiedBytes: 53 },
  ...{ metadataJobs: 54, metadataBytes: 55 },
};

export const sources: MetricSources = {
  daemon: {
    ...{ version: "1.2.3", startTimeSeconds: 1e9, residentBytes: 61, cpuSeconds: 62.5, droppedLogLines: 63 },
    operations: { running: 2, failed: 1 },
    engineRunning: 1,
  },
  engine: { volumes: ["data"], devices: 2, workers: [worker], clients },
  volumes: [
    {
      name: "data",
      state: "open",
      stats: {
        ...{ snapshots: [snapshot], exports: [exported], workers: [worker], clients, droppedLines: 33 },
        merge: { snapshot: snapshot.name, percent: 25, paused: true },
        snapshotPause: histogram({ 12: 3 }),
      },
    },
    { name: "lost", state: "failed" },
  ],
};
