/**
 * The bound of the disk for one first touch at a time: what a durable one costs, with plain system calls and no server at all.
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
import { run } from "./child.ts";
import type { Figures } from "./figures.ts";
import { median } from "./median.ts";
import { KIB, MIB } from "./workload.ts";

const CHUNK = 16 * KIB;
const BLOCK = 4 * KIB;
const FILE_BYTES = 64 * MIB;
const DIRECT = constants.O_RDWR | constants.O_DIRECT;
const STEPS = ["read", "write", "flush", "area", "origin write"] as const;
type Step = (typeof STEPS)[number];

/** `folder`: on the disk in question. */
export async function measureBound(figures: Figures, folder: string, count: number): Promise<void> {
  const origin = join(folder, "bound-origin");
  const cow = join(folder, "bound-cow");
  await reserve(origin);
  writeAll(origin);
  for (const state of ["reserved", "written"] as const) {
    rmSync(cow, { force: true });
    await reserve(cow);
    if (state === "written") writeAll(cow);
    const times = firstTouches(origin, cow, count);
    const durable = STEPS.reduce((sum, step) => sum + median(times[step]), 0);
    const lost = durable - median(times.flush) - median(times.area);
    figures.report(`one first touch, COW file ${state}: the disk alone, durable`, durable, "µs");
    for (const step of STEPS) figures.report(`  ${step}`, median(times[step]), "µs");
    figures.report("  without flush and area (lost in a crash)", lost, "µs");
  }
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
    const at = ((i * 1237) % (FILE_BYTES / CHUNK)) * CHUNK;
    timed("read", () => readSync(originFd, memory, 0, CHUNK, at));
    timed("write", () => writeSync(cowFd, memory, 0, CHUNK, (2 + i) * CHUNK));
    timed("flush", () => fdatasyncSync(cowFd));
    timed("area", () => writeSync(areaFd, memory, 0, BLOCK, CHUNK));
    timed("origin write", () => writeSync(originFd, memory, 0, BLOCK, at));
  }
  for (const fd of [originFd, cowFd, areaFd]) closeSync(fd);
  return times;
}

function writeAll(path: string): void {
  const piece = Buffer.alloc(MIB, 1);
  const fd = openSync(path, constants.O_RDWR);
  for (let at = 0; at < FILE_BYTES; at += MIB) writeSync(fd, piece, 0, MIB, at);
  fdatasyncSync(fd);
  closeSync(fd);
}

function reserve(path: string): Promise<string> {
  return run(["fallocate", "--length", String(FILE_BYTES), path]);
}
