/**
 * Lives of snapshots in the daemon, as LVM's and the device mapper's own tests have them: filled to the last chunk, given room, and gone on with, as each policy
 * promises; made and dropped two hundred times; and what must not happen while a volume is merged, refused in words.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { OPENING_IDLE_MS } from "../../src/base/constants.ts";
import { DaemonBench, MIB, removeDaemons } from "../support/daemon-bench.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { Cmd, type NbdClient } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeDaemons);

const CHUNK = 4096;
const PAGE = 4096;
/** On a machine that is busy with other things. */
const TIMEOUT = 600_000;
/** Header, area, and room for fourteen chunks. */
const SMALL = 16 * CHUNK;
const SNAPSHOT = "/v1/volumes/a/snapshots/s";
const NBD_ENOSPC = 28;

const writeChunk = (client: NbdClient, chunk: number): ReturnType<NbdClient["request"]> =>
  client.request({ type: Cmd.Write, offset: chunk * CHUNK, length: CHUNK, payload: dataPattern(CHUNK, 1 + chunk) });

/** The snapshot "s" of "a", full to its last chunk: 100 per cent, and good. */
async function filled(whenFull: string): Promise<{ bench: DaemonBench; client: NbdClient; model: Buffer }> {
  const bench = await DaemonBench.open();
  await bench.addVolume("a");
  const spec = { size: SMALL, chunkSize: CHUNK, whenFull };
  expect(await bench.ask("PUT", SNAPSHOT, spec)).toMatchObject({ status: 201 });
  const client = await bench.connect("a@s");
  const model = Buffer.from(bench.before("a"));
  for (let chunk = 0; chunk < 14; chunk++) {
    expect((await writeChunk(client, chunk)).error).toBe(0);
    dataPattern(CHUNK, 1 + chunk).copy(model, chunk * CHUNK);
  }
  expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active", usedPercent: 100 });
  return { bench, client, model };
}

test.each(["invalidate", "overflow", "stall"])(
  "%s: full to the last chunk it is good, grows, and goes on",
  async (whenFull) => {
    const { bench, client, model } = await filled(whenFull);
    expect(await bench.operate("POST", `${SNAPSHOT}/grow`, { size: 2 * SMALL })).toMatchObject({ state: "done" });
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active", usedPercent: 50 });
    for (let chunk = 14; chunk < 30; chunk++) {
      expect((await writeChunk(client, chunk)).error).toBe(0);
      dataPattern(CHUNK, 1 + chunk).copy(model, chunk * CHUNK);
    }
    expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active", usedPercent: 100 });
    await bench.restart();
    expect(firstDifference(await readAll(await bench.connect("a@s")), model)).toBe(-1);
    const levels = (await bench.events()).filter(({ data }) => data?.["event"] === "level");
    expect(levels.map(({ data }) => data)).toEqual([
      ...[70, 80, 90, 95].map((percent) => expect.objectContaining({ percent, rising: true })),
      ...[95, 90, 80, 70].map((percent) => expect.objectContaining({ percent, rising: false })),
      ...[70, 80, 90, 95].map((percent) => expect.objectContaining({ percent, rising: true })),
    ]);
  },
);

test("one chunk more than there is room for: invalid, for ever, and the volume goes on (E-8)", async () => {
  const { bench, client } = await filled("invalidate");
  expect((await writeChunk(client, 20)).error).toBe(NBD_ENOSPC);
  expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "invalid" });
  // Room is of no use to it any more.
  await bench.ask("POST", `${SNAPSHOT}/grow`, { size: 2 * SMALL });
  for (const moment of ["now", "after a restart"]) {
    expect((await bench.ask("GET", SNAPSHOT)).body, moment).toMatchObject({ state: "invalid", status: "Invalid" });
    expect((await (await bench.connect("a@s")).request({ type: Cmd.Read, offset: 0, length: 512 })).error).not.toBe(0);
    const { body: merge } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, {});
    expect((await bench.ask("GET", `/v1/operations/${merge.id}?wait=60`)).body, moment).toMatchObject({
      state: "failed",
      problem: { detail: expect.stringMatching(/invalid/i) },
    });
    if (moment === "now") await bench.restart();
  }
  expect(firstDifference(await readAll(await bench.connect("a")), bench.before("a"))).toBe(-1);
  expect(await bench.operate("DELETE", SNAPSHOT)).toMatchObject({ state: "done" });
  expect(readdirSync(bench.file("pool"))).toEqual([]);
});

test("one chunk more than there is room for: it overflows, and goes on when it has grown (E-2, S-43)", async () => {
  const { bench, client, model } = await filled("overflow");
  expect((await writeChunk(client, 20)).error).toBe(NBD_ENOSPC);
  expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "overflow", status: "Overflow" });
  expect(firstDifference(await readAll(client), model)).toBe(-1);
  expect(await bench.operate("POST", `${SNAPSHOT}/grow`, { size: 2 * SMALL })).toMatchObject({ state: "done" });
  expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
  expect((await writeChunk(client, 20)).error).toBe(0);
  dataPattern(CHUNK, 21).copy(model, 20 * CHUNK);
  await bench.restart();
  expect(firstDifference(await readAll(await bench.connect("a@s")), model)).toBe(-1);
});

