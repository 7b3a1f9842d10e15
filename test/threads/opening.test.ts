/**
 * A volume is opened while another one of its engine is served: main neither reads a store, nor builds its table, nor waits for a device or a lock.
 */
import { closeSync, openSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterEach, expect, test, vi } from "vitest";
import { writeStoreImage } from "../../bench/store-image.ts";
import { OPENING_IDLE_MS } from "../../src/base/constants.ts";
import { StoreLoader } from "../../src/core/store-loader.ts";
import { type Engine, openEngine } from "../../src/index.ts";
import { TableWriter } from "../../src/table/table-writer.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";

const MIB = 2 ** 20;
const CHUNK = 4096;
const EXCEPTIONS = 300_000;
/** Far more than main needs: a busy machine stops every thread for a while. What main must not do is asserted by itself. */
const HOLD_MAX_MS = 1000;
/** One export worker, one copy worker, the metadata worker. */
const THREADS = 3;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0).reverse()) await end();
});

async function openBench(): Promise<{ engine: Engine; scratch: Scratch; client: NbdClient }> {
  const scratch = await makeScratch();
  ends.push(() => scratch.remove());
  const engine = await openEngine({ workers: 1, copyWorkers: 1, listen: [`unix:${scratch.file("engine")}`] });
  ends.push(() => engine.close());
  writeFileSync(scratch.file("small"), dataPattern(MIB, 1));
  await engine.openVolume({ name: "small", origin: scratch.file("small") });
  const client = await NbdClient.open({ path: scratch.file("engine") }, "small");
  ends.push(() => client.destroy());
  return { engine, scratch, client };
}

/** The paths of an origin and a COW device with so many scattered exceptions. */
function writeStore(scratch: Scratch): { origin: string; cow: string } {
  const [origin, cow] = [scratch.file("origin"), scratch.file("cow")];
  closeSync(openSync(origin, "w"));
  const originChunks = 2 ** 20;
  truncateSync(origin, originChunks * CHUNK);
  writeStoreImage({ path: cow, chunkBytes: CHUNK, originChunks, exceptions: EXCEPTIONS, order: "scattered" });
  return { origin, cow };
}

/** Reads until `done`: how many have been answered. */
async function readUntil(client: NbdClient, done: Promise<unknown>): Promise<number> {
  let isDone = false;
  const end = (): void => {
    isDone = true;
  };
  done.then(end, end);
  let reads = 0;
  for (; !isDone; reads++)
    expect((await client.read(0, CHUNK)).equals(dataPattern(MIB, 1).subarray(0, CHUNK))).toBe(true);
  return reads;
}

test(`a store of ${EXCEPTIONS} exceptions opens beside a volume that is served, and main handles none of them (S-36)`, async () => {
  const { engine, scratch, client } = await openBench();
  const paths = writeStore(scratch);
  const handled = [
    vi.spyOn(StoreLoader.prototype, "feed"),
    vi.spyOn(TableWriter.prototype, "loadSettled"),
    vi.spyOn(TableWriter.prototype, "publish"),
    vi.spyOn(Atomics, "wait"),
  ];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const opening = engine.openVolume({
    name: "large",
    origin: paths.origin,
    snapshots: [{ name: "s", cow: paths.cow }],
  });
  const reads = await readUntil(client, opening);
  const volume = await opening;
  delay.disable();
  const held = delay.max / 1e6;
  process.stdout.write(`main was held for ${held.toFixed(1)} ms at most; ${reads} reads were answered meanwhile\n`);
  expect(volume.stats().snapshots[0]?.exceptions).toBe(EXCEPTIONS);
  expect(handled.map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0, 0]);
  expect(reads).toBeGreaterThan(0);
  expect(held).toBeLessThan(HOLD_MAX_MS);
});

test("a store that is refused in an opening thread is refused in the same words, and another volume is served on", async () => {
  const { engine, scratch, client } = await openBench();
  const { origin, cow } = writeStore(scratch);
  // An origin that is shorter than what the list names: found in the middle of it.
  truncateSync(origin, CHUNK * 1000);
  const opening = engine.openVolume({ name: "large", origin, snapshots: [{ name: "s", cow }] });
  await expect(opening).rejects.toMatchObject({
    name: "SnapringError",
    code: "EIO",
    message: expect.stringMatching(
      /cow: corrupt snapshot: exception 1 of area 0: old chunk \d+ is beyond the end of the origin/,
    ),
  });
  expect((await client.read(0, 512)).equals(dataPattern(MIB, 1).subarray(0, 512))).toBe(true);
  truncateSync(origin, CHUNK * 2 ** 20);
  await engine.openVolume({ name: "large", origin, snapshots: [{ name: "s", cow }] });
});

test("opening threads end when there is nothing to open, and with their engine", async () => {
  const threads = (): number => readdirSync("/proc/self/task").length;
  const first = await openBench();
  await first.engine.close();
  const before = threads();
  const { engine } = await openBench();
  await expect.poll(threads, { timeout: 20 * OPENING_IDLE_MS }).toBe(before + THREADS);
  await engine.close();
  expect(threads()).toBe(before);
});
