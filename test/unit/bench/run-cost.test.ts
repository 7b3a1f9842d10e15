import { describe, expect, it } from "vitest";
import { runCost } from "../../../bench/run-cost.ts";
import type { FioResult } from "../../../bench/fio-result.ts";
import type { Sample } from "../../../bench/sampler.ts";

const FIO: FioResult = { ios: 100_000, seconds: 5, iops: 20_000, mibPerSecond: 78, p50Us: 1, p99Us: 2 };

function sample(
  t: number,
  rates: { server: number; thread: number; client: number; busy: number; disk: number },
): Sample {
  return {
    seconds: 100 + t,
    serverCpuSeconds: rates.server * t,
    serverPeakRssBytes: 64 * 1024 * 1024,
    serverThreadSeconds: new Map([
      ["1", rates.thread * t],
      ["2", 0],
    ]),
    clientCpuSeconds: rates.client * t,
    machine: { busySeconds: rates.busy * t, stealSeconds: 0.1 * t },
    disk: { readMib: 10 * t, writtenMib: 20 * t, busySeconds: rates.disk * t },
  };
}

const RATES = { server: 0.4, thread: 0.3, client: 0.5, busy: 1, disk: 0.9 };

describe("the cost of a run", () => {
  it("is per I/O and in CPUs, from the difference of two samples", () => {
    const cost = runCost(sample(0, RATES), sample(5, RATES), FIO, true, 2);
    expect(cost.serverCpuUs).toBeCloseTo(20);
    expect(cost.clientCpuUs).toBeCloseTo(25);
    expect(cost.serverCpus).toBeCloseTo(0.4);
    expect(cost.topThreadCpus).toBeCloseTo(0.3);
    expect(cost.busyCpus).toBeCloseTo(1);
    expect(cost.foreignCpus).toBeCloseTo(0.1);
    expect(cost.stealCpus).toBeCloseTo(0.1);
    expect(cost.peakRssMib).toBe(64);
    expect(cost.diskWriteMibPerSecond).toBeCloseTo(20);
  });

  it("has no figures of a server where there is none, and none of a disk on tmpfs", () => {
    const without = (s: Sample): Sample => ({ ...s, disk: undefined });
    const cost = runCost(without(sample(0, RATES)), without(sample(5, RATES)), FIO, false, 2);
    expect(Object.keys(cost).sort()).toEqual(["busyCpus", "clientCpuUs", "foreignCpus", "limit", "stealCpus"]);
  });

  it.each([
    ["one server thread", { ...RATES, thread: 0.95, server: 0.95, busy: 1.9 }],
    ["all CPUs", { ...RATES, busy: 1.9 }],
    ["disk", RATES],
    ["latency", { ...RATES, disk: 0.2 }],
    ["CPUs and disk", { ...RATES, busy: 1.5 }],
    ["CPUs and latency", { ...RATES, busy: 1.5, disk: 0.2 }],
  ])("guesses the limit: %s", (limit, rates) => {
    expect(runCost(sample(0, rates), sample(5, rates), FIO, true, 2).limit).toBe(limit);
  });
});