test("more chunks than there is room for: who needs them waits, nothing is lost, and growth ends it (E-48)", async () => {
  const { bench, client, model } = await filled("stall");
  const origin = await bench.connect("a");
  const waiting = [20, 21, 22].map((chunk) => writeChunk(client, chunk));
  // The origin keeps the old data for the snapshot first: it waits, too.
  const kept = writeChunk(origin, 30);
  await expect.poll(async () => (await bench.events()).map(({ data }) => data?.["event"])).toContain("stalled");
  expect(firstDifference(await readAll(client), model)).toBe(-1);
  expect(await bench.operate("POST", `${SNAPSHOT}/grow`, { size: 2 * SMALL })).toMatchObject({ state: "done" });
  expect((await Promise.all([...waiting, kept])).map(({ error }) => error)).toEqual([0, 0, 0, 0]);
  for (const chunk of [20, 21, 22]) dataPattern(CHUNK, 1 + chunk).copy(model, chunk * CHUNK);
  expect((await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "active" });
  await bench.restart();
  expect(firstDifference(await readAll(await bench.connect("a@s")), model)).toBe(-1);
});

test("while one snapshot is merged, with clients connected, another merge, its drop and a creation are refused in words (E-31, E-40, E-41)", async () => {
  const bench = await DaemonBench.open();
  await bench.addVolume("a");
  const client = await bench.connect("a");
  await bench.ask("PUT", SNAPSHOT, { size: 8 * MIB, chunkSize: CHUNK });
  for (let chunk = 0; chunk < 64; chunk++) await writeChunk(client, 2 * chunk);
  await bench.ask("PUT", "/v1/volumes/a/snapshots/later", { size: 8 * MIB });
  const { body } = await bench.ask<{ id: string }>("POST", `${SNAPSHOT}/merge`, { throttle: 1 });
  await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: true });
  await expect.poll(async () => (await bench.ask("GET", SNAPSHOT)).body).toMatchObject({ state: "merging" });
  const isMerging = { status: 409, body: { code: "merging", detail: expect.stringMatching(/a@s is merging/) } };
  expect(await bench.ask("POST", "/v1/volumes/a/snapshots/later/merge", {})).toMatchObject(isMerging);
  expect(await bench.ask("DELETE", SNAPSHOT)).toMatchObject(isMerging);
  const made = await bench.ask<{ detail: string }>("PUT", "/v1/volumes/a/snapshots/new", { size: MIB });
  expect([made.status >= 400, made.body.detail]).toEqual([true, expect.stringMatching(/merg/)]);
  expect(readdirSync(bench.file("pool"))).toHaveLength(2);
  await bench.ask("PATCH", "/v1/volumes/a/merge", { paused: false, throttle: 100 });
  expect((await bench.ask("GET", `/v1/operations/${body.id}?wait=60`)).body).toMatchObject({ state: "done" });
  expect(firstDifference(await readAll(client), bench.before("a"))).toBe(-1);
  expect(await bench.ask("PUT", "/v1/volumes/a/snapshots/new", { size: MIB })).toMatchObject({ status: 201 });
});

test("made, written, read and dropped two hundred times, four at a time: descriptors, files, threads and memory are as before", {
  timeout: TIMEOUT,
}, async () => {
  const bench = await DaemonBench.open();
  const volumes = ["a", "b", "c", "d"];
  for (const volume of volumes) await bench.addVolume(volume);
  const clients = await Promise.all(volumes.map((volume) => bench.connect(volume)));
  const round = (number: number): Promise<unknown> =>
    Promise.all(
      volumes.map(async (volume, i) => {
        const path = `/v1/volumes/${volume}/snapshots/s${number % 7}`;
        expect((await bench.ask("PUT", path, { size: MIB })).status).toBe(201);
        await clients[i]!.write((number % 60) * 65_536, dataPattern(65_536, number));
        const snapshot = await bench.connect(`${volume}@s${number % 7}`);
        await snapshot.write(0, dataPattern(CHUNK, number));
        expect((await snapshot.read(0, CHUNK)).equals(dataPattern(CHUNK, number))).toBe(true);
        await snapshot.disconnect();
        expect(await bench.operate("DELETE", path)).toMatchObject({ state: "done" });
      }),
    );
  for (let number = 0; number < 15; number++) await round(number);
  const files = readdirSync(bench.file(".")).sort();
  const before = await atRest();
  for (let number = 15; number < 50; number++) await round(number);
  const after = await atRest();
  expect([after.descriptors, after.threads]).toEqual([before.descriptors, before.threads]);
  // One snapshot's table alone has address space for all that its store may hold.
  expect(after.mapped - before.mapped).toBeLessThan(256 * MIB);
  expect(after.resident - before.resident).toBeLessThan(64 * MIB);
  expect(readdirSync(bench.file(".")).sort()).toEqual(files);
  expect(readdirSync(bench.file("pool"))).toEqual([]);
  expect((await bench.state())["creations"]).toEqual([]);
});

interface Taken {
  readonly descriptors: number;
  readonly threads: number;
  readonly mapped: number;
  readonly resident: number;
}

/** By this process, when the threads that opened something have ended. */
async function atRest(): Promise<Taken> {
  let last = taken();
  for (let rest = 2 * OPENING_IDLE_MS; rest > 0; rest -= 100) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = taken();
    if (now.threads !== last.threads || now.descriptors !== last.descriptors) rest = 2 * OPENING_IDLE_MS;
    last = now;
  }
  return last;
}

function taken(): Taken {
  const [mapped, resident] = readFileSync("/proc/self/statm", "latin1").split(" ");
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").filter(isOurs).length,
    mapped: Number(mapped) * PAGE,
    resident: Number(resident) * PAGE,
  };
}

/** The kernel's own threads for io_uring come and go as it likes. */
function isOurs(thread: string): boolean {
  try {
    return !readFileSync(`/proc/self/task/${thread}/comm`, "latin1").startsWith("iou-");
  } catch {
    return false;
  }
}
