/**
 * The daemon's verbs as its clients see them: each may be said twice, cut in the middle and said again, and what is refused is refused in words.
 */
import { mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { rename, rm, utimes, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { StateFile } from "../../src/daemon/state-file.ts";
import { DaemonBench, MIB, ORIGIN_BYTES, removeDaemons } from "../support/daemon-bench.ts";
import { dataPattern } from "../support/data-pattern.ts";
import type { NbdClient } from "../support/nbd-client.ts";

afterEach(removeDaemons);

const SNAPSHOT = "/v1/volumes/a/snapshots/monday";
const SPEC = { size: 2 * MIB };

async function withVolume(...names: readonly string[]): Promise<DaemonBench> {
  const bench = await DaemonBench.open();
  for (const name of names.length === 0 ? ["a"] : names) await bench.addVolume(name);
  return bench;
}

describe("volumes", () => {
  test("one that is added is served, and again after a restart; the same again is the same, another is refused", async () => {
    const bench = await withVolume();
    const origin = bench.file("a");
    expect((await bench.ask("PUT", "/v1/volumes/a", { origin })).status).toBe(200);
    expect(await bench.ask("PUT", "/v1/volumes/a", { origin, readOnly: true })).toMatchObject({
      status: 409,
      body: { code: "differs", retry: "never" },
    });
    await (await bench.connect("a")).write(0, dataPattern(8192, 99));
    await bench.restart();
    const client = await bench.connect("a");
    expect((await client.read(0, 8192)).equals(dataPattern(8192, 99))).toBe(true);
    expect((await bench.ask("GET", "/v1/volumes/a")).body).toMatchObject({
      name: "a",
      state: "open",
      sizeBytes: ORIGIN_BYTES,
      snapshots: 0,
    });
  });

  test("one that cannot be opened is not added, and says why", async () => {
    const bench = await DaemonBench.open();
    const answer = await bench.ask("PUT", "/v1/volumes/a", { origin: bench.file("none") });
    expect(answer).toMatchObject({ status: 404, body: { code: "not-found", retry: "after-fix" } });
    expect(answer.body).toMatchObject({ cause: { code: "ENOENT" } });
    expect((await bench.ask("GET", "/v1/volumes")).body).toEqual({ volumes: [] });
    expect((await bench.ask("PUT", "/v1/volumes/a", { origin: "relative" })).body).toMatchObject({
      code: "bad-request",
    });
    expect((await bench.ask("PUT", "/v1/volumes/a%40b", { origin: "/x" })).body).toMatchObject({ code: "bad-request" });
    expect((await bench.ask("PUT", "/v1/volumes/__proto__", { origin: "/x" })).body).toMatchObject({
      code: "bad-request",
    });
    expect((await bench.ask("GET", "/v1/volumes/constructor")).status).toBe(404);
  });

  test("two at a time under one name are one", async () => {
    const bench = await DaemonBench.open();
    const origin = bench.file("a");
    await writeFile(origin, bench.before("a"));
    const statuses = await Promise.all([1, 2, 3].map(() => bench.ask("PUT", "/v1/volumes/a", { origin })));
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
  });

  test("one that cannot be opened at the start is failed with its reason, the others are served, and it is opened when it can be", async () => {
    const bench = await withVolume("a", "b");
    await bench.stop();
    await rename(bench.file("a"), bench.file("away"));
    await bench.start();
    const { body } = await bench.ask<{ problem: object }>("GET", "/v1/volumes/a");
    expect(body).toMatchObject({ state: "failed", problem: { code: "not-found" } });
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ code: "not-open", status: 409 });
    expect((await (await bench.connect("b")).read(0, 512)).length).toBe(512);
    expect((await bench.ask("POST", "/v1/volumes/a/open")).body).toMatchObject({ code: "not-found" });
    await rename(bench.file("away"), bench.file("a"));
    expect((await bench.ask("POST", "/v1/volumes/a/open")).body).toMatchObject({ state: "open" });
    expect((await bench.ask("POST", "/v1/volumes/a/open")).status).toBe(200);
    const types = (await bench.events()).filter(({ volume }) => volume === "a").map(({ type }) => type);
    expect(types.slice(-2)).toEqual(["volume-opening", "volume-open"]);
    expect(types).toContain("volume-failed");
  });

  test("one whose snapshot is gone opens without it when it is told so", async () => {
    const bench = await withVolume();
    const { body } = await bench.ask<{ cow: string }>("PUT", SNAPSHOT, SPEC);
    await bench.stop();
    await rm(body.cow);
    await bench.start();
    expect((await bench.ask("GET", "/v1/volumes/a")).body).toMatchObject({ state: "failed" });
    const open = await bench.ask("POST", "/v1/volumes/a/open", { invalidateMissing: true });
    expect(open.body).toMatchObject({ state: "open", snapshots: 0 });
  });

  test("one that is removed is served no more; its snapshots are there when it is added again", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    expect((await bench.ask("DELETE", "/v1/volumes/a")).status).toBe(204);
    expect((await bench.ask("DELETE", "/v1/volumes/a")).status).toBe(204);
    await expect(bench.connect("a")).rejects.toThrow();
    await bench.addVolume("a");
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
  });
});

