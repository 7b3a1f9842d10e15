/**
 * What a snapshot is asked to be, drawn from the seed: stores of each kind and chunk size, in pools and on files of their own, that are large enough, grow, stall, or are lost.
 */
import type { SnapshotSpec } from "../../src/daemon/state.ts";
import type { SeededRandom } from "../support/core/seeded-random.ts";

export const MIB: number = 2 ** 20;
const KIB = 1024;

/**
 * - `roomy`: whatever is written fits.
 * - `growing`: it grows by itself in time, and is never full.
 * - `stalls`: it becomes full, and who needs room waits until somebody adds some.
 * - `lossy`: it may be lost; the volume must not notice.
 */
export type SpecKind = "roomy" | "growing" | "stalls" | "lossy";

export interface DrawnSpec {
  readonly kind: SpecKind;
  readonly spec: SnapshotSpec & { readonly size: number };
}

/** `device`: a file that it may be made on, instead of in a pool. */
export function drawSpec(random: SeededRandom, volumeBytes: number, device: string): DrawnSpec {
  const kind = random.pick(["roomy", "roomy", "roomy", "growing", "growing", "stalls", "lossy"] as const);
  const chunkSize = random.pick([4, 8, 16, 16, 64, 128, 512]) * KIB;
  const store = random.pick(["P", "P", "PO"] as const);
  const place = random.pick([{ pool: "memory" }, { pool: "disk" }, kind === "roomy" ? { device } : { pool: "disk" }]);
  const full = store === "PO" ? "overflow" : "invalidate";
  return { kind, spec: { ...place, chunkSize, store, ...roomOf(kind, full, random, volumeBytes) } };
}

/** Chunks that workers hold in reserve are allocated, and a chunk may be half a MiB. */
function roomOf(
  kind: SpecKind,
  full: "overflow" | "invalidate",
  random: SeededRandom,
  volumeBytes: number,
): DrawnSpec["spec"] {
  const small = (2 + Math.ceil((volumeBytes / MIB / 8) * (1 + random.below(3)))) * MIB;
  switch (kind) {
    case "roomy":
      return { size: Math.ceil((volumeBytes * 9) / 8 / MIB + 24) * MIB };
    case "growing":
      return {
        size: small,
        grow: { by: (4 + random.below(8)) * MIB, at: 30 + random.below(50) },
        whenFull: random.pick([full, "stall"] as const),
      };
    case "stalls":
      return { size: small, whenFull: "stall", stallSeconds: 3600 };
    case "lossy":
      return { size: small, whenFull: full };
  }
}

/** The same for the command line. */
export function specWords({
  size,
  pool,
  device,
  chunkSize,
  store,
  grow,
  whenFull,
  stallSeconds,
}: SnapshotSpec): string[] {
  const option = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [`--${name}`, String(value)];
  return [
    ...option("size", size),
    ...option("pool", pool),
    ...option("device", device),
    ...option("chunk-size", chunkSize),
    ...option("store", store),
    ...option("grow", grow == null ? undefined : `${grow.by}${grow.at === undefined ? "" : `,at=${grow.at}`}`),
    ...option("when-full", whenFull === "stall" ? `stall,${stallSeconds ?? 3600}` : whenFull),
  ];
}
