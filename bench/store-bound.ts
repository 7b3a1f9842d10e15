/**
 * The bound of the disk for first touches of the origin: what a durable one costs, with no server at all; one at a time, with plain system
 * calls, and 32 at a time (bound-lanes.ts), for one snapshot and for eight.
 *
 *   read the old chunk ─▶ write it to the COW file ─▶ fdatasync ─▶ write the area, O_DSYNC ─▶ write the origin
 *
 * That is the order in which an origin write is preserved (E-13, S-53); whoever keeps what was copied in memory leaves out the two steps
 * in the middle. Both with a COW file whose space is reserved and with one whose blocks were written before: the first
 * needs the file system's journal for each flush.
 */
import { closeSync, constants, fdatasyncSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { newSharedPages } from "../src/device/shared-pages.ts";
import { firstTouchesPerSecond } from "./bound-lanes.ts";
import { run } from "./child.ts";
import type { Figures } from "./figures.ts";
import { median } from "./median.ts";
import { writeRandom } from "./place.ts";
import { KIB, MIB } from "./workload.ts";

const CHUNK = 16 * KIB;
const BLOCK = 4 * KIB;
const FILE_BYTES = 256 * MIB;
const LANES = 32;
const STORES = 8;
/** As many as a file holds behind the store's header and area. */
const TOUCHES: number = FILE_BYTES / CHUNK - 2;
const DIRECT = constants.O_RDWR | constants.O_DIRECT;
const STEPS = ["read", "write", "flush", "area", "origin write"] as const;
type Step = (typeof STEPS)[number];

/** `folder`: on the disk in question; `count`: first touches, of those that come one at a time. */
export async function measureBound(figures: Figures, folder: string, count: number): Promise<void> {
  const origin = join(folder, "bound-origin");
  const cows = Array.from({ length: STORES }, (_, i) => join(folder, `bound-cow-${i}`));
  writeRandom(origin, FILE_BYTES);
  for (const state of ["reserved", "written"] as const) {
    await makeCow(cows[0], state);
    const times = firstTouches(origin, cows[0], count);
    const durable = STEPS.reduce((sum, step) => sum + median(times[step]), 0);
    const lost = durable - median(times.flush) - median(times.area);
    figures.report(`one first touch, COW file ${state}: the disk alone, durable`, durable, "µs");
    for (const step of STEPS) figures.report(`  ${step}`, median(times[step]), "µs");
    figures.report("  without flush and area (lost in a crash)", lost, "µs");
    for (const stores of [1, STORES]) {
      const used = cows.slice(0, stores);
      const rounds: number[] = [];
      for (let round = 0; round < 3; round++) {
        for (const cow of used) await makeCow(cow, state);
        const job = { origin, originBytes: FILE_BYTES, stores: used, lanes: LANES, count: TOUCHES };
        rounds.push(firstTouchesPerSecond(job));
      }
      figures.report(`  ${LANES} at a time, snapshots: ${stores}`, median(rounds), "a second");
    }
  }
}

async function makeCow(path: string, state: "reserved" | "written"): Promise<void> {
  rmSync(path, { force: true });
  if (state === "written") writeRandom(path, FILE_BYTES);
  else await run(["fallocate", "--length", String(FILE_BYTES), path]);
  await run(["sync", "-f", path]);
}

function firstTouches(origin: string, cow: string, count: number): Record<Step, number[]> {
  const memory = new Uint8Array(newSharedPages(CHUNK), 0, CHUNK);
  const originFd = openSync(origin, DIRECT);
  const cowFd = openSync(cow, DIRECT);
  const areaFd = openSync(cow, DIRECT | constants.O_DSYNC);
  const times: Record<Step, number[]> = { read: [], write: [], flush: [], area: [], "origin write": [] };
  const timed = (step: Step, work: () => void): void => {
    const began = performance.now();
    work();
    times[step].push((performance.now() - began) * 1000);
  };
  for (let i = 0; i < count; i++) {
    // Far apart, each once: an odd stride meets every chunk of the file.
    const at = ((i * 12_373) % (FILE_BYTES / CHUNK)) * CHUNK;
    timed("read", () => readSync(originFd, memory, 0, CHUNK, at));
    timed("write", () => writeSync(cowFd, memory, 0, CHUNK, (2 + i) * CHUNK));
    timed("flush", () => fdatasyncSync(cowFd));
    timed("area", () => writeSync(areaFd, memory, 0, BLOCK, CHUNK));
    timed("origin write", () => writeSync(originFd, memory, 0, BLOCK, at));
  }
  for (const fd of [originFd, cowFd, areaFd]) closeSync(fd);
  return times;
}
