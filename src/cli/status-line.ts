/**
 * A line about a volume at work: how full its snapshots are, what its clients do, what is being copied.
 *
 *   before 640/589824 64 (0.1 %)  12034 I/O/s  47 MiB/s  copies 36 (+4/s)
 *
 * Rates come from the difference between two looks, so the line keeps the counters of the look before.
 */
import type { VolumeStats } from "../engine/volume.ts";
import { formatSize } from "../base/size-text.ts";

interface Look {
  readonly seconds: number;
  readonly operations: number;
  readonly bytes: number;
  readonly copies: number;
}

export class StatusLine {
  #before: Look | undefined;

  /** The line for `stats`, taken at `seconds` on any clock that only goes forward. */
  next(stats: VolumeStats, seconds: number): string {
    const now = look(stats, seconds);
    const before = this.#before ?? now;
    this.#before = now;
    const elapsed = now.seconds - before.seconds;
    // What a snapshot that was dropped has counted is gone.
    const rate = (a: number, b: number): number => (elapsed > 0 ? Math.max(0, Math.round((a - b) / elapsed)) : 0);
    const snapshots = stats.snapshots.map((s) => {
      const share = s.totalSectors === 0 ? 0 : (100 * s.allocatedSectors) / s.totalSectors;
      return `${s.name} ${s.status} (${share.toFixed(1)} %)`;
    });
    return [
      ...snapshots,
      `${rate(now.operations, before.operations)} I/O/s`,
      `${formatSize(rate(now.bytes, before.bytes))}/s`,
      `copies ${now.copies} (+${rate(now.copies, before.copies)}/s)`,
    ].join("  ");
  }
}

function look(stats: VolumeStats, seconds: number): Look {
  let operations = 0;
  let bytes = 0;
  for (const e of stats.exports) {
    operations += e.reads + e.writes + e.flushes + e.trims + e.zeroes;
    bytes += e.readBytes + e.writtenBytes;
  }
  const copies = stats.snapshots.reduce((sum, s) => sum + s.copies, 0);
  return { seconds, operations, bytes, copies };
}
