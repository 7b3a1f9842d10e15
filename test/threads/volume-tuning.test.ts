/**
 * Settings that change when something happens, never what: how long a group waits, how long an idle thread polls.
 */
import { afterEach, expect, test } from "vitest";
import type { SnapshotStats, WorkerStats } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const CHUNK = 4096;
const MONDAY = { name: "monday", size: 16 * MIB, chunkSize: CHUNK } as const;

/** Writes so many chunks of the snapshot for the first time, one after the other. */
async function touch(volume: LibraryVolume, count: number): Promise<void> {
  const client = await volume.connect("monday");
  for (let chunk = 0; chunk < count; chunk++) await client.write(chunk * CHUNK, dataPattern(CHUNK, 50 + chunk));
}

function snapshot(volume: LibraryVolume): SnapshotStats {
  return volume.library.stats().snapshots[0];
}

function exportWorkers(volume: LibraryVolume): readonly WorkerStats[] {
  return volume.library.stats().workers.filter((worker) => worker.role === "export");
}

test("S-54: a group without a waiter is written after its time, or when it has its number", async () => {
  const volume = await LibraryVolume.create({ snapshots: [MONDAY], groupWaitMs: 0, groupCount: 1024 });
  await touch(volume, 3);
  await expect.poll(() => snapshot(volume).exceptionsCommitted).toBe(3);
  await volume.close();
  await volume.open({ groupWaitMs: 60_000, groupCount: 4 });
  const client = await volume.connect("monday");
  for (let chunk = 100; chunk < 106; chunk++) await client.write(chunk * CHUNK, dataPattern(CHUNK, chunk));
  // Four make a group; the other two wait for a minute, or for somebody.
  await expect.poll(() => snapshot(volume).exceptionsCommitted).toBe(4);
  expect(snapshot(volume).commits).toBe(1);
  await client.flush();
  expect(snapshot(volume).exceptionsCommitted).toBe(6);
});

test("busy-poll: an idle thread polls before it sleeps, and serves what it did before", async () => {
  const volume = await LibraryVolume.create({ snapshots: [MONDAY], workers: 1, busyPoll: 2000 });
  await touch(volume, 40);
  const origin = await volume.connect();
  await origin.write(CHUNK * 60 + 5, dataPattern(9000, 7));
  const [worker] = exportWorkers(volume);
  // A worker's own totals may be 256 turns old; its sleeps and spins are not.
  expect(worker.spins).toBeGreaterThan(0);
  await volume.close();
  await volume.open({ busyPoll: 0 });
  const view = Buffer.from(volume.before);
  for (let chunk = 0; chunk < 40; chunk++) dataPattern(CHUNK, 50 + chunk).copy(view, chunk * CHUNK);
  expect(firstDifference(await readAll(await volume.connect("monday")), view)).toBe(-1);
  expect(exportWorkers(volume)[0].spins).toBe(0);
});
