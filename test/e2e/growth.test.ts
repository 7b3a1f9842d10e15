/**
 * A served snapshot of 4 MiB that grows by 1 MiB while clients flood it, as far as its file system has room, and stalls then: it is never invalid, and
 * origin and snapshot read as a model has them (E-47, E-48).
 */
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { Cmd, NbdClient } from "../support/nbd-client.ts";
import { runCommand } from "../support/run-command.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { killServers, Server } from "../support/server.ts";
import { needSmallFileSystems, SmallFileSystem } from "../support/small-file-system.ts";
import { firstDifference, MIB, readAll } from "../support/volume.ts";

const BLOCK = 4096;
const ORIGIN_BYTES: number = 32 * MIB;
const DEPTH = 64;

let scratch: Scratch | undefined;
let mounted: string | undefined;

afterEach(async () => {
  await killServers();
  // Lazily: what was killed may still have it open for a moment.
  if (mounted !== undefined) await runCommand("umount", "--lazy", mounted);
  mounted = undefined;
  await scratch?.remove();
  scratch = undefined;
});

/** Writes blocks in the given order, `DEPTH` of them at a time; resolves with those that failed. */
async function flood(client: NbdClient, model: Buffer, blocks: readonly number[], seed: number): Promise<number[]> {
  const failed: number[] = [];
  const left = blocks.values();
  const one = async (): Promise<void> => {
    for (const block of left) {
      const payload = dataPattern(BLOCK, seed + block);
      const { error } = await client.request({ type: Cmd.Write, offset: block * BLOCK, length: BLOCK, payload });
      if (error !== 0) failed.push(block);
      else payload.copy(model, block * BLOCK);
    }
  };
  await Promise.all(Array.from({ length: DEPTH }, one));
  return failed;
}

function shuffled(seed: number): number[] {
  const random = new SeededRandom(seed);
  const blocks = Array.from({ length: ORIGIN_BYTES / BLOCK }, (_, i) => i);
  for (let i = blocks.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [blocks[i], blocks[j]] = [blocks[j]!, blocks[i]!];
  }
  return blocks;
}

test.for(["tmpfs", "ext4"] as const)("on %s", { timeout: 120_000 }, async (kind, { skip }) => {
  needSmallFileSystems(skip, kind);
  scratch = await makeScratch();
  const pool = await SmallFileSystem.mount(scratch, kind, 64);
  mounted = pool.path;
  mkdirSync(scratch.file("origin"));
  const origin = scratch.file("origin/disk.img");
  const before = dataPattern(ORIGIN_BYTES, 1);
  writeFileSync(origin, before);
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  // Room for about a third of what the flood needs.
  writeFileSync(pool.file("other"), Buffer.alloc(44 * MIB));
  const cow = pool.file("s.cow");
  const size = "4M,grow=1M,grow_at=80,when_full=stall";
  const server = await Server.start({
    ...{ origin, listen: scratch.file("socket") },
    snapshots: [{ name: "s", cow, chunk: "4K", size }],
  });
  const [live, snapshot] = [await NbdClient.open(server.address), await NbdClient.open(server.address, "s")];
  const [liveModel, snapshotModel] = [Buffer.from(before), Buffer.from(before)];
  const blocks = shuffled(seed);
  const half = blocks.length / 2;
  const floods = [
    flood(live, liveModel, blocks.slice(0, half), 1000),
    flood(snapshot, snapshotModel, blocks.slice(half), 5000),
  ];
  const said = (): string => server.stdout + server.stderr;
  let over = false;
  const all = Promise.all(floods).finally(() => (over = true));
  // The pool runs full: requests wait, and reads go on.
  while (!over && !said().includes("requests that need room wait")) await new Promise((done) => setTimeout(done, 20));
  expect(over).toBe(false);
  expect((await live.read(0, BLOCK)).length + (await snapshot.read(0, BLOCK)).length).toBe(2 * BLOCK);
  rmSync(pool.file("other"));
  expect((await all).flat()).toEqual([]);
  expect(firstDifference(await readAll(live), liveModel)).toBe(-1);
  expect(firstDifference(await readAll(snapshot), snapshotModel)).toBe(-1);
  expect(statSync(cow).size).toBeGreaterThan(ORIGIN_BYTES);
  expect(said()).not.toMatch(/invalid now|cannot be/);
  expect((await server.stats()).snapshots[0]).toMatchObject({ state: "active", stalled: 0 });
  await server.stop();
});
