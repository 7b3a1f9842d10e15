import { describe, expect, it } from "vitest";
import { PEERS } from "../../../bench/peers.ts";
import { schedule, withoutDone } from "../../../bench/schedule.ts";
import { exportFor, needsPrefill, type ServerKind } from "../../../bench/server-kind.ts";
import { SNAPRING_KINDS } from "../../../bench/snapring-kinds.ts";
import { workloadNamed } from "../../../bench/workloads.ts";
import { GOALS } from "../../../bench/goal.ts";

const ALL = [...PEERS, ...SNAPRING_KINDS];
const server = (name: string): ServerKind => ALL.find((s) => s.name === name) as ServerKind;
const names = (workload: string): string[] => schedule(ALL, [workloadNamed(workload)], 1).map((t) => t.server.name);

describe("the schedule", () => {
  const three = ["qemu-raw", "qcow2-16k", "snapring-16k"].map(server);

  it("runs all servers side by side in each round, each beginning once", () => {
    const turns = schedule(three, [workloadNamed("read-unmapped-4k-qd1")], 3);
    expect(turns.map((t) => `${t.round}${t.server.name}`)).toEqual([
      ...["0qemu-raw", "0qcow2-16k", "0snapring-16k"],
      ...["1qcow2-16k", "1snapring-16k", "1qemu-raw"],
      ...["2snapring-16k", "2qemu-raw", "2qcow2-16k"],
    ]);
  });

  it("goes on where a bench was interrupted", () => {
    const turns = schedule(three, [workloadNamed("read-unmapped-4k-qd1")], 2);
    const done = turns.slice(0, 4).map((t) => ({ server: t.server.name, workload: t.workload.name, round: t.round }));
    expect(withoutDone(turns, done)).toEqual(turns.slice(4));
  });

  it("drives the origin's export only where it is served beside a snapshot", () => {
    expect(names("origin-write-cow-4k-qd32")).toEqual([
      "qsd-cbw",
      "qsd-cbw-debian13",
      "snapring-16k",
      "snapring-4k",
      "snapring-16k-sparse",
      "snapring-16k-written",
      "snapring-16k-x8",
      "snapring-16k-written-x8",
    ]);
    expect(exportFor(server("snapring-16k"), workloadNamed("origin-read-4k-qd32"))).toBe("origin");
    expect(exportFor(server("snapring-16k"), workloadNamed("cow-first-4k-qd1"))).toBe("snap");
  });

  it("writes to no read-only snapshot, neither measured nor beforehand", () => {
    expect(names("cow-first-4k-qd32")).not.toContain("qsd-cbw");
    expect(names("read-mapped-4k-qd32")).not.toContain("qsd-cbw");
    expect(names("read-unmapped-4k-qd32")).toContain("qsd-cbw");
  });

  it("fills a region beforehand only where a snapshot can hold it", () => {
    const workload = workloadNamed("write-mapped-4k-qd32");
    expect(needsPrefill(server("qemu-raw"), workload)).toBe(false);
    expect(needsPrefill(server("qcow2-16k"), workload)).toBe(true);
    expect(needsPrefill(server("snapring-4k"), workload)).toBe(true);
  });

  it("has every pair that a goal compares", () => {
    for (const goal of GOALS) {
      const able = names(goal.workload);
      const wanted = [goal.server, ...goal.baselines, ...(goal.cpuBaseline === undefined ? [] : [goal.cpuBaseline])];
      for (const name of wanted) {
        expect(able, `${name} on ${goal.workload}`).toContain(name);
        expect(server(name).settings).toContain(goal.setting);
      }
    }
  });
});
