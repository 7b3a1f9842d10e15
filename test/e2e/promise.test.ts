/**
 * The promise that matters most: while fio rewrites the whole origin, every snapshot stays what the origin was.
 *
 *   fio, 4 connections × 32 requests ──▶ origin: every byte, in pieces of 4 to 64 KiB, and odd ones of 1 to 20 000 bytes
 *   nbdcopy | sha256sum              ──▶ each snapshot: before, again and again meanwhile, after, and after opening it again
 *
 * The clients are other programs, the hashes are made by other programs: nothing of the product judges itself. The counters
 * then say which threads did the work, and how.
 */
import { randomFillSync } from "node:crypto";
import { copyFileSync, openSync, closeSync, readSync, statfsSync, writeSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { probeUring } from "../../src/device/native.ts";
import { openVolume, type Volume, type VolumeStats } from "../../src/index.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { runOk } from "../support/run-command.ts";

const MIB = 2 ** 20;
const ORIGIN_BYTES = 256 * MIB;
const QUARTER = ORIGIN_BYTES / 4;
/** Bytes of the unaligned pass, for each of the 4 connections. */
const ODD_BYTES = 2 * MIB;
const BLOCK = 4096;
const SNAPSHOTS = [
  { name: "fine", chunkSize: 4096 },
  { name: "coarse", chunkSize: 16_384 },
] as const;
/** Ends a test that hangs; a quarter of a minute is what one takes. */
const TIMEOUT = 300_000;
const TMPFS_MAGIC = 0x0102_1994;
const SHARED_MEMORY = "/dev/shm";

const strict = process.env["SNAPRING_CI"] === "1";

let master: Scratch;
let masterHash: string;
let scratch: Scratch | undefined;
let volume: Volume | undefined;

beforeAll(async () => {
  master = await makeScratch();
  const file = openSync(master.file("origin"), "w");
  const bytes = Buffer.alloc(16 * MIB);
  for (let at = 0; at < ORIGIN_BYTES; at += bytes.length) writeSync(file, randomFillSync(bytes));
  closeSync(file);
  masterHash = (await runOk("sha256sum", master.file("origin"))).split(" ")[0];
});

afterAll(() => master.remove());

afterEach(async () => {
  await volume?.close();
  volume = undefined;
  await scratch?.remove();
  scratch = undefined;
});

async function open(place: Scratch, early: boolean): Promise<Volume> {
  volume = await openVolume({
    origin: place.file("origin"),
    snapshots: SNAPSHOTS.map((s) => ({ ...s, cow: place.file(`${s.name}.cow`), size: ORIGIN_BYTES + 16 * MIB })),
    listen: [`unix:${place.file("socket")}`],
    early,
    workers: 2,
  });
  return volume;
}

const uriOf = (place: Scratch, name: string): string => `nbd+unix:///${name}?socket=${place.file("socket")}`;

/** The hash of an export, read and computed by other programs. */
async function hashOf(place: Scratch, name: string): Promise<string> {
  const pipe = 'set -o pipefail; nbdcopy "$1" - | sha256sum';
  return (await runOk("bash", "-c", pipe, "bash", uriOf(place, name))).split(" ")[0];
}

/** Every byte once in a random order, and unaligned pieces between, on 8 connections with 32 requests each. */
async function rewrite(place: Scratch): Promise<void> {
  const all = [
    "--ioengine=nbd",
    `--uri=${uriOf(place, "")}`,
    `--aux-path=${place.path}`,
    "--rw=randwrite",
    "--iodepth=32",
    "--numjobs=4",
    `--offset_increment=${QUARTER}`,
    `--size=${QUARTER}`,
    "--refill_buffers",
    "--randrepeat=0",
  ];
  await runOk("fio", ...all, "--name=whole", "--bsrange=4k-64k");
  await runOk("fio", ...all, "--name=odd", "--bsrange=1-20000", "--bs_unaligned", `--io_size=${ODD_BYTES}`);
}

/** Blocks of the origin that still hold what they held before. */
function unchangedBlocks(place: Scratch): number {
  const files = [openSync(master.file("origin"), "r"), openSync(place.file("origin"), "r")];
  const [before, after] = files.map(() => Buffer.alloc(4 * MIB));
  let unchanged = 0;
  for (let at = 0; at < ORIGIN_BYTES; at += before.length) {
    readSync(files[0], before, 0, before.length, at);
    readSync(files[1], after, 0, after.length, at);
    for (let i = 0; i < before.length; i += BLOCK) {
      if (before.compare(after, i, i + BLOCK, i, i + BLOCK) === 0) unchanged += 1;
    }
  }
  for (const file of files) closeSync(file);
  return unchanged;
}

async function expectOld(place: Scratch): Promise<void> {
  for (const { name } of SNAPSHOTS) expect(`${name} ${await hashOf(place, name)}`).toBe(`${name} ${masterHash}`);
}

/** Rewrite the origin, and read the snapshots meanwhile; returns how many times they were read. */
async function rewriteAndWatch(place: Scratch): Promise<number> {
  let writing = true;
  const rewriting = rewrite(place).finally(() => {
    writing = false;
  });
  let rounds = 0;
  // A failed read is reported at the end: fio must not go on behind a test that is over.
  const watching = (async () => {
    for (; writing; rounds++) await expectOld(place);
  })();
  await Promise.allSettled([rewriting, watching]);
  await rewriting;
  await watching;
  return rounds;
}

function expectWorkersDidIt(stats: VolumeStats, uring: boolean): void {
  const copies = stats.workers.filter((worker) => worker.role === "copy");
  expect(copies.length).toBeGreaterThan(0);
  for (const worker of stats.workers) {
    expect(worker.kind).toBe("uring");
    // One enter per turn; a signal, or a transfer that the kernel cut short, now and then makes it two.
    expect(worker.enters / worker.turns, `${worker.role} ${worker.index}`).toBeLessThan(1.01);
  }
  const copied = copies.reduce((sum, worker) => sum + worker.copiedBytes, 0);
  // Read at least once, and where both snapshots need it at the same time not twice (E-18).
  expect(copied).toBeGreaterThanOrEqual(ORIGIN_BYTES);
  expect(copied).toBeLessThan(SNAPSHOTS.length * ORIGIN_BYTES);
  const through = uring ? "submitted" : "inline";
  expect(copies.reduce((sum, worker) => sum + worker[through], 0)).toBeGreaterThan(100);
  for (const { name, chunkSize } of SNAPSHOTS) {
    const snapshot = stats.snapshots.find((s) => s.name === name);
    expect(snapshot).toMatchObject({ state: "active", exceptions: ORIGIN_BYTES / chunkSize, pending: 0 });
    expect(snapshot).toMatchObject({ copies: ORIGIN_BYTES / chunkSize, copiedBytes: ORIGIN_BYTES });
  }
}

async function keepThePromise(place: Scratch, early: boolean, uring: boolean): Promise<void> {
  copyFileSync(master.file("origin"), place.file("origin"));
  const first = await open(place, early);
  await expectOld(place);
  expect(await rewriteAndWatch(place)).toBeGreaterThan(0);
  expect(unchangedBlocks(place)).toBe(0);
  await expectOld(place);
  expectWorkersDidIt(first.stats(), uring);
  await first.close();
  await open(place, early);
  await expectOld(place);
}

test.for([
  ["on", true],
  ["off", false],
] as const)(
  "E-13 E-20 S-80: fio rewrites the whole origin, the snapshots keep the old one: io_uring, S-57 %s",
  { timeout: TIMEOUT },
  async ([, early], { skip }) => {
    skip(!strict && !probeUring().works, "there is no io_uring here");
    scratch = await makeScratch();
    await keepThePromise(scratch, early, statfsSync(scratch.path).type !== TMPFS_MAGIC);
  },
);

test("E-13 E-20 S-80: the same in memory, through the page cache", { timeout: TIMEOUT }, async ({ skip }) => {
  const space = statfsSync(SHARED_MEMORY);
  skip(!strict && !probeUring().works, "there is no io_uring here");
  skip(space.type !== TMPFS_MAGIC || space.bavail * space.bsize < 4 * ORIGIN_BYTES, "no room in shared memory");
  scratch = await makeScratch(SHARED_MEMORY);
  await keepThePromise(scratch, true, false);
});