test("one that cannot be forgotten, for the state's disk is full, is served on; nothing of what failed is left in the state's folder", async () => {
  const bench = await withVolume();
  const [path, away] = [bench.file("state"), bench.file("away")];
  await rename(path, away);
  expect((await bench.ask("DELETE", "/v1/volumes/a")).body).toMatchObject({ code: "state-unwritable" });
  expect((await (await bench.connect("a")).read(0, 512)).length).toBe(512);
  await rename(away, path);
  expect((await bench.ask("DELETE", "/v1/volumes/a")).status).toBe(204);
});

test("an origin that another volume has is refused by that one's name, and nobody hears of a volume that was not added", async () => {
  const bench = await withVolume();
  symlinkSync(bench.file("a"), bench.file("link"));
  for (const origin of ["a", "link"]) {
    const { body } = await bench.ask("PUT", "/v1/volumes/b", { origin: bench.file(origin) });
    expect(body).toMatchObject({ code: "busy", detail: expect.stringMatching(/^volume 'a' has /) });
  }
  await bench.ask("PUT", "/v1/volumes/c", { origin: bench.file("none") });
  expect((await bench.events()).filter(({ volume }) => volume !== undefined && volume !== "a")).toEqual([]);
  expect((await bench.events()).map(({ type }) => type)).toEqual([
    "daemon-started",
    "pool-created",
    "volume-added",
    "volume-open",
  ]);
});

