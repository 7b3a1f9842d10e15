/**
 * The list of first-touch writes, as an iolog (version 2) that fio replays:
 *
 *   fio version 2 iolog
 *   NAME add
 *   NAME open
 *   NAME write OFFSET LENGTH
 *   NAME sync 0 0              where a flush is wanted
 *
 * fio's own random map cannot be had for this: with `blockalign` it is turned off and units are hit twice. The order comes from a
 * small generator with a fixed seed, so that every server and every round gets the same writes. Warm-up and measured part
 * take disjoint units: of all units in random order the measured part has the first ones, the warm-up those that follow; dense
 * regions lie one behind the other.
 */
import { assert } from "../src/base/assert.ts";
import { divFloor } from "../src/base/units.ts";
import type { Extent, ListLoad } from "./workload.ts";

export type ListPart = "measured" | "warm-up";

const SEED = 42;
/** Less says nothing. */
const COUNT_MIN = 64;

/** `fileName`: as fio is to call the file; with the nbd engine any word does. */
export function writeList(load: ListLoad, part: ListPart, extent: Extent, fileName: string): string {
  const lines = ["fio version 2 iolog", `${fileName} add`, `${fileName} open`];
  for (const [i, offset] of writeOffsets(load, part, extent).entries()) {
    lines.push(`${fileName} write ${offset} ${load.blockBytes}`);
    if (load.flushEvery > 0 && (i + 1) % load.flushEvery === 0) lines.push(`${fileName} sync 0 0`);
  }
  return `${lines.join("\n")}\n`;
}

/** Byte offsets in the order of the writes. */
export function writeOffsets(load: ListLoad, part: ListPart, extent: Extent): number[] {
  const count = scaled(load.count, extent);
  const warmUpCount = scaled(load.warmUpCount, extent);
  const units = divFloor(extent.originBytes, load.strideBytes);
  assert(count + warmUpCount <= units, `${count} + ${warmUpCount} first touches need a larger origin`);
  const random = generator(part === "measured" ? SEED : SEED + 1);
  const places = divFloor(load.strideBytes, load.blockBytes);
  return unitsOf(load, part, units, count, warmUpCount).map(
    (unit) => unit * load.strideBytes + random(places) * load.blockBytes,
  );
}

function unitsOf(load: ListLoad, part: ListPart, units: number, count: number, warmUpCount: number): number[] {
  if (!load.dense) {
    const order = shuffled(units);
    return part === "measured" ? order.slice(0, count) : order.slice(count, count + warmUpCount);
  }
  return part === "measured" ? shuffled(count) : shuffled(warmUpCount).map((unit) => count + unit);
}

function scaled(count: number, extent: Extent): number {
  return Math.max(COUNT_MIN, Math.round(count * extent.scale));
}

/** 0 … length - 1 in an order that is always the same (Fisher and Yates). */
function shuffled(length: number): number[] {
  const order = Array.from({ length }, (_, i) => i);
  const random = generator(SEED);
  for (let i = length - 1; i > 0; i--) {
    const j = random(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Whole numbers below `bound`, from Marsaglia's xorshift32. */
function generator(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}
