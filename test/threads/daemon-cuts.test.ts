/**
 * The daemon's verbs where something fails in the middle of them: what one has left behind is no other's, and is finished, undone or forgotten by asking again.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { DaemonState } from "../../src/daemon/state.ts";
import { StateFile } from "../../src/daemon/state-file.ts";
import { DaemonBench, MIB, removeDaemons } from "../support/daemon-bench.ts";
import { dataPattern } from "../support/data-pattern.ts";

afterEach(async () => {
  vi.useRealTimers();
  await removeDaemons();
});

const SNAPSHOT = "/v1/volumes/a/snapshots/monday";
const SPEC = { size: 2 * MIB };
const MEMBERS = { members: ["a", "b"].map((volume) => ({ volume, snapshot: "now", ...SPEC })) };

async function withVolumes(...names: readonly string[]): Promise<DaemonBench> {
  const bench = await DaemonBench.open();
  for (const name of names) await bench.addVolume(name);
  return bench;
}

/** While the daemon does not run. */
async function changeState(bench: DaemonBench, how: (state: DaemonState) => void): Promise<void> {
  const state = await StateFile.open(bench.file("state"));
  await state.change(how);
  await state.close();
}

async function dropGroup(bench: DaemonBench, name: string): Promise<void> {
  const { body } = await bench.ask<{ operations: { id: string }[] }>("DELETE", `/v1/groups/${name}`);
  for (const { id } of body.operations)
    expect((await bench.ask("GET", `/v1/operations/${id}?wait=60`)).body).toMatchObject({ state: "done" });
}

async function smallPool(bench: DaemonBench): Promise<void> {
  mkdirSync(bench.file("small"));
  await bench.ask("PUT", "/v1/pools/small", { dir: bench.file("small"), limit: 4 * MIB });
}