describe("snapshots", () => {
  test("one that is made reads as the volume did, is the same when it is asked for again, and is there after a restart", async () => {
    const bench = await withVolume();
    const made = await bench.ask<{ pauseUs: number; cow: string }>("PUT", SNAPSHOT, SPEC);
    expect(made).toMatchObject({
      status: 201,
      body: { volume: "a", name: "monday", state: "active", export: "a@monday", pool: "default" },
    });
    expect(made.body.pauseUs).toBeGreaterThanOrEqual(0);
    await (await bench.connect("a")).write(0, Buffer.alloc(MIB));
    const again = await bench.ask<{ cow: string }>("PUT", SNAPSHOT, SPEC);
    expect([again.status, again.body.cow]).toEqual([200, made.body.cow]);
    expect(await bench.ask("PUT", SNAPSHOT, { size: 4 * MIB })).toMatchObject({
      status: 409,
      body: { code: "differs" },
    });
    await bench.restart();
    const snapshot = await bench.connect("a@monday");
    expect((await snapshot.read(0, ORIGIN_BYTES)).equals(bench.before("a"))).toBe(true);
    expect(readdirSync(bench.file("pool"))).toHaveLength(1);
    expect((await bench.events()).filter(({ type }) => type === "snapshot-created")).toHaveLength(1);
  });

  test("several requests for one at a time are one snapshot", async () => {
    const bench = await withVolume();
    const answers = await Promise.all([1, 2, 3, 4].map(() => bench.ask("PUT", SNAPSHOT, SPEC)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
    expect(readdirSync(bench.file("pool"))).toHaveLength(1);
  });

  test("a dry run says what would happen, and nothing happens", async () => {
    const bench = await withVolume();
    const dry = await bench.ask("PUT", `${SNAPSHOT}?dryRun=true`, SPEC);
    expect(dry).toMatchObject({ status: 200, body: { dryRun: true, neededBytes: 2 * MIB } });
    expect(readdirSync(bench.file("pool"))).toEqual([]);
    expect((await bench.ask("GET", SNAPSHOT)).status).toBe(404);
    await bench.ask("PUT", SNAPSHOT, SPEC);
    expect((await bench.ask("DELETE", `${SNAPSHOT}?dryRun=true`)).body).toMatchObject({
      dryRun: true,
      freedBytes: 2 * MIB,
    });
    expect((await bench.ask("GET", SNAPSHOT)).status).toBe(200);
  });

  test("one that needs more than its pool has is refused before anything is made", async () => {
    const bench = await withVolume();
    const answer = await bench.ask("PUT", SNAPSHOT, { size: 65 * MIB });
    expect(answer).toMatchObject({ status: 507, body: { code: "no-room", retry: "after-fix" } });
    expect(await bench.ask("PUT", SNAPSHOT, {})).toMatchObject({ status: 400, body: { code: "bad-request" } });
    expect(await bench.ask("PUT", SNAPSHOT, { size: MIB, pool: "none" })).toMatchObject({
      body: { code: "not-found" },
    });
    expect(await bench.ask("PUT", SNAPSHOT, { size: MIB, device: "/x", pool: "default" })).toMatchObject({
      status: 400,
    });
    expect((await bench.state())["creations"]).toEqual([]);
    expect(readdirSync(bench.file("pool"))).toEqual([]);
  });

  test("one that is dropped takes its file along, and dropping it again is nothing", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    const client = await bench.connect("a@monday");
    expect(await bench.operate("DELETE", SNAPSHOT)).toMatchObject({ kind: "drop", state: "done" });
    await expect(client.read(0, 512)).rejects.toThrow();
    expect((await bench.ask("DELETE", SNAPSHOT)).status).toBe(204);
    expect(readdirSync(bench.file("pool"))).toEqual([]);
    expect((await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
    expect((await bench.events()).filter(({ type }) => type === "snapshot-dropped")).toHaveLength(1);
    expect((await bench.ask("PUT", SNAPSHOT, { size: 4 * MIB })).status).toBe(201);
  });

  test("one that is read-only refuses its clients' writes, and is so after a restart", async () => {
    const bench = await withVolume();
    const made = await bench.ask("PUT", SNAPSHOT, { ...SPEC, readOnly: true });
    expect(made.body).toMatchObject({ readOnly: true });
    await bench.restart();
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ readOnly: true });
    const client = await bench.connect("a@monday");
    await expect(client.write(0, dataPattern(512, 1))).rejects.toThrow();
    expect((await client.read(0, 4096)).equals(bench.before("a").subarray(0, 4096))).toBe(true);
    expect((await bench.ask("PUT", SNAPSHOT, { ...SPEC, readOnly: false })).body).toMatchObject({ code: "differs" });
  });

  test("one on a device of its own leaves it there, and a pool's folder has nothing of it", async () => {
    const bench = await withVolume();
    const device = bench.file("own.cow");
    expect((await bench.ask("PUT", SNAPSHOT, { device, size: MIB })).body).toMatchObject({ cow: device });
    await bench.operate("DELETE", SNAPSHOT);
    expect(readdirSync(bench.file("."))).toContain("own.cow");
  });

  test("a creation that the daemon's end has cut is finished, or undone with its file, and which is told", async () => {
    const bench = await withVolume();
    const { body } = await bench.ask<{ cow: string }>("PUT", SNAPSHOT, SPEC);
    const file = bench.file("pool/a@tuesday.0.cow");
    await bench.stop();
    const state = await StateFile.open(bench.file("state"));
    await state.change((now) => {
      delete now.snapshots["a"];
      const spec = { ...SPEC, pool: "default" };
      const begun = new Date().toISOString();
      now.creations.push({ id: "new-71", begun, members: [{ volume: "a", snapshot: "monday", spec, file: body.cow }] });
      now.creations.push({ id: "new-72", begun, members: [{ volume: "a", snapshot: "tuesday", spec, file }] });
    });
    await state.close();
    await writeFile(file, "");
    // The file had not got its name yet, and another one is just being made by somebody else.
    for (const name of [".snapring-0a.part", ".snapring-0b.part", ".snapring-own"])
      await writeFile(bench.file(`pool/${name}`), "");
    await utimes(bench.file("pool/.snapring-0a.part"), 1, 1);
    await bench.start();
    expect(readdirSync(bench.file("pool")).filter((name) => name.startsWith(".snap"))).toEqual([
      ".snapring-0b.part",
      ".snapring-own",
    ]);
    for (const name of [".snapring-0b.part", ".snapring-own"]) await rm(bench.file(`pool/${name}`));
    expect((await bench.state())["creations"]).toEqual([]);
    expect(readdirSync(bench.file("pool"))).toHaveLength(1);
    expect((await bench.ask("PUT", SNAPSHOT, SPEC)).status).toBe(200);
    const ends = (await bench.events()).filter(({ data }) => /^new-7/.test(String(data?.["creation"])));
    expect(ends.map(({ type, snapshot }) => `${type} ${snapshot}`)).toEqual([
      "snapshot-created monday",
      "snapshot-creation-undone tuesday",
    ]);
    await bench.restart();
    expect((await bench.events()).filter(({ data }) => data?.["creation"] === "new-71")).toHaveLength(1);
  });

  // A life with kills: a snapshot that was to stall failed writes and was lost when it was full, for it had been opened with the default, which nobody changed before the next start.
  test("one whose creation was cut is treated from the first moment as it was asked for (E-48, S-80)", async () => {
    const bench = await withVolume();
    const spec = { ...SPEC, store: "PO", whenFull: "stall" };
    const { body } = await bench.ask<{ cow: string }>("PUT", SNAPSHOT, spec);
    await bench.stop();
    const state = await StateFile.open(bench.file("state"));
    await state.change((now) => {
      const known = now.snapshots["a"]?.["monday"];
      if (known === undefined) throw new Error("it was not written down");
      delete now.snapshots["a"];
      const members = [{ volume: "a", snapshot: "monday", spec: known, file: body.cow }];
      now.creations.push({ id: "new-71", begun: new Date().toISOString(), members });
    });
    await state.close();
    await bench.start();
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ store: "PO", whenFull: "stall" });
    const client = await bench.connect("a@monday");
    const written = client.write(0, dataPattern(ORIGIN_BYTES, 5));
    await Promise.race([
      written,
      expect.poll(async () => (await bench.events()).map(({ data }) => data?.["event"])).toContain("stalled"),
    ]);
    await bench.operate("POST", `${SNAPSHOT}/grow`, { size: 2 * ORIGIN_BYTES });
    await written;
    expect((await client.read(0, ORIGIN_BYTES)).equals(dataPattern(ORIGIN_BYTES, 5))).toBe(true);
  });

  test("a state that cannot be written keeps a snapshot from being made, and nothing of it is left", async () => {
    const bench = await withVolume();
    await rename(bench.file("state"), bench.file("away"));
    expect(await bench.ask("PUT", SNAPSHOT, SPEC)).toMatchObject({ status: 507, body: { code: "state-unwritable" } });
    await rename(bench.file("away"), bench.file("state"));
    expect(readdirSync(bench.file("pool"))).toEqual([]);
    expect((await bench.ask("PUT", SNAPSHOT, SPEC)).status).toBe(201);
  });

  test("one that was made when the state could not be written any more is finished by asking again", async () => {
    const bench = await withVolume();
    const { journal } = bench.daemon;
    const settled = journal.settled.bind(journal);
    // The last step but one: the snapshot is there, and what is to be remembered of it is not.
    journal.settled = async () => {
      await settled();
      await rename(bench.file("state"), bench.file("away"));
    };
    expect((await bench.ask("PUT", SNAPSHOT, SPEC)).body).toMatchObject({ code: "state-unwritable" });
    journal.settled = settled;
    await rename(bench.file("away"), bench.file("state"));
    expect((await bench.ask("PUT", SNAPSHOT, SPEC)).status).toBe(200);
    expect((await bench.state())["creations"]).toEqual([]);
    expect((await bench.events()).filter(({ type }) => type === "snapshot-created")).toHaveLength(1);
  });

  test("those that grow by themselves stay within what their pool may have together", async () => {
    const bench = await withVolume();
    mkdirSync(bench.file("small"));
    await bench.ask("PUT", "/v1/pools/small", { dir: bench.file("small"), limit: 4 * MIB });
    const spec = { size: 2 * MIB, pool: "small", grow: { by: MIB, at: 50 }, whenFull: "overflow" };
    expect((await bench.ask("PUT", SNAPSHOT, spec)).status).toBe(201);
    const snapshot = await bench.connect("a@monday");
    const writes = Array.from({ length: 64 }, (_, i) =>
      snapshot.write(65_536 * i, dataPattern(65_536, i)).catch((error: Error) => error),
    );
    const failed = (await Promise.all(writes)).filter((answer) => answer instanceof Error);
    expect(failed.length).toBeGreaterThan(0);
    expect((await bench.ask<{ sizeBytes: number }>("GET", SNAPSHOT)).body.sizeBytes).toBeLessThanOrEqual(5 * MIB);
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "overflow" });
  });

  test("one grows to the size that is asked for, within its pool", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    expect(await bench.ask("POST", `${SNAPSHOT}/grow`, { size: 80 * MIB })).toMatchObject({ status: 507 });
    expect(await bench.ask("POST", `${SNAPSHOT}/grow`, { size: MIB })).toMatchObject({
      status: 422,
      body: { code: "refused" },
    });
    expect((await bench.ask("POST", `${SNAPSHOT}/grow?dryRun=true`, { size: 3 * MIB })).body).toMatchObject({
      neededBytes: MIB,
    });
    expect(await bench.operate("POST", `${SNAPSHOT}/grow`, { size: 3 * MIB })).toMatchObject({
      state: "done",
      result: { sizeBytes: 3 * MIB },
    });
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ sizeBytes: 3 * MIB });
  });

  test("its policy is changed while it is open, and stands after a restart", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    const grow = { by: MIB, at: 50, max: 8 * MIB };
    expect((await bench.ask("PATCH", SNAPSHOT, { grow, whenFull: "stall", stallSeconds: 30 })).body).toMatchObject({
      grow,
      whenFull: "stall",
    });
    await bench.restart();
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ grow, whenFull: "stall", stallSeconds: 30 });
    await (await bench.connect("a")).write(0, Buffer.alloc(3 * MIB));
    await expect
      .poll(async () => (await bench.ask<{ sizeBytes: number }>("GET", SNAPSHOT)).body.sizeBytes)
      .toBeGreaterThan(2 * MIB);
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
    expect((await bench.ask<object>("PATCH", SNAPSHOT, { grow: null })).body).not.toHaveProperty("grow");
    expect((await bench.ask("PATCH", SNAPSHOT, {})).status).toBe(400);
  });

  // The opening refused what PATCH had taken, and the volume was failed for good.
  test("a policy that follows another leaves nothing that keeps the volume from being opened again", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    await bench.ask("PUT", "/v1/volumes/a/snapshots/po", { ...SPEC, store: "PO" });
    await bench.ask("PATCH", SNAPSHOT, { whenFull: "stall", stallSeconds: 60 });
    const { body } = await bench.ask<object>("PATCH", SNAPSHOT, { whenFull: "invalidate" });
    expect(body).not.toHaveProperty("stallSeconds");
    for (const [name, policy] of [
      ["monday", { stallSeconds: 30 }],
      ["po", { whenFull: "invalidate" }],
    ] as const)
      expect(await bench.ask("PATCH", `/v1/volumes/a/snapshots/${name}`, policy)).toMatchObject({
        body: { code: "bad-request" },
      });
    await bench.restart();
    expect((await bench.ask("GET", "/v1/volumes/a")).body).toMatchObject({ state: "open", snapshots: 2 });
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ whenFull: "invalidate" });
  });
});

