import { describe, expect, it } from "vitest";
import { smokeFailures, smokeReport } from "../../../bench/smoke-verdict.ts";
import type { ServerWork } from "../../../bench/statistics.ts";
import type { MeasuredRun } from "../../../bench/run-record.ts";
import { measured } from "./records.ts";

const READ = "read-unmapped-4k-qd32";

function work(enters: number, turns: number, more: { role?: string; kind?: string } = {}): ServerWork {
  const worker = { role: "export", index: 0, kind: "uring", enters, turns, sleeps: 0, submitted: enters, ...more };
  return { workers: [worker], copies: 0, copiedBytes: 0, commits: 0, exceptions: 0, metadataBytes: 0 };
}

function runs(ours: number, ourWork: ServerWork | undefined): MeasuredRun[] {
  return [0, 1, 2].flatMap((round) => [
    measured(READ, "snapring-16k", round, ours, { work: ourWork }),
    measured(READ, "qemu-raw", round, 1000),
  ]);
}

describe("the smoke bench", () => {
  it("passes at half of qemu-nbd and one enter per turn", () => {
    expect(smokeFailures(runs(500, work(1000, 1000)))).toEqual([]);
  });

  it("fails below half of qemu-nbd", () => {
    expect(smokeFailures(runs(499, work(1000, 1000)))).toEqual([`${READ}: 0.499 × qemu-nbd is less than 0.5`]);
  });

  it("fails for more than one enter per turn in an export worker on io_uring", () => {
    expect(smokeFailures(runs(900, work(1011, 1000)))).toEqual([`${READ}: export worker 0: 1011 enters in 1000 turns`]);
    expect(smokeFailures(runs(900, work(1010, 1000)))).toEqual([]);
  });

  it("asks nothing of other workers and of rings without enters", () => {
    expect(smokeFailures(runs(900, work(3000, 1000, { role: "copy" })))).toEqual([]);
    expect(smokeFailures(runs(900, work(3000, 1000, { kind: "poll" })))).toEqual([]);
  });

  it("fails where a run failed, where nothing was measured, and without counters", () => {
    const failed = {
      outcome: "failed",
      server: "snapring-16k",
      workload: READ,
      round: 0,
      why: "it fell over",
    } as const;
    expect(smokeFailures([failed])).toEqual([`snapring-16k on ${READ}: it fell over`, `${READ} was not measured`]);
    expect(smokeFailures(runs(900, undefined))).toEqual([`${READ}: the server gave no counters`]);
  });

  it("prints one line for each server on each workload, with ratios", () => {
    const lines = smokeReport(runs(1500, work(1, 1)))
      .trimEnd()
      .split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[2].split(/\s+/)).toEqual([READ, "snapring-16k", "1500", "1.50", "10.0", "1.00", "100", "900"]);
  });
});
