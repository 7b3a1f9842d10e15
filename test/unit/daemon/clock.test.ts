/** The clock of the machine is set back, while the daemon runs or between two starts: nothing is ordered by it. */
import { mkdirSync, utimesSync, writeFileSync, existsSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Journal } from "../../../src/daemon/journal.ts";
import { Pools } from "../../../src/daemon/pools.ts";
import { StateFile } from "../../../src/daemon/state-file.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
  mkdirSync(scratch.file("state"));
  vi.useFakeTimers({ toFake: ["Date"], now: new Date("2030-06-01") });
});
afterEach(async () => {
  vi.useRealTimers();
  await scratch.remove();
});

test("ids of events rise all the same, and who comes back with the last one misses none", async () => {
  const first = await Journal.open(scratch.file("state"));
  first.add({ type: "volume-open", volume: "a" });
  vi.setSystemTime(new Date("2020-01-01"));
  first.add({ type: "volume-closed", volume: "a" });
  await first.close();
  vi.setSystemTime(new Date("2010-01-01"));
  const second = await Journal.open(scratch.file("state"));
  second.add({ type: "volume-open", volume: "a" });
  await second.settled();
  expect(second.since(0).map(({ id, time }) => [id, time.slice(0, 4)])).toEqual([
    [1, "2030"],
    [2, "2020"],
    [3, "2010"],
  ]);
  expect(second.since(2).map(({ id }) => id)).toEqual([3]);
  await second.close();
});

test("what an earlier daemon had begun in a pool is taken away though it seems to be of tomorrow; what is being made is not, though it seems old", async () => {
  const pool = scratch.file("pool");
  mkdirSync(pool);
  const state = await StateFile.open(scratch.file("state"));
  const journal = await Journal.open(scratch.file("state"));
  await state.change((now) => {
    now.pools["default"] = { dir: pool, space: "reserved" };
  });
  const pools = new Pools(state, journal);
  const [left, making] = [`${pool}/.snapring-0a.part`, `${pool}/.snapring-0b.part`];
  const at = (path: string, seconds: number): void => {
    writeFileSync(path, "");
    utimesSync(path, seconds, seconds);
  };
  at(left, 4e9);
  pools.begin();
  await pools.list();
  at(making, 1e6);
  await pools.removeUnfinished("default");
  expect([existsSync(left), existsSync(making)]).toEqual([false, true]);
  await journal.close();
  await state.close();
});