describe("groups", () => {
  const MEMBERS = { members: ["a", "b"].map((volume) => ({ volume, snapshot: "now", ...SPEC })) };

  test("one is made whole, is the same when it is asked for again, and is dropped whole; no member goes alone", async () => {
    const bench = await withVolume("a", "b");
    const made = await bench.ask<{ pauseUs: number }>("PUT", "/v1/groups/g", MEMBERS);
    expect(made).toMatchObject({ status: 201, body: { name: "g" } });
    expect((await bench.ask("PUT", "/v1/groups/g", MEMBERS)).status).toBe(200);
    expect(await bench.ask("PUT", "/v1/groups/g", { members: MEMBERS.members.slice(1) })).toMatchObject({
      status: 409,
    });
    expect(await bench.ask("DELETE", "/v1/volumes/a/snapshots/now")).toMatchObject({
      status: 409,
      body: { code: "in-group" },
    });
    expect(await bench.ask("DELETE", "/v1/volumes/a")).toMatchObject({ body: { code: "in-group" } });
    await bench.restart();
    expect((await bench.ask<{ groups: object[] }>("GET", "/v1/groups")).body.groups).toHaveLength(1);
    const { body } = await bench.ask<{ operations: { id: string }[] }>("DELETE", "/v1/groups/g");
    for (const { id } of body.operations)
      expect((await bench.ask("GET", `/v1/operations/${id}?wait=60`)).body).toMatchObject({ state: "done" });
    expect((await bench.ask("DELETE", "/v1/groups/g")).status).toBe(204);
    expect(readdirSync(bench.file("pool"))).toEqual([]);
  });

  test("where one member cannot be made none is, and nothing is left", async () => {
    const bench = await withVolume("a", "b");
    await bench.ask("PUT", "/v1/volumes/b/snapshots/now", SPEC);
    expect(await bench.ask("PUT", "/v1/groups/g", MEMBERS)).toMatchObject({ status: 409 });
    const wrong = { members: [MEMBERS.members[0], { volume: "b", snapshot: "x", size: MIB, chunkSize: 5000 }] };
    expect((await bench.ask("PUT", "/v1/groups/g", wrong)).status).toBe(400);
    expect((await bench.ask("GET", "/v1/volumes/a/snapshots")).body).toEqual({ snapshots: [] });
    expect((await bench.ask("GET", "/v1/groups")).body).toEqual({ groups: [] });
    expect(readdirSync(bench.file("pool"))).toHaveLength(1);
    expect((await bench.state())["creations"]).toEqual([]);
  });

  test("one that the daemon's end has left half made is undone when its volumes are open", async () => {
    const bench = await withVolume("a", "b");
    const { body } = await bench.ask<{ cow: string }>("PUT", "/v1/volumes/a/snapshots/now", SPEC);
    await bench.stop();
    const state = await StateFile.open(bench.file("state"));
    await state.change((now) => {
      delete now.snapshots["a"];
      const spec = { ...SPEC, pool: "default" };
      const members = [
        { volume: "a", snapshot: "now", spec, file: body.cow },
        { volume: "b", snapshot: "now", spec, file: bench.file("pool/b@now.0.cow") },
      ];
      now.creations.push({ id: "new-70", group: "g", begun: new Date().toISOString(), members });
    });
    await state.close();
    await bench.start();
    expect((await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
    expect((await bench.ask("GET", "/v1/groups")).body).toEqual({ groups: [] });
    expect(readdirSync(bench.file("pool"))).toEqual([]);
    expect((await bench.events()).filter(({ type }) => type === "snapshot-creation-undone")).toHaveLength(2);
  });

  // The order had come to its first member, and whoever asked again was told of that one's drop a second time; who did not ask again had half a group.
  test("one whose drop the daemon's end has cut is dropped whole at the next start, and told of once", async () => {
    const bench = await withVolume("a", "b");
    await bench.ask("PUT", "/v1/groups/g", MEMBERS);
    const { groups } = (await bench.state()) as { groups: Record<string, { created: string; members: [] }> };
    const { body: kept } = await bench.ask("GET", "/v1/volumes/b/snapshots/now");
    const { body } = await bench.ask<{ operations: { id: string }[] }>("DELETE", "/v1/groups/g");
    for (const { id } of body.operations) await bench.ask("GET", `/v1/operations/${id}?wait=60`);
    expect(kept).toMatchObject({ group: "g" });
    await bench.ask("PUT", "/v1/volumes/b/snapshots/now", SPEC);
    await bench.stop();
    const state = await StateFile.open(bench.file("state"));
    await state.change((now) => {
      Object.assign(now.groups, { g: { ...groups["g"], dropping: true } });
      now.operations = now.operations.filter(({ volume }) => volume === "a");
    });
    await state.close();
    await bench.start();
    await expect.poll(async () => (await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
    expect((await bench.ask("GET", "/v1/groups")).body).toEqual({ groups: [] });
    await bench.restart();
    const told = (await bench.events()).map(({ type, volume }) => `${type} ${volume ?? "all"}`);
    for (const one of ["snapshot-dropped a", "group-dropped all"])
      expect(told.filter((line) => line === one)).toHaveLength(1);
  });
});

// An unknown parameter was passed over, so that what was only to be looked at was done.
test("a dry run of a group, of its drop and of a merge says what would happen, and nothing happens", async () => {
  const bench = await withVolume("a", "b");
  const members = ["a", "b"].map((volume) => ({ volume, snapshot: "monday", ...SPEC }));
  const dry = { dryRun: true, neededBytes: 4 * MIB };
  expect((await bench.ask("PUT", "/v1/groups/g?dryRun=true", { members })).body).toMatchObject(dry);
  expect((await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
  await bench.ask("PUT", "/v1/groups/g", { members });
  expect((await bench.ask("PUT", "/v1/groups/g?dryRun=true", { members })).body).toMatchObject({
    does: expect.stringMatching(/nothing/),
  });
  expect((await bench.ask("DELETE", "/v1/groups/g?dryRun=true")).body).toMatchObject({ freedBytes: 4 * MIB });
  expect((await bench.ask("DELETE", "/v1/groups/none?dryRun=true")).status).toBe(204);
  expect((await bench.ask("POST", `${SNAPSHOT}/merge?dryRun=true`)).body).toMatchObject({
    does: expect.stringMatching(/rolls/),
  });
  expect((await bench.ask("POST", "/v1/volumes/a/snapshots/none/merge?dryRun=true")).status).toBe(404);
  expect((await bench.ask("GET", "/v1/operations")).body).toEqual({ operations: [] });
});

/** Every second chunk of the volume: a merge takes so many runs in several steps. */
async function scatter(bench: DaemonBench): Promise<NbdClient> {
  const client = await bench.connect("a");
  for (let at = 0; at < ORIGIN_BYTES; at += 8192) await client.write(at, Buffer.alloc(4096));
  return client;
}

describe("merges", () => {
  test("a merge rolls the volume back under its client, paused, paced and gone on with; it is told of once", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: 4096 });
    const client = await scatter(bench);
    const { status, body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 });
    expect(status).toBe(202);
    expect((await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 })).body.id).toBe(body.id);
    await expect.poll(async () => (await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: true })).status).toBe(200);
    await expect
      .poll(async () => (await bench.ask("GET", SNAPSHOT)).body)
      .toMatchObject({
        state: "merging",
        merge: { percent: 1, paused: true },
      });
    expect((await client.read(0, ORIGIN_BYTES)).equals(bench.before("a"))).toBe(true);
    expect(await bench.ask("DELETE", SNAPSHOT)).toMatchObject({ body: { code: "merging" } });
    expect(await bench.ask("DELETE", "/v1/volumes/a")).toMatchObject({ body: { code: "busy" } });
    expect((await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: false, throttle: 100 })).status).toBe(200);
    expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({
      state: "done",
      fraction: 1,
    });
    expect((await client.read(0, ORIGIN_BYTES)).equals(bench.before("a"))).toBe(true);
    expect((await bench.ask("GET", "/v1/volumes/a/merge")).status).toBe(404);
    const ends = (await bench.events()).filter(({ type }) => type === "operation-ended");
    expect(ends.map(({ data }) => data?.["state"])).toEqual(["done"]);
  });

  test("a merge that a restart has cut goes on by itself, with its share, and ends once", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: 4096 });
    await scatter(bench);
    const { body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 });
    await expect.poll(async () => (await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: true })).status).toBe(200);
    await bench.restart();
    expect((await bench.ask("GET", `/v1/operations/${body.id}`)).body).toMatchObject({ state: "running" });
    await expect
      .poll(async () => (await bench.ask("GET", SNAPSHOT)).body)
      .toMatchObject({ merge: { percent: 1, paused: true } });
    const client = await bench.connect("a");
    expect((await client.read(0, ORIGIN_BYTES)).equals(bench.before("a"))).toBe(true);
    await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: false, throttle: 100 });
    expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({ state: "done" });
    await client.write(0, dataPattern(4096, 7));
    await bench.restart();
    expect((await (await bench.connect("a")).read(0, 4096)).equals(dataPattern(4096, 7))).toBe(true);
    expect((await bench.events()).filter(({ type }) => type === "operation-ended")).toHaveLength(1);
  });

  test("a merge that somebody else had begun is an operation when the volume is opened", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: 4096 });
    await scatter(bench);
    const volume = bench.daemon.volumes.get("a").opened;
    volume?.setMergePercent(1);
    await volume?.startMerge("monday");
    await bench.restart();
    await expect
      .poll(async () => (await bench.ask("GET", "/v1/operations")).body)
      .toMatchObject({
        operations: [{ kind: "merge", snapshot: "monday" }],
      });
    const { body } = await bench.ask<{ operations: { id: string }[] }>("GET", "/v1/operations");
    expect((await bench.ask("GET", `/v1/operations/${body.operations[0].id}?wait=60`)).body).toMatchObject({
      state: "done",
    });
  });

  // Whoever had no answer, and said it again when it was over, rolled back what had been written since.
  test("one that is asked for again under its key is the same, also when it has ended, and after a restart", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    await (await bench.connect("a")).write(0, Buffer.alloc(MIB));
    const merge = async (key: string, path = SNAPSHOT): Promise<{ status: number; body: { id: string } }> =>
      await bench.ask<{ id: string }>("POST", `${path}/merge`, {}, { "idempotency-key": key });
    const { body } = await merge("one");
    expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({ state: "done" });
    await (await bench.connect("a")).write(0, dataPattern(4096, 7));
    expect((await merge("one")).body).toMatchObject({ id: body.id, state: "done" });
    await bench.restart();
    expect((await merge("one")).body).toMatchObject({ id: body.id, state: "done" });
    expect((await (await bench.connect("a")).read(0, 4096)).equals(dataPattern(4096, 7))).toBe(true);
    expect(await merge("one", "/v1/volumes/a/snapshots/other")).toMatchObject({
      status: 409,
      body: { code: "differs" },
    });
    const { body: another } = await merge("two");
    expect((await bench.ask("GET", `/v1/operations/${another.id}?wait=60`)).body).toMatchObject({ state: "done" });
    expect((await (await bench.connect("a")).read(0, 4096)).equals(bench.before("a").subarray(0, 4096))).toBe(true);
  });

  // It had merged by the time at which that was to be noted; the next start would have merged again, over what was written since.
  test("one that cannot be noted as begun takes no step, is stopped and has failed", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, SPEC);
    await (await bench.connect("a")).write(0, dataPattern(MIB, 7));
    const merges = bench.daemon.volumes.get("a").volume;
    const startMerge = merges.startMerge.bind(merges);
    const begun = new Promise<void>((resolve) => {
      merges.startMerge = async (name, how) => {
        await startMerge(name, how);
        await rename(bench.file("state"), bench.file("away"));
        resolve();
      };
    });
    const { body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`);
    await begun;
    await expect.poll(async () => (await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
    await rename(bench.file("away"), bench.file("state"));
    expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({
      state: "failed",
      problem: { code: "state-unwritable" },
    });
    expect((await (await bench.connect("a")).read(0, MIB)).equals(dataPattern(MIB, 7))).toBe(true);
    expect((await bench.connect("a@monday")).sizeBytes).toBe(ORIGIN_BYTES);
  });

  test("one that is cancelled hands the volume back as it is", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: 4096 });
    await scatter(bench);
    const { body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 });
    await expect.poll(async () => (await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "merging" });
    expect((await bench.ask("DELETE", `/v1/operations/${body.id}`)).status).toBe(202);
    expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({ state: "cancelled" });
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
  });

  test("one that is cancelled as soon as it is begun does not go on behind its own end", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: 4096 });
    await scatter(bench);
    const merges = bench.daemon.volumes.get("a").volume;
    const startMerge = merges.startMerge.bind(merges);
    // Before it is known to whoever has ordered it.
    merges.startMerge = async (name, how) => {
      await startMerge(name, how);
      await bench.ask("DELETE", `/v1/operations/${id}`);
    };
    const { body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 });
    const { id } = body;
    expect((await bench.ask("GET", `/v1/operations/${id}?wait=60`)).body).toMatchObject({ state: "cancelled" });
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
  });

  // A kill between the stop of the merge and the record of it made a merge that had been cancelled half-way one that is done; one before the stop let it go on.
  test("one that was cancelled before the daemon was killed is cancelled at the next start, however far that had come", async () => {
    const bench = await withVolume();
    await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: 4096 });
    await scatter(bench);
    const { body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 });
    await expect.poll(async () => (await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: true })).status).toBe(200);
    for (const isMerging of [true, false]) {
      await bench.stop();
      const state = await StateFile.open(bench.file("state"));
      await state.change((now) => {
        const [operation] = now.operations;
        // It is what the order has written down first.
        expect(operation.params["cancelled"]).toBe(isMerging ? undefined : true);
        operation.params["cancelled"] = true;
        operation.state = "running";
        delete operation.problem;
        delete operation.ended;
      });
      await state.close();
      await bench.start();
      expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({ state: "cancelled" });
      expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
    }
  });
});

describe("clients", () => {
  test("those that come and go are events, counted where there are many, and the volume says how many it has", async () => {
    const bench = await withVolume();
    const stays = await bench.connect("a");
    await expect.poll(async () => (await bench.ask("GET", "/v1/volumes/a")).body).toMatchObject({ clients: 1 });
    for (let i = 0; i < 20; i++) await (await bench.connect("a")).disconnect();
    await stays.disconnect();
    await expect.poll(async () => (await bench.ask("GET", "/v1/volumes/a")).body).toMatchObject({ clients: 0 });
    await bench.ask("DELETE", "/v1/volumes/a");
    const events = (await bench.events()).filter(({ type }) => type.startsWith("client"));
    const [first] = events;
    expect(first).toMatchObject({ type: "client-connected", volume: "a", data: { export: "origin", address: "unix" } });
    expect(events.length).toBe(11);
    const count = (type: string): number => events.filter((event) => event.type === type).length;
    const { connected, disconnected } = (events[10]?.data ?? {}) as Record<string, number | undefined>;
    expect([events[10]?.type, count("client-connected") + (connected ?? 0)]).toEqual(["clients", 21]);
    expect(count("client-disconnected") + (disconnected ?? 0)).toBe(21);
  });
});

describe("pools", () => {
  test("files of a pool that is written have every block, those of one that is sparse none that they need not", async () => {
    const bench = await withVolume();
    const blocks = async (space: string): Promise<number> => {
      await bench.ask("PUT", `/v1/pools/${space}`, { dir: bench.file("pool"), space });
      const { body } = await bench.ask<{ cow: string }>("PUT", `/v1/volumes/a/snapshots/${space}`, {
        ...SPEC,
        pool: space,
      });
      return statSync(body.cow).blocks * 512;
    };
    expect(await blocks("written")).toBeGreaterThanOrEqual(2 * MIB);
    expect(await blocks("reserved")).toBeGreaterThanOrEqual(2 * MIB);
    expect(await blocks("sparse")).toBeLessThan(MIB);
    expect((await bench.ask("PUT", "/v1/pools/other", { dir: bench.file("pool"), space: "none" })).status).toBe(400);
  });

  test("one is the same when it is asked for again, shows what is used, and is not removed under its snapshots", async () => {
    const bench = await withVolume();
    const spec = { dir: bench.file("pool"), limit: 64 * MIB };
    expect((await bench.ask("PUT", "/v1/pools/default", spec)).status).toBe(200);
    expect((await bench.ask("PUT", "/v1/pools/default", { ...spec, limit: MIB })).status).toBe(409);
    expect((await bench.ask("PUT", "/v1/pools/x", { dir: bench.file("none") })).status).toBe(404);
    await bench.ask("PUT", SNAPSHOT, SPEC);
    expect((await bench.ask("GET", "/v1/pools/default")).body).toMatchObject({
      usedBytes: 2 * MIB,
      freeBytes: 62 * MIB,
    });
    expect((await bench.ask("DELETE", "/v1/pools/default")).body).toMatchObject({ code: "busy" });
    await bench.operate("DELETE", SNAPSHOT);
    expect((await bench.ask("DELETE", "/v1/pools/default")).status).toBe(204);
    expect((await bench.ask("DELETE", "/v1/pools/default")).status).toBe(204);
    expect(await bench.ask("PUT", SNAPSHOT, SPEC)).toMatchObject({ status: 422, body: { code: "refused" } });
  });
});
