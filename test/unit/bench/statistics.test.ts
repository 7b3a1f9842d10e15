import { describe, expect, it } from "vitest";
import { parseStatisticsLine, workBetween } from "../../../bench/statistics.ts";
import type { SnapshotStats, VolumeStats, WorkerStats } from "../../../src/engine/stats.ts";

function stats(n: number): VolumeStats {
  const worker = {
    role: "export",
    index: 0,
    kind: "uring",
    enters: 10 * n,
    turns: 11 * n,
    sleeps: n,
    submitted: 30 * n,
  };
  const snapshot = {
    copies: 5 * n,
    copiedBytes: 80 * n,
    commits: 2 * n,
    exceptionsCommitted: 5 * n,
    metadataBytes: 4096 * n,
  };
  return {
    snapshots: [snapshot as SnapshotStats, snapshot as SnapshotStats],
    exports: [],
    workers: [worker as WorkerStats],
    clients: {} as VolumeStats["clients"],
    merge: undefined,
    snapshotPause: [],
    droppedLines: 0,
  };
}

describe("a server's statistics", () => {
  it("are found among other lines", () => {
    expect(parseStatisticsLine("nbd+unix:///snap?socket=s  snap, 2 GiB, read-write")).toBeUndefined();
    expect(parseStatisticsLine('{"pid":1,"exports":[]}')).toBeUndefined();
    expect(parseStatisticsLine(JSON.stringify({ stats: stats(1) }))).toEqual(stats(1));
  });

  it("become what a run did, over all snapshots", () => {
    expect(workBetween(stats(1), stats(3))).toEqual({
      workers: [{ role: "export", index: 0, kind: "uring", enters: 20, turns: 22, sleeps: 2, submitted: 60 }],
      copies: 20,
      copiedBytes: 320,
      commits: 8,
      exceptions: 20,
      metadataBytes: 16384,
    });
  });
});
