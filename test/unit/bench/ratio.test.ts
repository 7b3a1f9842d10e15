import { describe, expect, it } from "vitest";
import { goalsSeen } from "../../../bench/goal.ts";
import { ratioTo, SERVER_CPU } from "../../../bench/ratio.ts";
import { summaries } from "../../../bench/summary.ts";
import { measured } from "./records.ts";

const READ = "read-unmapped-4k-qd32";

describe("ratios", () => {
  it("are taken within rounds, so that a drift of the machine cancels", () => {
    const runs = [1, 10, 2].flatMap((speed, round) => [
      measured(READ, "snapring-16k", round, 1500 * speed),
      measured(READ, "qemu-raw", round, 1000 * speed),
    ]);
    expect(ratioTo(runs, READ, "snapring-16k", ["qemu-raw"])).toEqual({ median: 1.5, min: 1.5, max: 1.5 });
  });

  it("leave out a round that only one of the two has", () => {
    const runs = [measured(READ, "a", 0, 100), measured(READ, "a", 1, 300), measured(READ, "b", 1, 100)];
    expect(ratioTo(runs, READ, "a", ["b"])?.median).toBe(3);
  });

  it("to several servers are to the best of them in that round", () => {
    const runs = [measured(READ, "a", 0, 100), measured(READ, "b", 0, 50), measured(READ, "c", 0, 200)];
    expect(ratioTo(runs, READ, "a", ["b", "c"])?.median).toBe(0.5);
  });

  it("are undefined where nothing can be compared", () => {
    expect(ratioTo([measured(READ, "a", 0, 100)], READ, "a", ["b"])).toBeUndefined();
  });

  it("may be of another figure, which a run may lack", () => {
    const runs = [
      measured(READ, "a", 0, 1, { serverCpuUs: 6 }),
      measured(READ, "b", 0, 1, { serverCpuUs: 12 }),
      measured(READ, "a", 1, 1, { serverCpuUs: undefined }),
      measured(READ, "b", 1, 1, { serverCpuUs: 12 }),
    ];
    expect(ratioTo(runs, READ, "a", ["b"], SERVER_CPU)).toEqual({ median: 0.5, min: 0.5, max: 0.5 });
  });
});

describe("summaries", () => {
  it("are one for each pair of workload and server, with medians of the rounds", () => {
    const runs = [
      measured(READ, "a", 0, 100, { p99Us: 5, limit: "disk" }),
      measured(READ, "a", 1, 300, { p99Us: 7, limit: "latency" }),
      measured(READ, "a", 2, 200, { p99Us: 1, limit: "latency" }),
      measured(READ, "b", 0, 1, { serverCpuUs: undefined }),
    ];
    const [a, b] = summaries(runs);
    expect(a).toMatchObject({ server: "a", rounds: 3, p99Us: 5, limit: "latency" });
    expect(a.iops).toEqual({ median: 200, min: 100, max: 300 });
    expect(b).toMatchObject({ server: "b", rounds: 1, serverCpuUs: undefined });
  });
});

describe("goals", () => {
  it("are those of the setting for which both sides were measured", () => {
    const runs = [measured(READ, "snapring-16k", 0, 1500), measured(READ, "qemu-raw", 0, 1000)];
    const seen = goalsSeen("direct", runs);
    expect(seen.map((s) => [s.goal.workload, s.goal.iopsMin, s.iops?.median, s.cpu?.median])).toEqual([
      [READ, 1.3, 1.5, 1],
    ]);
    expect(goalsSeen("direct", [measured(READ, "snapring-16k", 0, 1500)])).toEqual([]);
  });
});
