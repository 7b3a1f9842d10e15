/**
 * How a snapshot is to be treated: what was said of it at different times, as one policy that fits itself, and the same as the engine is told it.
 *
 *   said when it was made  +  changed since ──▶ merged ──▶ fitting: every opening takes it        (a request that contradicts what stands is refused in words)
 *   written by whomever                     ──▶ fitting ──▶ the engine's options                   (what still cannot be taken: the default, and a line in the log)
 *
 * What a later word makes meaningless goes: seconds of a stall where nothing stalls. A policy is of one snapshot, and keeps no volume from being opened. Plain values;
 * whom it belongs to is the state's.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { checkSnapshotOptions } from "../engine/option-schema.ts";
import type { SnapshotOptions } from "../index.ts";
import type { StorePlace } from "./pools.ts";
import { Problem, problemOf } from "./problem.ts";
import type { SnapshotPolicy, SnapshotSpec } from "./state.ts";

/** `policy` over `spec`. Throws a Problem (bad-request): they do not fit each other. */
export function changedSpec(spec: SnapshotSpec, policy: SnapshotPolicy): SnapshotSpec {
  const changed = { ...spec, ...policy };
  if (spec.store === "PO" && policy.whenFull === "invalidate")
    throw new Problem("bad-request", "a snapshot with a store PO overflows when it is full: it cannot be invalidated");
  if (policy.stallSeconds !== undefined && changed.whenFull !== "stall")
    throw new Problem("bad-request", "stallSeconds is for whenFull stall only");
  const fitting = fittingSpec(changed);
  try {
    checkSnapshotOptions({ ...engineOptions(fitting), ...chunksOf(fitting), name: "s", cow: "/s" });
  } catch (error) {
    throw problemOf(error);
  }
  return fitting;
}

/** Without what contradicts the rest of it. */
export function fittingSpec(spec: SnapshotSpec): SnapshotSpec {
  const { stallSeconds, ...unstalled } = spec;
  const fitting = spec.whenFull === "stall" ? spec : unstalled;
  if (fitting.store !== "PO" || fitting.whenFull !== "invalidate") return fitting;
  const { whenFull, ...overflowing } = fitting;
  return overflowing;
}

/** What a policy is to the engine. */
export function engineOptions(spec: SnapshotSpec): Partial<SnapshotOptions> {
  const { store, readOnly, grow, whenFull, stallSeconds } = spec;
  return {
    ...(store === undefined ? {} : { store }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(grow === undefined || grow === null ? {} : { grow }),
    ...(whenFull === undefined ? {} : { whenFull }),
    ...(stallSeconds === undefined ? {} : { stallSeconds }),
  };
}

/** A store that is made at this place, for the engine. */
export function storeOptions(
  { cow, size, space, most }: StorePlace,
  spec: SnapshotSpec,
): Record<string, unknown> & { cow: string } {
  return {
    cow,
    ...(size === undefined ? {} : { size }),
    ...(space === "sparse" ? { sparse: true } : space === "written" ? { written: true } : {}),
    ...(spec.chunkSize === undefined ? {} : { chunkSize: spec.chunkSize }),
    ...engineOptions(most === undefined ? spec : { ...spec, grow: boundedGrowth(spec.grow, most) }),
  };
}

/** Of a snapshot that is registered. `refused`: gets why its policy cannot be taken; what protects its data is kept of it then. */
export function openingOptions(spec: SnapshotSpec, refused: (why: string) => void): Partial<SnapshotOptions> {
  const options = engineOptions(fittingSpec(spec));
  try {
    checkSnapshotOptions({ ...options, name: "s", cow: "/s" });
    return options;
  } catch (error) {
    refused((error as Error).message);
    return spec.readOnly === true ? { readOnly: true } : {};
  }
}

/**
 * Growth of a store that may have `most` bytes, of its pool: what is added each time is no more than that. The user's own `max` that is too small for his own `by` stays
 * so, and is refused in the engine's words.
 */
export function boundedGrowth(grow: SnapshotSpec["grow"], most: number): SnapshotSpec["grow"] {
  if (grow === undefined || grow === null || (grow.max !== undefined && grow.max < grow.by)) return grow;
  const max = Math.floor(Math.min(grow.max ?? Number.POSITIVE_INFINITY, most) / SECTOR_BYTES) * SECTOR_BYTES;
  return { ...grow, by: Math.min(grow.by, max), max };
}

function chunksOf({ chunkSize }: SnapshotSpec): Partial<SnapshotOptions> {
  return chunkSize === undefined ? {} : { chunkSize };
}
