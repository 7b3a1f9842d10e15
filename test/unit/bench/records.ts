/**
 * Records and results for the tests of what is made from them.
 */
import type { BenchResult } from "../../../bench/result.ts";
import type { MeasuredRun } from "../../../bench/run-record.ts";
import { GIB } from "../../../bench/workload.ts";

export function measured(
  workload: string,
  server: string,
  round: number,
  iops: number,
  more: Partial<MeasuredRun> = {},
): MeasuredRun {
  return {
    outcome: "measured",
    workload,
    server,
    round,
    ios: iops * 5,
    seconds: 5,
    iops,
    mibPerSecond: iops / 256,
    p50Us: 100,
    p99Us: 900,
    serverCpuUs: 10,
    clientCpuUs: 8,
    peakRssMib: 64,
    serverCpus: 0.5,
    busyCpus: 1.2,
    foreignCpus: 0.1,
    stealCpus: 0,
    diskBusy: 0.5,
    limit: "disk",
    openFiles: {},
    ...more,
  };
}

export function result(records: BenchResult["records"], more: Partial<BenchResult> = {}): BenchResult {
  const servers = [...new Set(records.map((r) => r.server))];
  return {
    version: 1,
    date: "2000-01-01",
    setting: "direct",
    direct: true,
    rounds: 1 + Math.max(0, ...records.map((r) => r.round)),
    extent: { originBytes: 2 * GIB, seconds: 5, warmUpSeconds: 1.5, scale: 1 },
    machine: { facts: { kernel: "6.1", "file system": "ext4" }, versions: { fio: "3.33" } },
    servers: servers.map((name) => ({ name, role: name.startsWith("snapring") ? "ours" : "peer", text: `is ${name}` })),
    workloads: [...new Set(records.map((r) => r.workload))],
    records,
    ...more,
  };
}