describe("groups", () => {
  // Drops of its members had ended "after" its creation: those of the group that had its name before.
  test("one that is made after the clock was set back stays", async () => {
    const bench = await withVolumes("a", "b");
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2030-06-01") });
    await bench.ask("PUT", "/v1/groups/g", MEMBERS);
    await dropGroup(bench, "g");
    vi.setSystemTime(new Date("2020-01-01"));
    expect((await bench.ask("PUT", "/v1/groups/g", MEMBERS)).status).toBe(201);
    await bench.restart();
    expect((await bench.ask<{ groups: object[] }>("GET", "/v1/groups")).body.groups).toHaveLength(1);
    expect((await bench.ask<{ snapshots: object[] }>("GET", "/v1/snapshots")).body.snapshots).toHaveLength(2);
    await dropGroup(bench, "g");
    expect((await bench.events()).filter(({ type }) => type === "group-dropped")).toHaveLength(2);
  });

  // Asking again was answered with "there is a snapshot already".
  test("one that was made when the state could not be written any more is finished by asking again", async () => {
    const bench = await withVolumes("a", "b");
    const { engine } = bench.daemon;
    const make = engine.createSnapshots.bind(engine);
    engine.createSnapshots = async (...args) => {
      const made = await make(...args);
      await rename(bench.file("state"), bench.file("away"));
      return made;
    };
    expect((await bench.ask("PUT", "/v1/groups/g", MEMBERS)).body).toMatchObject({ code: "state-unwritable" });
    engine.createSnapshots = make;
    await rename(bench.file("away"), bench.file("state"));
    expect((await bench.ask("PUT", "/v1/groups/g", MEMBERS)).status).toBe(200);
    expect((await bench.state())["creations"]).toEqual([]);
    expect((await bench.ask("GET", "/v1/volumes/b/snapshots/now")).body).toMatchObject({ group: "g", pool: "default" });
    expect((await bench.events()).filter(({ type }) => type === "group-created")).toHaveLength(1);
  });

  test("one that names a volume that is not there any more keeps no other from being settled", async () => {
    const bench = await withVolumes("a", "b");
    await bench.ask("PUT", "/v1/groups/g", MEMBERS);
    await bench.stop();
    await changeState(bench, (now) => {
      const { g } = now.groups;
      now.groups = {
        f: { created: g!.created, members: [{ volume: "gone", snapshot: "x" }] },
        g: { ...g!, dropping: true },
      };
    });
    await bench.start();
    await expect.poll(async () => (await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
    await expect.poll(() => readdirSync(bench.file("pool"))).toEqual([]);
  });
});

describe("snapshots", () => {
  // The next one of the name was given the policy, and the size, that the failed one had been asked with.
  test("what is left of a creation that failed is not the policy of the one that has its name", async () => {
    const bench = await withVolumes("a");
    await bench.ask("PUT", SNAPSHOT, SPEC);
    await bench.stop();
    await changeState(bench, (now) => {
      const spec = { size: MIB, pool: "default", whenFull: "stall" as const };
      const members = [{ volume: "a", snapshot: "monday", spec, file: bench.file("pool/a@monday.00000000.cow") }];
      now.creations.push({ id: "new-71", begun: new Date().toISOString(), members });
    });
    await bench.start();
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ whenFull: "invalidate", state: "active" });
    expect((await bench.ask("PUT", SNAPSHOT, SPEC)).status).toBe(200);
    expect((await bench.state())["creations"]).toEqual([]);
  });

  // It was gone, its drop had failed behind that, and dropping it again was "nothing": its pool was never to be removed.
  test("one whose file could not be removed is forgotten by dropping it again, and so is one in memory after a restart", async () => {
    const bench = await withVolumes("a");
    await bench.ask("PUT", SNAPSHOT, SPEC);
    const { pools } = bench.daemon;
    const remove = pools.removeFile.bind(pools);
    pools.removeFile = () => Promise.reject(Object.assign(new Error("EIO: no"), { code: "EIO" }));
    expect(await bench.operate("DELETE", SNAPSHOT)).toMatchObject({ state: "failed" });
    pools.removeFile = remove;
    expect(await bench.operate("DELETE", SNAPSHOT)).toMatchObject({ state: "done" });
    expect((await bench.ask("DELETE", SNAPSHOT)).status).toBe(204);
    expect(readdirSync(bench.file("pool"))).toEqual([]);
    await bench.ask("PUT", SNAPSHOT, { ...SPEC, store: "N", chunkSize: 4096 });
    await bench.restart();
    expect((await bench.ask("GET", SNAPSHOT)).status).toBe(404);
    if ((await bench.ask("DELETE", SNAPSHOT)).status === 202)
      await expect.poll(async () => (await bench.ask("DELETE", SNAPSHOT)).status).toBe(204);
    expect((await bench.ask("DELETE", "/v1/pools/default")).status).toBe(204);
  });

  test("a volume is not removed while one is being made of it, and can be afterwards", async () => {
    const bench = await withVolumes("a");
    const { volume } = bench.daemon.volumes.get("a");
    const make = volume.createSnapshot.bind(volume);
    let refused: unknown;
    volume.createSnapshot = async (...args) => {
      refused = (await bench.ask("DELETE", "/v1/volumes/a")).body;
      return await make(...args);
    };
    expect((await bench.ask("PUT", SNAPSHOT, SPEC)).status).toBe(201);
    expect(refused).toMatchObject({ code: "busy", detail: expect.stringMatching(/being made/) });
    expect((await bench.ask("DELETE", "/v1/volumes/a")).status).toBe(204);
  });
});

describe("pools", () => {
  // Each was measured before any of the others had its file.
  test("those that are made at the same time, alone or as a group, have no more than their pool together", async () => {
    const bench = await withVolumes("a", "b", "c");
    await smallPool(bench);
    const spec = { ...SPEC, pool: "small" };
    const group = { members: ["a", "b", "c"].map((volume) => ({ volume, snapshot: "now", ...spec })) };
    expect((await bench.ask("PUT", "/v1/groups/g", group)).body).toMatchObject({ code: "no-room" });
    const made = await Promise.all(
      ["1", "2", "3", "4"].map((name) => bench.ask("PUT", `/v1/volumes/a/snapshots/${name}`, spec)),
    );
    expect(made.map(({ status }) => status).sort()).toEqual([201, 201, 507, 507]);
    expect(readdirSync(bench.file("small"))).toHaveLength(2);
  });

  // The bound was smaller than what is added each time: refused as if the user had asked for it, or passed over, and the old bound stayed.
  test("one that adds more than is left grows by what is left, and by nothing where nothing is", async () => {
    const bench = await withVolumes("a");
    await smallPool(bench);
    const spec = { size: 2 * MIB, pool: "small", grow: { by: 8 * MIB, at: 50 }, whenFull: "overflow" };
    expect((await bench.ask("PUT", SNAPSHOT, spec)).status).toBe(201);
    const other = { size: 2 * MIB, pool: "small" };
    expect((await bench.ask("PUT", "/v1/volumes/a/snapshots/other", other)).status).toBe(201);
    // Applied behind the event.
    await new Promise((resolve) => setImmediate(resolve));
    await bench.restart();
    const snapshot = await bench.connect("a@monday");
    const writes = Array.from({ length: 48 }, (_, i) =>
      snapshot.write(65_536 * i, dataPattern(65_536, i)).catch((error: Error) => error),
    );
    expect((await Promise.all(writes)).some((answer) => answer instanceof Error)).toBe(true);
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "overflow", sizeBytes: 2 * MIB });
  });
});

