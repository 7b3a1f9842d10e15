/**
 * The bytes that a power cut at any moment of a recording may have left on its devices.
 *
 *   log ──▶ durable at T: on the medium, in the order of their ends
 *       └─▶ begun by T, not durable: each lost, kept, or torn at sectors; of several writes to a sector, the last kept one stays
 *
 * Time only moves on: the durable bytes grow with it, and an image is a copy of them with the loose writes laid over it, of which
 * only the sectors that differ are made, and unmade again.
 */
import type { SeededRandom } from "../support/core/seeded-random.ts";
import type { DeviceLog, LoggedWrite } from "../support/lying-device/device-log.ts";
import { SECTOR_BYTES } from "./ledger.ts";

/** A device that does not do what it says, to see that a checker finds it out. */
export interface Lie {
  /** Devices whose flushes make nothing durable. */
  readonly flushes?: readonly number[];
  /** Devices whose durable writes are not. */
  readonly durableWrites?: readonly number[];
  /** Flushes that begin in one of these times make nothing durable, as if they were not there. */
  readonly missing?: readonly Time[];
}

/** From one moment to another. */
export type Time = readonly [from: number, to: number];

export const CUTS = ["prefix", "all lost", "all kept", "some lost", "torn", "one lost", "one kept", "mixed"] as const;
export type Cut = (typeof CUTS)[number];

interface Disk {
  /** What is durable, and by sector the rank of the write that it is of. */
  readonly medium: Uint8Array;
  readonly ranks: Int32Array;
  /** The image: the medium, but for the sectors in `touched`. */
  readonly image: Uint8Array;
  readonly touched: number[];
}

type Choice = "lost" | "kept" | "torn";

export class Replay {
  readonly #disks: readonly Disk[];
  /** In the order of their ends: a write's index is its rank. */
  readonly #writes: readonly LoggedWrite[];
  readonly #durableAt: readonly number[];
  /** Ranks in the order in which they become durable. */
  readonly #coming: readonly number[];
  #settled = 0;
  #now = 0;

  constructor(first: readonly Uint8Array[], log: DeviceLog, lie: Lie = {}) {
    this.#disks = first.map((bytes) => ({
      medium: bytes.slice(),
      ranks: new Int32Array(bytes.length / SECTOR_BYTES).fill(-1),
      image: bytes.slice(),
      touched: [],
    }));
    this.#writes = log.writes.toSorted((a, b) => (a.end === b.end ? a.begin - b.begin : a.end - b.end));
    for (const { offset, data } of this.#writes) {
      if (offset % SECTOR_BYTES !== 0 || data.length % SECTOR_BYTES !== 0)
        throw new Error("a write of parts of sectors");
    }
    this.#durableAt = this.#writes.map((write) => durableAt(write, log, lie));
    this.#coming = this.#writes
      .map((_, rank) => rank)
      .filter((rank) => this.#durableAt[rank] < Infinity)
      .sort((a, b) => this.#durableAt[a] - this.#durableAt[b]);
  }

  /** On to a later moment. */
  moveTo(time: number): void {
    if (time < this.#now) throw new Error("time does not go back");
    this.#now = time;
    this.#restore();
    for (; this.#settled < this.#coming.length; this.#settled++) {
      const rank = this.#coming[this.#settled];
      if (this.#durableAt[rank] > time) return;
      this.#settle(rank);
    }
  }

  /** Images of all devices, valid until the next call. */
  cut(kind: Cut, random: SeededRandom): readonly Uint8Array[] {
    this.#restore();
    const loose: number[] = [];
    for (const [rank, write] of this.#writes.entries()) {
      if (write.begin <= this.#now && this.#durableAt[rank] > this.#now) loose.push(rank);
    }
    const choose = this.#chooser(kind, loose, random);
    for (const rank of loose) {
      const choice = choose(rank);
      if (choice !== "lost") this.#lay(rank, choice === "torn" ? () => random.chance(50) : () => true);
    }
    return this.#disks.map((disk) => disk.image);
  }

  #chooser(kind: Cut, loose: readonly number[], random: SeededRandom): (rank: number) => Choice {
    const one = loose.length === 0 ? -1 : loose[random.below(loose.length)];
    const percent = 10 + random.below(81);
    switch (kind) {
      case "prefix":
        return (rank) => (this.#writes[rank].end <= this.#now ? "kept" : "lost");
      case "all lost":
        return () => "lost";
      case "all kept":
        return () => "kept";
      case "some lost":
        return () => (random.chance(percent) ? "lost" : "kept");
      case "torn":
        return () => "torn";
      case "one lost":
        return (rank) => (rank === one ? "lost" : "kept");
      case "one kept":
        return (rank) => (rank === one ? "kept" : "lost");
      case "mixed":
        return () => (["lost", "kept", "torn"] as const)[random.below(3)];
      default:
        throw new Error(`no cut is called ${kind satisfies never}`);
    }
  }

  #settle(rank: number): void {
    const { device, offset, data } = this.#writes[rank];
    const { medium, ranks, image } = this.#disks[device];
    const first = offset / SECTOR_BYTES;
    for (let i = 0; i < data.length / SECTOR_BYTES; i++) {
      if (ranks[first + i] > rank) continue;
      ranks[first + i] = rank;
      const at = (first + i) * SECTOR_BYTES;
      const bytes = data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
      medium.set(bytes, at);
      image.set(bytes, at);
    }
  }

  /** Ranks come in ascending order. */
  #lay(rank: number, isKept: () => boolean): void {
    const { device, offset, data } = this.#writes[rank];
    const { ranks, image, touched } = this.#disks[device];
    const first = offset / SECTOR_BYTES;
    for (let i = 0; i < data.length / SECTOR_BYTES; i++) {
      if (ranks[first + i] > rank || !isKept()) continue;
      image.set(data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES), (first + i) * SECTOR_BYTES);
      touched.push(first + i);
    }
  }

  #restore(): void {
    for (const { medium, image, touched } of this.#disks) {
      for (const sector of touched) {
        const at = sector * SECTOR_BYTES;
        image.set(medium.subarray(at, at + SECTOR_BYTES), at);
      }
      touched.length = 0;
    }
  }
}

function durableAt(write: LoggedWrite, log: DeviceLog, lie: Lie): number {
  let at = write.durable && !lie.durableWrites?.includes(write.device) ? write.end : Infinity;
  if (lie.flushes?.includes(write.device)) return at;
  for (const flush of log.flushes) {
    if (lie.missing?.some(([from, to]) => flush.begin > from && flush.begin < to)) continue;
    if (flush.device === write.device && flush.begin > write.end && flush.end < at) at = flush.end;
  }
  return at;
}
