import { describe, expect, it } from "vitest";
import type { Place } from "../../../bench/place.ts";
import { schedule, withoutDone } from "../../../bench/schedule.ts";
import { exportsFor, needsPrefill, type ServerKind, suits, uriOf } from "../../../bench/server-kind.ts";
import { SERVERS } from "../../../bench/servers.ts";
import { workloadNamed } from "../../../bench/workloads.ts";
import { GOALS } from "../../../bench/goal.ts";

const server = (name: string): ServerKind => SERVERS.find((s) => s.name === name) as ServerKind;
const names = (workload: string): string[] => schedule(SERVERS, [workloadNamed(workload)], 1).map((t) => t.server.name);

const PLACE = { socket: "/p/s0", socketOf: (i: number) => `/p/s${i}` } as Place;

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
    const uris = (workload: string): string[] =>
      exportsFor(server("snapring-16k"), workloadNamed(workload), PLACE).map(uriOf);
    expect(uris("origin-read-4k-qd32")).toEqual(["nbd+unix:///origin?socket=/p/s0"]);
    expect(uris("cow-first-4k-qd1")).toEqual(["nbd+unix:///snap?socket=/p/s0"]);
  });

  it("drives many volumes where there are many, by an export of each", () => {
    expect(names("many-read-4k-qd8").filter((name) => !name.endsWith("-debian13"))).toEqual([
      "qsd-qcow2-x16",
      "qsd-cbw-x16",
      "qcow2-16k-x16",
      "snapring-x16",
    ]);
    expect(names("many-origin-write-cow-4k-qd8").filter((name) => !name.endsWith("-debian13"))).toEqual([
      "qsd-cbw-x16",
      "snapring-x16",
    ]);
    for (const kind of SERVERS.filter((one) => one.volumes === 16)) {
      for (const name of ["many-read-4k-qd8", "many-origin-write-cow-4k-qd8"]) {
        const workload = workloadNamed(name);
        if (!suits(kind, workload)) continue;
        const uris = exportsFor(kind, workload, PLACE).map(uriOf);
        expect(new Set(uris).size, `${kind.name} on ${name}`).toBe(16);
      }
    }
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