describe("a volume that is added again", () => {
  // A snapshot that was read-only could be written, none grew, and their files stayed behind their drops.
  test("has its snapshots treated as they were, whatever its name is", async () => {
    const bench = await withVolumes("a");
    const grow = { by: MIB, at: 50 };
    await bench.ask("PUT", SNAPSHOT, { ...SPEC, grow, readOnly: true });
    await bench.ask("DELETE", "/v1/volumes/a");
    await bench.restart();
    expect((await bench.ask("PUT", "/v1/volumes/b", { origin: bench.file("a") })).status).toBe(201);
    const path = "/v1/volumes/b/snapshots/monday";
    expect((await bench.ask("GET", path)).body).toMatchObject({ readOnly: true, grow, pool: "default" });
    await expect((await bench.connect("b@monday")).write(0, dataPattern(512, 1))).rejects.toThrow();
    expect((await bench.state())["removed"]).toEqual([]);
    await bench.operate("DELETE", path);
    expect(readdirSync(bench.file("pool"))).toEqual([]);
  });

  test("to a daemon that has lost its state has its files in their pool", async () => {
    const bench = await withVolumes("a");
    await bench.ask("PUT", SNAPSHOT, SPEC);
    await bench.stop();
    await rm(bench.file("state"), { recursive: true });
    await bench.start();
    await bench.ask("PUT", "/v1/pools/default", { dir: bench.file("pool") });
    await bench.addVolume("a");
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ pool: "default", state: "active" });
    await bench.operate("DELETE", SNAPSHOT);
    expect(readdirSync(bench.file("pool"))).toEqual([]);
  });

  // It was the answer that it was there, and then it was gone.
  test("while it is being removed is added when that is over", async () => {
    const bench = await withVolumes("a");
    const [removed, added] = await Promise.all([
      bench.ask("DELETE", "/v1/volumes/a"),
      bench.ask("PUT", "/v1/volumes/a", { origin: bench.file("a") }),
    ]);
    expect([removed.status, added.status]).toEqual([204, 201]);
    expect((await bench.ask("GET", "/v1/volumes/a")).body).toMatchObject({ state: "open" });
  });
});

test("a volume whose disk is gone for good leaves its groups and operations behind, where that is asked for; the others go on", async () => {
  const bench = await withVolumes("a", "b");
  const members = ["a", "b"].map((volume) => ({ volume, snapshot: "monday", size: 2 * MIB }));
  expect((await bench.ask("PUT", "/v1/groups/monday", { members })).status).toBe(201);
  expect(await bench.ask("DELETE", "/v1/volumes/a?force=true")).toMatchObject({
    status: 422,
    body: { code: "refused" },
  });
  await bench.stop();
  await rm(bench.file("a"));
  await changeState(bench, (now) => {
    const one = { kind: "grow", volume: "a", snapshot: "monday", state: "running", params: {} } as const;
    now.operations.push({ id: "op-77", created: new Date().toISOString(), ...one });
  });
  await bench.start();
  expect((await bench.ask("DELETE", "/v1/volumes/a")).body).toMatchObject({ code: "in-group" });
  expect((await bench.ask("DELETE", "/v1/volumes/a?force=true")).status).toBe(204);
  expect((await bench.ask("GET", "/v1/volumes")).body).toMatchObject({ volumes: [{ name: "b" }] });
  expect((await bench.ask("GET", "/v1/operations/op-77")).body).toMatchObject({ state: "cancelled" });
  expect((await bench.ask("GET", "/v1/groups/monday")).body).toMatchObject({
    members: [{ volume: "b", snapshot: "monday" }],
  });
  expect((await bench.ask("DELETE", "/v1/groups/monday")).status).toBe(202);
  await expect.poll(async () => (await bench.ask("GET", "/v1/volumes/b/snapshots")).body).toEqual({ snapshots: [] });
  await bench.restart();
  expect((await bench.ask("GET", "/v1/volumes")).body).toMatchObject({ volumes: [{ name: "b", state: "open" }] });
});
